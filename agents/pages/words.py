"""The words of the report: the headline, its numbers, the sentence that says what a plot shows, the screen's table."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agents.pictures.recorded_flight import RecordedFlight
from agents.scoring.statistics import shown_boxes
from lunar_env.flying.wishes import wishes_in_words

NARROW = "\u202f"  # a narrow space that keeps a number with its sign


def worst_first(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The scenarios in which descents were flown, the hardest first.

    That is the one whose best pilot landed the smallest share; where the best are equal, whose worst one did.
    """
    shares: dict[str, list[float]] = {}
    for result in results:
        if result.get("episodes") and "failed" not in result:
            shares.setdefault(result["scenario"], []).append(result["landed"] / result["episodes"])
    return sorted(shares, key=lambda name: (max(shares[name]), min(shares[name])))


def headline(results: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The result in a sentence, and what it has to be compared with; the best pilot of the hardest scenario."""
    order = worst_first(results)
    if not order:
        return "No descent was completed, so there is no result.", ""
    return headline_of(order[0], results)


def headline_of(scenario: str, results: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The same of one scenario."""
    flown = [result for result in results if result.get("episodes") and "failed" not in result]
    flown = [result for result in flown if result["scenario"] == scenario]
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
    share = percent(result["landed"] / result["episodes"])
    return f"{share} (95{NARROW}% Wilson interval {interval(result)})"


def interval(result: Mapping[str, Any]) -> str:
    """The Wilson interval, for instance "93.6–94.9 %"."""
    low, high = map(percent, result["wilson"])
    return f"{low.removesuffix(f'{NARROW}%')}–{high}"


def percent(share: float) -> str:
    """One decimal, and two near either end; 100 only if it is all."""
    digits = 2 if 0 < share < 0.01 or 0.99 < share < 1 else 1
    text = f"{min(100 * share, 100 - 10.0**-digits if share < 1 else 100):.{digits}f}"
    return f"{text if 0 < share < 1 else round(100 * share)}{NARROW}%"


def number(value: float | None, digits: int = 1) -> str:
    """A number for the table; a dash for None and nan."""
    return "–" if value is None or not np.isfinite(value) else f"{value:,.{digits}f}"


def speeds(box: Mapping[str, float]) -> str:
    """The speeds of a landing box, for instance "3.0 m/s down and 1.22 m/s sideways"."""
    down, sideways = (f"{box[name]:.2f}".removesuffix("0") for name in ("descent_rate", "lateral_speed"))
    return f"{down} m/s down and {sideways} m/s sideways"


def upright(box: Mapping[str, float]) -> str:
    """A landing box in words, for instance "at most 3.0 m/s down and 1.0 m/s sideways, with at most 10° of tilt"."""
    tilt = f", with at most {math.degrees(box['tilt']):.0f}° of tilt" if box["tilt"] < math.pi else ""
    return f"at most {speeds(box)}{tilt}"


def plane_sentence(flight: RecordedFlight) -> str:
    """What the plane of altitude and descent rate shows of one flight."""
    speed, altitude = flight.first_valid_descent_rate, flight.first_valid_altitude
    if not (np.isfinite(speed) and np.isfinite(altitude)):
        return f"No valid range ever came: {flight.ending()}."
    needed = speed**2 / (2 * max(altitude, 0.1)) if speed > 0 else 0.0
    sentence = (
        f"The first valid range came {altitude:,.0f} m up, falling at {speed:.0f} m/s: stopping from there needs "
        f"{needed:.1f} m/s² net of gravity"
    )
    if flight.deceleration > 0.0:
        verdict = "more" if needed > flight.deceleration else "no more"
        sentence += f", {verdict} than the {flight.deceleration:.1f} m/s² of the curve, which full thrust gave there"
    elif flight.deceleration <= 0.0:
        sentence += ", and full thrust did not carry the weight there"
    return sentence + "."


def altitude_sentence(flight: RecordedFlight) -> str:
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


def engine_sentence(flight: RecordedFlight) -> str:
    """How hard the engine worked and what it burned."""
    throttle, mass = flight.throttle[np.isfinite(flight.throttle)], flight.propellant
    mean = f"{100 * throttle.mean():.0f} %" if throttle.size else "unknown"
    full = f"{100 * (throttle > 0.99).mean():.0f} %" if throttle.size else "unknown"
    return (
        f"Throttle averaged {mean} and stood at full for {full} of the decisions; "
        f"propellant fell from {number(mass[0], 0)} to {number(mass[-1], 0)} kg."
    )


def overlay_sentence(deceleration: float) -> str:
    """What dots, crosses and the stopping curve of all flights together say."""
    words = "A dot is a landing, a cross any other end"
    if np.isfinite(deceleration):
        words += (
            f"; a track that sinks into the grey can no longer be stopped at {deceleration:.1f} m/s² net of gravity, "
            "the most that full thrust gave any of them at its first valid range"
        )
    return words + "."


def touchdown_sentence(touchdowns: Mapping[str, np.ndarray], limits: Mapping[str, float]) -> str:
    """How many touchdowns lie in each box."""
    met = np.abs(np.concatenate(list(touchdowns.values())))
    met = met[np.isfinite(met).all(axis=1)]
    inside = [
        f"{int((met <= (box['descent_rate'], box['lateral_speed'])).all(axis=1).sum()):,} lie in the {name} box "
        f"({speeds(box)})"
        for name, box in shown_boxes(limits).items()
    ]
    return f"Of {len(met):,} touchdowns {' and '.join(inside)}; the axes are square roots, so that crashes fit too."


def over_bound(result: Mapping[str, Any]) -> str:
    """The mean propellant over the bound, for instance "+12.3 %"; a dash where there is none."""
    over = result.get("over_bound")
    return f"{100.0 * over['mean']:+.1f} %" if over else "-"


def below_bound(result: Mapping[str, Any]) -> str:
    """Says that landings used less than the least that any could: something is wrong somewhere."""
    return (
        f"{result['pilot']} landed {count(result, 'below_bound')} descents in {result['scenario']} with less "
        "propellant than the bound: the bound, the physics or the record is wrong."
    )


def others(result: Mapping[str, Any]) -> str:
    """How the descents ended that did not land, for instance "3 crashed, 1 out of propellant"; empty if all landed."""
    ends = {name: n for name, n in result["outcomes"].items() if n and name != "landed"}
    return ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in ends.items())


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """The results as a table for the screen."""
    head = (
        "scenario",
        "pilot",
        "landed",
        "95 % interval",
        "strict",
        "down m/s: mean, 99 %, worst",
        "lateral: 99 %",
        "kg",
        "over the bound",
        "else",
    )
    rows = [head]
    for row in results:
        if "failed" in row:
            rows.append((row["scenario"], row["pilot"], "failed", "see below", "", "", "", "", "", ""))
            continue
        down, side = row["touchdown"]["vertical_speed"], row["touchdown"]["lateral_speed"]
        rows.append(
            (
                row["scenario"],
                row["pilot"],
                f"{row['landed']}/{row['episodes']}",
                f"[{row['wilson'][0]:.4f}, {row['wilson'][1]:.4f}]",
                str(row["landed_strict"]),
                f"{down['mean']:.2f}, {down['p99']:.2f}, {down['worst']:.2f}" if down else "-",
                f"{side['p99']:.2f}" if side else "-",
                f"{row['propellant']['mean']:.1f}",
                over_bound(row),
                others(row) or "-",
            )
        )
    reasons = [f"{row['pilot']} in {row['scenario']} {failure_words(row)}" for row in results if "failed" in row]
    return "\n".join([aligned(rows), *reasons])


def failure_words(result: Mapping[str, Any]) -> str:
    """Why a pilot has no numbers in a scenario: it failed in every episode, or cannot fly what it is shown."""
    reason = result["failed"]
    return reason if reason.startswith("cannot fly") else f"failed: {reason}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of as many cells each as lines, the cells of a column below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def wishes_words(results: Sequence[Mapping[str, Any]]) -> str:
    """What each pilot wished for that is not the scenario's own, a line for each wish; empty if none did."""
    wished: dict[tuple[str, str], list[str]] = {}
    for row in results:
        if row.get("wishes"):
            wished.setdefault((row["pilot"], wishes_in_words(row["wishes"])), []).append(row["scenario"])
    return "\n".join(f"{pilot} flies with {words} in {', '.join(names)}" for (pilot, words), names in wished.items())
