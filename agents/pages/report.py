"""Write what happened as one HTML file that needs nothing else: who lands, how often, and why not.

The sentence under a plot says what to see, with the numbers of this evaluation. A rate stands beside its
count and its 95 % Wilson interval, the worst 0.1 % beside the mean.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from agents.pages.chapter import Chapter
from agents.pages.style import page
from agents.pages.words import (
    altitude_sentence,
    below_bound,
    count,
    engine_sentence,
    failure_words,
    headline,
    headline_of,
    interval,
    number,
    overlay_sentence,
    percent,
    plane_sentence,
    touchdown_sentence,
    upright,
    worst_first,
)
from agents.pictures import flights as figures
from agents.pictures.flights import RecordedFlight, picture
from agents.pictures.phase_plane import deceleration_of
from agents.pictures.style import PILOTS, Frame, palette, to_svg
from agents.run_folder import write_atomic
from lunar_env.flying.statistics import STRICT
from lunar_env.flying.wishes import wishes_in_words

__all__ = ["Chapter", "RecordedFlight", "headline", "percent", "picture", "write_report"]

OUTCOMES = {  # colour of each in the bars: one green, and failures from vermilion to grey
    "landed": "#007f5c",
    "crashed": "#b84a00",
    "tipped_over": "#e0936a",
    "out_of_propellant": "#8a7767",
    "lost": "#a3a8ae",
    "out_of_time": "#c6cace",
    "invalid": "#3c424a",
}


def write_report(
    path: str | PathLike[str],
    results: Sequence[Mapping[str, Any]],
    chapters: Sequence[Chapter],
    *,
    title: str,
    facts: Sequence[tuple[str, str]],
    pilots: Mapping[str, str] | None = None,
) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        results: one mapping per scenario and pilot, as ``lunar_env.flying.statistics.summary`` makes them, or with a
            ``failed`` reason instead of numbers.
        chapters: the scenarios that are drawn, in their order; the hardest first, see ``words.worst_first``.
        title: stands above the headline.
        facts: label and text of what was run: command, commit, seed, device, versions.
        pilots: what each pilot is, in a sentence.
    """
    pilots = pilots or {}
    named = [result["pilot"] for result in results]
    named += [flight.pilot for chapter in chapters for flight in chapter.flights]
    named += [pilot for chapter in chapters for pilot in chapter.touchdowns]
    colours = palette(named)
    sections = [
        section("Results", results_table(results, colours)),
        section("How the descents ended", outcome_bars(results)),
        *(
            part
            for number, chapter in enumerate(chapters)
            for part in chapter_sections(number, chapter, colours, several=len(chapters) > 1)
        ),
        *left_out(results, chapters),
        section("What was flown", definition_list(subjects(results, chapters, pilots))),
        section("What was run", definition_list(facts)),
    ]
    order = worst_first(results)
    if len(order) > 1:
        items = "".join(f"<li>{escape(' '.join(headline_of(name, results)))}</li>" for name in order[1:])
        sections.insert(0, section("In the other scenarios", f"<ul>{items}</ul>"))
    text = page(title, *headline(results), "\n".join(sections))
    write_atomic(Path(path), lambda temporary: temporary.write_text(text, encoding="utf-8"))


def left_out(results: Sequence[Mapping[str, Any]], chapters: Sequence[Chapter]) -> list[str]:
    """A section on the scenarios that stand in the tables but are not drawn, if there are any and others are."""
    drawn = [chapter.scenario for chapter in chapters]
    others = [name for name in by_scenario(results) if name and name not in drawn]
    if not drawn or not others:
        return []
    are = "is one scenario" if len(others) == 1 else f"are {len(others)} scenarios"
    sentence = f"Only in the table and the bars {are} of {len(others) + len(drawn)}: {', '.join(others)}."
    return [section("Not drawn", f"<p>{escape(sentence)}</p>" + note("Name one alone to have its flights drawn."))]


def chapter_sections(number: int, chapter: Chapter, colours: Mapping[str, str], several: bool) -> list[str]:
    """The flights of a scenario, side by side and together."""
    flights = [flight for flight in chapter.flights if flight.time.size]
    touchdowns = {name: np.reshape(speeds, (-1, 2)).astype(float) for name, speeds in chapter.touchdowns.items()}
    where = f" in {chapter.scenario}" if several else ""
    which = note(f"{chapter.sentence.removesuffix('.')}. Drawn is episode {chapter.episode:,}.") if flights else ""
    heading = "Two flights side by side" if len(flights) > 1 else "One flight"
    beside = side_by_side(flights[:2], colours, number)
    parts = [section(f"{heading}{where}", which + beside)]
    if len(flights) > 1 or touchdowns:
        parts.append(section(f"All together{where}", together(flights, touchdowns, colours, chapter.limits, number)))
    return parts


def subjects(
    results: Sequence[Mapping[str, Any]], chapters: Sequence[Chapter], pilots: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Scenarios and pilots, each with what it is."""
    wished = {row["pilot"]: wishes_in_words(row.get("wishes") or {}) for row in results}
    listed = [(chapter.scenario, chapter.sentence) for chapter in chapters]
    for pilot, sentence in pilots.items():
        wishes = f" It flies with {wished[pilot]}." if wished.get(pilot) else ""
        listed.append((pilot, sentence + wishes))
    return listed


def section(name: str, content: str) -> str:
    """A part of the page under its heading."""
    return f"<section>\n<h2>{escape(name)}</h2>\n{content}\n</section>"


def chip(colour: str) -> str:
    """A small square of a colour."""
    return f'<i class="chip" style="background:{colour}"></i>'


def pilot_chip(pilot: str, colours: Mapping[str, str]) -> str:
    """A pilot's name behind its colour."""
    return f"{chip(f'var(--pilot{PILOTS.index(colours[pilot])})')}{escape(pilot)}"


def by_scenario(results: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The results of each scenario, in the order given."""
    return {
        name: [r for r in results if r["scenario"] == name] for name in dict.fromkeys(r["scenario"] for r in results)
    }


COLUMNS = {  # of the table, and what the smaller number is
    "pilot": "",
    "landed": "",
    "landing rate": "95 % Wilson interval",
    "landed strictly": "",
    "down, m/s": "mean, worst 0.1 %",
    "sideways, m/s": "mean, worst 0.1 %",
    "propellant, kg": "mean, worst",
    "over the bound, %": "mean, worst",
}


def results_table(results: Sequence[Mapping[str, Any]], colours: Mapping[str, str]) -> str:
    """All numbers, one row per scenario and pilot."""
    if not results:
        return "<p>There are no results.</p>"
    head = "".join(f'<th scope="col">{name}<small>{tail}</small></th>' for name, tail in COLUMNS.items())
    rows = []
    for scenario, group in by_scenario(results).items():
        rows.append(f'<tr class="scenario"><th scope="colgroup" colspan="{len(COLUMNS)}">{escape(scenario)}</th></tr>')
        rows += [result_row(result, colours) for result in group]
    strictly = (
        f"Strictly means {upright(STRICT)}. Speeds are those of all "
        "touchdowns, crashes included; the worst 0.1 % is a mean too, of at least one. Over the bound: what landings "
        "used beyond the least with which any pilot could have landed from there, in percent of it."
    )
    wrong = "".join(note(below_bound(result)) for result in results if result.get("below_bound"))
    table = f"<table><thead><tr>{head}</tr></thead>\n<tbody>{''.join(rows)}</tbody></table>"
    return f"{table}\n{note(strictly)}{wrong}"


def result_row(result: Mapping[str, Any], colours: Mapping[str, str]) -> str:
    """One pilot in one scenario; a failed one says why."""
    name = f'<th scope="row">{pilot_chip(result["pilot"], colours)}</th>'
    if "failed" in result or not result.get("episodes"):
        reason = failure_words(result) if "failed" in result else "no descent was flown"
        return f'<tr>{name}<td class="failed" colspan="{len(COLUMNS) - 1}">{escape(reason)}</td></tr>\n'
    touchdown = result.get("touchdown") or {}
    cells = [
        count(result),
        interval_bar(result),
        count(result, "landed_strict"),
        pair(touchdown.get("vertical_speed"), "worst_0.1_percent"),
        pair(touchdown.get("lateral_speed"), "worst_0.1_percent"),
        pair(result.get("propellant"), "worst"),
        pair({name: 100.0 * share for name, share in (result.get("over_bound") or {}).items()}, "worst"),
    ]
    labelled = zip(list(COLUMNS)[1:], cells, strict=True)
    return (
        f"<tr>{name}"
        + "".join(f'<td data-label="{label}"><div>{cell}</div></td>' for label, cell in labelled)
        + "</tr>\n"
    )


def pair(spread: Mapping[str, float] | None, tail: str) -> str:
    """A mean and its tail."""
    spread = spread or {}
    return f"{number(spread.get('mean'))} <small>{number(spread.get(tail))}</small>"


def interval_bar(result: Mapping[str, Any]) -> str:
    """The landing rate as a tick on its Wilson interval, between 0 and 100 %."""
    low, high = (100 * bound for bound in result["wilson"])
    share = result["landed"] / result["episodes"]
    marks = f'<b style="left:{low:.2f}%;width:{high - low:.2f}%"></b><i style="left:{100 * share:.2f}%"></i>'
    return (
        f'<span class="rate">{percent(share)}</span><span class="bar">{marks}</span><small>{interval(result)}</small>'
    )


def outcome_bars(results: Sequence[Mapping[str, Any]]) -> str:
    """A stacked bar per pilot, with every count in words beside its colour."""
    flown = [result for result in results if "failed" not in result and sum(result.get("outcomes", {}).values())]
    if not flown:
        return "<p>No descent was flown to its end.</p>"
    parts = []
    for scenario, group in by_scenario(flown).items():
        parts.append(f"<h3>{escape(scenario)}</h3>")
        for result in group:
            counts = {name: n for name, n in result["outcomes"].items() if n}
            known = {name: counts[name] for name in [*OUTCOMES, *counts] if name in counts}
            bar = "".join(f'<b style="flex:{n};background:{OUTCOMES.get(o, "#777")}"></b>' for o, n in known.items())
            words = [f"{chip(OUTCOMES.get(o, '#777'))}{escape(o.replace('_', ' '))} {n:,}" for o, n in known.items()]
            parts.append(
                f'<div class="outcome"><span>{escape(result["pilot"])}</span><div class="stack">{bar}</div>'
                f'<p class="key">{"".join(f"<span>{word}</span>" for word in words)}</p></div>'
            )
    return "\n".join(parts) + note("Green is landed; every other colour is a descent that was not.")


def note(sentence: str) -> str:
    """A sentence in small print."""
    return f'<p class="note">{escape(sentence)}</p>'


def figure(drawn: Figure, name: str, sentence: str) -> str:
    """A plot over the sentence that says what to see."""
    return f"<figure>{to_svg(drawn, name, sentence)}<figcaption>{escape(sentence)}</figcaption></figure>"


def side_by_side(flights: Sequence[RecordedFlight], colours: Mapping[str, str], number: int) -> str:
    """Two flights in two columns of three plots, all on the same axes, in the chapter of a number."""
    if not flights:
        return "<p>No flight was recorded.</p>"
    frame = Frame.around(flights)
    cells = []
    for i, flight in enumerate(flights):
        colour = colours[flight.pilot]
        ending = f"{escape(flight.ending())} <small>{escape(flight.scenario)}</small>"
        cells += [
            f"<h3>{pilot_chip(flight.pilot, colours)}: {ending}</h3>",
            figure(figures.plane_figure(flight, colour, frame), f"plane{number}-{i}", plane_sentence(flight)),
            figure(figures.altitude_figure(flight, colour, frame), f"altitude{number}-{i}", altitude_sentence(flight)),
            figure(figures.engine_figure(flight, colour, frame), f"engine{number}-{i}", engine_sentence(flight)),
        ]
    return f'<div class="flights">{"".join(cells)}</div>'


def together(
    flights: Sequence[RecordedFlight],
    touchdowns: Mapping[str, np.ndarray],
    colours: Mapping[str, str],
    limits: Mapping[str, float],
    number: int,
) -> str:
    """All flights in one plane, all touchdowns in another, in the chapter of a number."""
    plots = ["<p>No flight was recorded.</p>"]
    key = []
    for pilot in dict.fromkeys([*(flight.pilot for flight in flights), *touchdowns]):
        ends = [flight.outcome for flight in flights if flight.pilot == pilot]
        words = f": {ends.count('landed')} of the {len(ends)} flights drawn landed" if len(ends) > 1 else ""
        words = f": {escape(ends[0].replace('_', ' '))} in the flight drawn" if len(ends) == 1 else words
        key.append(f"<span>{pilot_chip(pilot, colours)}{words}</span>")
    if flights:
        sentence = overlay_sentence(deceleration_of(flights))
        plots = [figure(figures.overlay_figure(flights, colours), f"overlay{number}", sentence)]
    touchdowns = {pilot: speeds[np.isfinite(speeds).all(axis=1)] for pilot, speeds in touchdowns.items()}
    if any(map(len, touchdowns.values())):
        sentence = touchdown_sentence(touchdowns, limits)
        plots.append(figure(figures.touchdown_figure(touchdowns, colours, limits), f"touchdown{number}", sentence))
    return f'<p class="key">{"".join(key)}</p><div class="pair">{"".join(plots)}</div>'


def definition_list(facts: Iterable[tuple[str, str]]) -> str:
    """Labels and what they stand for."""
    items = "".join(f"<div><dt>{escape(label)}</dt><dd>{escape(text)}</dd></div>" for label, text in facts)
    return f"<dl>{items}</dl>" if items else "<p>Nothing was noted.</p>"
