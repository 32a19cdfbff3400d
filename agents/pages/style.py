"""The page around the report: its skeleton and its style sheet, which also fits a phone, the dark and paper."""

from html import escape
from string import Template

from agents.pictures.style import THEME


def page(title: str, headline: str, comparison: str, sections: str) -> str:
    """The whole page; the sections are HTML, the rest is text."""
    return Template(PAGE).substitute(
        title=escape(title),
        headline=escape(headline),
        comparison=f'<p class="lede">{escape(comparison)}</p>' if comparison else "",
        sections=sections,
        light=variables(0),
        dark=variables(1),
    )


def variables(theme: int) -> str:
    """The colours of the light (0) or dark (1) theme as CSS variables."""
    return "".join(f"--{name}:{colours[theme]};" for name, colours in THEME.items())


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
