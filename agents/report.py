"""Write what happened as one HTML file that needs nothing else: who lands, how often, and why not.

The sentence under a plot says what to see, with the numbers of this evaluation. A rate stands beside its
count and its 95 % Wilson interval, the worst 0.1 % beside the mean.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from os import PathLike
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from agents import figures
from agents.figures import Flight, picture

__all__ = ["Flight", "picture", "write_report"]

NARROW = "\u202f"  # a narrow space that keeps a number with its sign
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
    flights: Sequence[Flight],
    *,
    title: str,
    facts: Sequence[tuple[str, str]],
    touchdowns: Mapping[str, np.ndarray] | None = None,
    deceleration: float = 2.0,
) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        results: one mapping per scenario and pilot, as ``agents.statistics.summary`` makes them, or with a
            ``failed`` reason instead of numbers. The first scenario is the one of the headline.
        flights: the first two, best of the same episode, are shown side by side; all are shown together.
        title: stands above the headline.
        facts: label and text of what was run: command, commit, seed, device, versions.
        touchdowns: for each pilot (k, 2) vertical and lateral speed at touchdown [m/s].
        deceleration: of the stopping curve [m/s²], net of gravity.
    """
    flights = [flight for flight in flights if flight.time.size]
    touchdowns = {pilot: np.reshape(speeds, (-1, 2)).astype(float) for pilot, speeds in (touchdowns or {}).items()}
    named = [result["pilot"] for result in results] + [flight.pilot for flight in flights] + list(touchdowns)
    colours = figures.palette(named)
    sentence, comparison = headline(results)
    sections = [
        section("Results", results_table(results, colours)),
        section("How the descents ended", outcome_bars(results)),
        section("Two flights side by side", side_by_side(flights[:2], colours, deceleration)),
        section("All together", together(flights, touchdowns, colours, deceleration)),
        section("What was run", definition_list(facts)),
    ]
    page = Template(PAGE).substitute(
        title=escape(title),
        headline=escape(sentence),
        comparison=f'<p class="lede">{escape(comparison)}</p>' if comparison else "",
        sections="\n".join(sections),
        light=variables(0),
        dark=variables(1),
    )
    Path(path).write_text(page, encoding="utf-8")


# The words


def headline(results: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The result in a sentence, and what it has to be compared with; the best pilot of the first scenario."""
    flown = [result for result in results if result.get("episodes") and "failed" not in result]
    flown = [result for result in flown if result["scenario"] == flown[0]["scenario"]]
    if not flown:
        return "No descent was completed, so there is no result.", ""
    ranked = sorted(flown, key=lambda result: result["landed"] / result["episodes"], reverse=True)
    best, others = ranked[0], ranked[1:]
    sentence = f"{best['pilot']} landed {count(best)} descents in {best['scenario']}: {rate(best)}."
    if not others:
        return sentence, ""
    comparison = "; ".join(f"{other['pilot']} landed {count(other)}, {rate(other)}" for other in others) + "."
    close = [other["pilot"] for other in others if other["wilson"][1] >= best["wilson"][0]]
    if close:
        comparison += f" The intervals of {best['pilot']} and {' and '.join(close)} overlap: "
        comparison += "more descents are needed to tell them apart."
    return sentence, f"In the same scenario {comparison}"


def count(result: Mapping[str, Any], key: str = "landed") -> str:
    """For instance "4,712 of 5,000"."""
    return f"{result[key]:,} of {result['episodes']:,}"


def rate(result: Mapping[str, Any]) -> str:
    """For instance "94.2 % (95 % Wilson interval 93.6–94.9 %)"."""
    low, high = (percent(bound).removesuffix(f"{NARROW}%") for bound in result["wilson"])
    share = percent(result["landed"] / result["episodes"])
    return f"{share} (95{NARROW}% Wilson interval {low}–{high}{NARROW}%)"


def percent(share: float) -> str:
    """One decimal, and two near either end; 100 only if it is all."""
    digits = 2 if 0 < share < 0.01 or 0.99 < share < 1 else 1
    text = f"{min(100 * share, 100 - 10.0**-digits if share < 1 else 100):.{digits}f}"
    return f"{text if 0 < share < 1 else round(100 * share)}{NARROW}%"


def number(value: float | None, digits: int = 1) -> str:
    """A number for the table; a dash for None and nan."""
    return "–" if value is None or not np.isfinite(value) else f"{value:,.{digits}f}"


def plane_sentence(flight: Flight, deceleration: float) -> str:
    """What the plane of altitude and descent rate shows of one flight."""
    speed, altitude = flight.first_valid_descent_rate, flight.first_valid_altitude
    if not (np.isfinite(speed) and np.isfinite(altitude)):
        return f"No valid range ever came: {flight.ending()}."
    needed = speed**2 / (2 * max(altitude, 0.1)) if speed > 0 else 0.0
    verdict = "more" if needed > deceleration else "no more"
    return (
        f"The first valid range came {altitude:,.0f} m up, falling at {speed:.0f} m/s: stopping from there needs "
        f"{needed:.1f} m/s² net of gravity, {verdict} than the {deceleration:.1f} m/s² of the curve."
    )


def altitude_sentence(flight: Flight) -> str:
    """How long the altimeter was silent and how wrong the belief was."""
    silent, duration = np.isnan(flight.measured_altitude), flight.time[-1] - flight.time[0]
    if not silent.any():
        return f"The altimeter gave a valid reading at every decision of the {duration:.0f} s."
    error = np.abs(flight.believed_altitude - flight.altitude)
    seconds = float(np.diff(flight.time)[silent[:-1]].sum())
    words = f"Of {duration:.0f} s, {seconds:.0f} s had no valid reading (shaded)"
    if np.isfinite(error[silent]).any():
        words += f", with the belief on board up to {np.nanmax(error[silent]):,.0f} m wrong"
    return words + "."


def engine_sentence(flight: Flight) -> str:
    """How hard the engine worked and what it burned."""
    throttle, mass = flight.throttle[np.isfinite(flight.throttle)], flight.propellant
    mean = f"{100 * throttle.mean():.0f} %" if throttle.size else "unknown"
    full = f"{100 * (throttle > 0.99).mean():.0f} %" if throttle.size else "unknown"
    return (
        f"Throttle averaged {mean} and stood at full for {full} of the decisions; "
        f"propellant fell from {number(mass[0], 0)} to {number(mass[-1], 0)} kg."
    )


def touchdown_sentence(touchdowns: Mapping[str, np.ndarray]) -> str:
    """How many touchdowns lie in each box."""
    speeds = np.abs(np.concatenate(list(touchdowns.values())))
    speeds = speeds[np.isfinite(speeds).all(axis=1)]
    soft, strict = (int((speeds <= box).all(axis=1).sum()) for box in (figures.SOFT_BOX, figures.STRICT_BOX))
    return (
        f"Of {len(speeds):,} touchdowns {soft:,} lie in the soft box (3.0 m/s down, 1.0 m/s sideways) and "
        f"{strict:,} in the strict one (2.0 and 0.5); the axes are square roots, so that crashes fit too."
    )


# The parts of the page


def section(name: str, content: str) -> str:
    """A part of the page under its heading."""
    return f"<section>\n<h2>{escape(name)}</h2>\n{content}\n</section>"


def chip(colour: str) -> str:
    """A small square of a colour."""
    return f'<i class="chip" style="background:{colour}"></i>'


def pilot_chip(pilot: str, colours: Mapping[str, str]) -> str:
    """A pilot's name behind its colour."""
    return f"{chip(f'var(--pilot{figures.PILOTS.index(colours[pilot])})')}{escape(pilot)}"


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
    note = (
        "Strictly means at most 2.0 m/s down and 0.5 m/s sideways, and upright. Speeds are those of all "
        "touchdowns, crashes included; the worst 0.1 % is a mean too, of at least one."
    )
    table = f"<table><thead><tr>{head}</tr></thead>\n<tbody>{''.join(rows)}</tbody></table>"
    return f'{table}\n<p class="note">{note}</p>'


def result_row(result: Mapping[str, Any], colours: Mapping[str, str]) -> str:
    """One pilot in one scenario; a failed one says why."""
    name = f'<th scope="row">{pilot_chip(result["pilot"], colours)}</th>'
    if "failed" in result or not result.get("episodes"):
        reason = f"failed: {result['failed']}" if "failed" in result else "no descent was flown"
        return f'<tr>{name}<td class="failed" colspan="{len(COLUMNS) - 1}">{escape(reason)}</td></tr>\n'
    touchdown = result.get("touchdown") or {}
    cells = [
        count(result),
        interval_bar(result),
        count(result, "landed_strict"),
        pair(touchdown.get("vertical_speed"), "worst_0.1_percent"),
        pair(touchdown.get("lateral_speed"), "worst_0.1_percent"),
        pair(result.get("propellant"), "worst"),
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
    bounds = f"{percent(low / 100)}–{percent(high / 100)}".replace(f"{NARROW}%–", "–")
    return f'<span class="rate">{percent(share)}</span><span class="bar">{marks}</span><small>{bounds}</small>'


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
    return "\n".join(parts) + figure_sentence("Green is landed; every other colour is a descent that was not.")


def figure_sentence(sentence: str) -> str:
    """The sentence under a figure that is not drawn by matplotlib."""
    return f'<p class="note">{escape(sentence)}</p>'


def figure(drawn: Figure, name: str, sentence: str) -> str:
    """A plot over the sentence that says what to see."""
    picture_ = figures.to_svg(drawn, name, sentence)
    return f"<figure>{picture_}<figcaption>{escape(sentence)}</figcaption></figure>"


def side_by_side(flights: Sequence[Flight], colours: Mapping[str, str], deceleration: float) -> str:
    """Two flights in two columns of three plots, all on the same axes."""
    if not flights:
        return "<p>No flight was recorded.</p>"
    frame = figures.Frame.around(flights)
    cells = []
    for i, flight in enumerate(flights):
        colour = colours[flight.pilot]
        ending = f"{escape(flight.ending())} <small>{escape(flight.scenario)}</small>"
        cells += [
            f"<h3>{pilot_chip(flight.pilot, colours)}: {ending}</h3>",
            figure(
                figures.plane_figure(flight, colour, frame, deceleration),
                f"plane{i}",
                plane_sentence(flight, deceleration),
            ),
            figure(figures.altitude_figure(flight, colour, frame), f"altitude{i}", altitude_sentence(flight)),
            figure(figures.engine_figure(flight, colour, frame), f"engine{i}", engine_sentence(flight)),
        ]
    return f'<div class="flights">{"".join(cells)}</div>'


def together(
    flights: Sequence[Flight],
    touchdowns: Mapping[str, np.ndarray],
    colours: Mapping[str, str],
    deceleration: float,
) -> str:
    """All flights in one plane, all touchdowns in another."""
    plots = ["<p>No flight was recorded.</p>"]
    key = []
    for pilot in dict.fromkeys([*(flight.pilot for flight in flights), *touchdowns]):
        ends = [flight.outcome for flight in flights if flight.pilot == pilot]
        words = f": {ends.count('landed')} of the {len(ends)} flights drawn landed" if ends else ""
        key.append(f"<span>{pilot_chip(pilot, colours)}{words}</span>")
    if flights:
        sentence = (
            f"A dot is a landing, a cross any other end; a track that sinks into the grey can no longer be "
            f"stopped at {deceleration:.1f} m/s²."
        )
        plots = [figure(figures.overlay_figure(flights, colours, deceleration), "overlay", sentence)]
    touchdowns = {pilot: speeds[np.isfinite(speeds).all(axis=1)] for pilot, speeds in touchdowns.items()}
    if any(map(len, touchdowns.values())):
        sentence = touchdown_sentence(touchdowns)
        plots.append(figure(figures.touchdown_figure(touchdowns, colours), "touchdown", sentence))
    return f'<p class="key">{"".join(key)}</p><div class="pair">{"".join(plots)}</div>'


def definition_list(facts: Iterable[tuple[str, str]]) -> str:
    """Labels and what they stand for."""
    items = "".join(f"<div><dt>{escape(label)}</dt><dd>{escape(text)}</dd></div>" for label, text in facts)
    return f"<dl>{items}</dl>" if items else "<p>Nothing was noted.</p>"


def variables(theme: int) -> str:
    """The colours of the light (0) or dark (1) theme as CSS variables."""
    return "".join(f"--{name}:{colours[theme]};" for name, colours in figures.THEME.items())


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root { color-scheme: light; $light }
@media screen and (prefers-color-scheme: dark) { :root { color-scheme: dark; $dark } }
* { box-sizing: border-box; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
body { margin: 0 auto; max-width: 72rem; padding: 3rem 1.5rem 5rem;
  color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1, h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, "Liberation Serif", serif; }
h1 { font-size: clamp(1.7rem, 4.4vw, 2.7rem); line-height: 1.2; font-weight: 500; max-width: 24em;
  margin: .3em 0 .5em; letter-spacing: -.01em; text-wrap: balance; overflow-wrap: anywhere; }
h2 { font-size: 1.5rem; font-weight: 500; margin: 0 0 1rem; padding-top: 1rem;
  border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.2rem 0 .6rem; overflow-wrap: anywhere; }
section { margin-top: 3rem; }
small, .eyebrow, .note, figcaption, dt { color: var(--muted); }
h3 small { font-weight: 400; margin-left: .4em; }
.eyebrow { margin: 0; letter-spacing: .04em; }
.lede { font-size: 1.15rem; max-width: 44em; margin: 0; overflow-wrap: anywhere; }
.note, figcaption { font-size: .9rem; max-width: 46em; }
.chip { display: inline-block; width: .7em; height: .7em; border-radius: 2px; margin-right: .5em; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .55rem 1rem .55rem 0; border-bottom: 1px solid var(--rule); }
tbody th { font-weight: 600; min-width: 9.5em; overflow-wrap: anywhere; }
td { white-space: nowrap; }
thead th { font-size: .85rem; font-weight: 400; color: var(--muted); vertical-align: top; line-height: 1.3; }
thead small { display: block; }
td small { margin-left: .45em; }
.scenario th { padding-top: 1.4rem; font-weight: 400; font-style: italic; }
.failed { color: var(--muted); overflow-wrap: anywhere; white-space: normal; }
.rate { display: inline-block; min-width: 4em; font-weight: 600; }
.bar { display: inline-block; position: relative; width: 6rem; height: .6rem; background: var(--shade); }
.bar b, .bar i { position: absolute; top: 0; bottom: 0; }
.bar b { background: var(--muted); min-width: 1px; opacity: .65; }
.bar i { width: 2px; margin-left: -1px; top: -3px; bottom: -3px; background: var(--ink); }
.outcome { margin: 0 0 1rem; display: grid; grid-template-columns: 11rem 1fr; column-gap: 1rem; }
.outcome > span { overflow-wrap: anywhere; line-height: 1.4; }
.stack { display: flex; height: 1.4rem; gap: 1px; }
.stack b { min-width: 2px; }
.key { display: flex; flex-wrap: wrap; gap: .1rem 1.4rem; margin: .25rem 0 0; font-size: .9rem; }
.outcome .key { grid-column: 2; }
figure { margin: 0 0 1.6rem; min-width: 0; break-inside: avoid; }
figcaption { margin-top: .5rem; }
svg { display: block; width: 100%; height: auto; font-family: inherit; }
svg * { stroke-linejoin: round; }
.flights, .pair { display: grid; column-gap: 3rem; grid-template-columns: minmax(0, 1fr); }
.pair { margin-top: 1rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: .8rem 2rem;
  margin: 0; }
dd { margin: 0; overflow-wrap: anywhere; }
dt { font-size: .85rem; }
@media (min-width: 46rem), print {
  .flights { grid-template-rows: repeat(4, auto); grid-auto-flow: column; grid-template-columns: none;
    grid-auto-columns: minmax(0, 1fr); }
  .pair { grid-template-columns: 1fr 1fr; }
}
@media screen and (max-width: 46rem) {
  body { padding: 1.5rem 1rem 3rem; }
  thead { display: none; }
  table, tbody, tr, th, td { display: block; border: 0; padding: 0; }
  tr { border-bottom: 1px solid var(--rule); padding: .8rem 0; }
  td { display: grid; grid-template-columns: 7.5em 1fr; padding-top: .2rem; white-space: normal; }
  .bar { display: block; }
  .bar + small { margin: 0; }
  td::before { content: attr(data-label); color: var(--muted); font-size: .85rem; }
  td.failed { display: block; }
  .scenario { border: 0; padding-bottom: 0; }
  .outcome { display: block; }
}
@media print {
  html { font-size: 10px; }
  body { padding: 0; max-width: none; }
  section { margin-top: 1.5rem; }
  section:has(.flights) { break-before: page; }
  h2, h3 { break-after: avoid; }
  tr, .outcome { break-inside: avoid; }
}
</style>
</head>
<body>
<header>
<p class="eyebrow">$title</p>
<h1>$headline</h1>
$comparison
</header>
$sections
</body>
</html>
"""
