"""The report: it says what was flown, survives what is missing, and needs nothing but itself."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.image import imread

from agents import evaluate
from agents.pages.chapter import Chapter
from agents.pages.report import RecordedFlight, headline, percent, picture, write_report
from agents.pages.subjects import pilot_sentence, scenario_sentence
from agents.pages.words import touchdown_sentence, worst_first
from agents.pictures import flights as figures
from agents.pictures.phase_plane import draw_last_metres
from agents.pilots import CLASSICAL
from agents.scoring.statistics import landing_box, shown_boxes
from agents.scoring.telling import telling_episode
from lunar_env import Range, load_scenario
from lunar_env.flying.statistics import STRICT
from lunar_env.pages.root_scale import root, square

NAN = float("nan")
FACTS = [("Command", "python -m agents.evaluate --seed 7 && echo '<done>'"), ("Device", "CPU")]
LIMITS = landing_box(load_scenario("resilience"))
VOID = {"meta", "br", "path", "use", "rect", "image"}


def fly(pilot: str, first_range: float, deceleration: float, outcome: str, speed: float = 66.0) -> RecordedFlight:
    """Fall at a steady speed [m/s], and from the first valid range [m] on brake [m/s²], but not below 1.5 m/s."""
    time, altitude, rate, rows = 0.0, 3_030.0, speed, []
    while altitude > 0.0:
        heard = altitude <= first_range
        belief = altitude + (5.0 if heard else 700.0)
        rows.append((time, altitude, belief, altitude if heard else NAN, rate, 0.2, heard, 100.0 - 0.3 * time))
        before, rate = rate, max(rate - 0.5 * deceleration * heard, 1.5)
        time, altitude = time + 0.5, altitude - 0.25 * (before + rate)
    return RecordedFlight(pilot, "resilience", outcome, *np.array(rows).T, first_range, speed, rate, 0.2, LIMITS, 2.0)


CRASH = fly("as_flown", 720.0, 2.5, "crashed")
LANDING = fly("reference", 2_502.0, 0.875, "landed")


def result(pilot: str, landed: int, wilson: tuple[float, float], **changes: Any) -> dict[str, Any]:
    speeds = {"mean": 2.4, "p99": 7.1, "worst_0.1_percent": 27.5, "worst": 31.4}
    return {
        "scenario": "resilience",
        "pilot": pilot,
        "episodes": 5_000,
        "landed": landed,
        "landed_strict": landed // 2,
        "wilson": list(wilson),
        "outcomes": {"landed": landed, "crashed": 5_000 - landed, "lost": 0},
        "touchdown": {"vertical_speed": speeds, "lateral_speed": speeds, "tilt": None},
        "propellant": {"mean": 71.3, "p99": 90.1, "worst": 101.9},
    } | changes


RESULTS = [result("as_flown", 212, (0.037, 0.048)), result("reference", 4_712, (0.936, 0.949))]


class Reader(HTMLParser):
    """Text, ids and attributes of a page; fails where elements do not close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.ids, self.attributes, self.open = "", [], [], []
        self.feed(page)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += "" if self.open[-1:] == ["style"] else data


def report(tmp_path: Path, results: list, flights: list[RecordedFlight], **options: Any) -> tuple[str, Reader]:
    path = tmp_path / "report.html"
    touchdowns, limits = options.pop("touchdowns", None) or {}, options.pop("limits", LIMITS)
    chapters = [Chapter("resilience", "As it flew.", flights, 7, limits, touchdowns)]
    write_report(path, results, chapters, **{"title": "Late range", "facts": FACTS} | options)
    page = path.read_text(encoding="utf-8")
    return page, Reader(page)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Reader]:
    touchdowns = {"reference": np.ones((3, 2))}
    return report(tmp_path_factory.mktemp("plain"), RESULTS, [CRASH, LANDING], touchdowns=touchdowns)


def test_the_report_names_every_pilot_with_count_and_interval(plain: tuple[str, Reader]) -> None:
    _, reader = plain
    text = reader.text.replace("\u202f", " ")
    assert "reference landed 4,712 of 5,000 descents in resilience: 94.2 %" in text
    assert "95 % Wilson interval 93.6–94.9 %" in text
    assert "as_flown landed 212 of 5,000, 4.2 %" in text
    assert "crashed 4,788" in text and "lost" not in text
    assert "27.5" in text, "the worst 0.1 % stands beside the mean"
    for label, fact in FACTS:
        assert label in text and fact in text


def test_the_report_names_the_scenarios_that_it_does_not_draw(plain: tuple[str, Reader], tmp_path: Path) -> None:
    assert "Not drawn" not in plain[1].text
    others = [result("reference", 4_000, (0.7, 0.8), scenario=name) for name in ("vertical", "luna_9 & co")]
    _, reader = report(tmp_path, [*RESULTS, *others], [LANDING])
    assert "Only in the table and the bars are 2 scenarios of 3: vertical, luna_9 & co." in reader.text
    _, reader = report(tmp_path, [*RESULTS, others[0]], [LANDING])
    assert "Only in the table and the bars is one scenario of 2: vertical." in reader.text


def test_one_flight_drawn_is_told_by_how_it_ended(plain: tuple[str, Reader]) -> None:
    assert "as_flown: crashed in the flight drawn" in plain[1].text
    assert "reference: landed in the flight drawn" in plain[1].text


def test_the_sentences_tell_why_one_crashed(plain: tuple[str, Reader]) -> None:
    _, reader = plain
    assert "720 m up, falling at 66 m/s" in reader.text
    assert "needs 3.0 m/s² net of gravity, more than the 2.0 m/s² of the curve" in reader.text
    assert "needs 0.9 m/s² net of gravity, no more than the 2.0 m/s² of the curve" in reader.text
    assert "up to 700 m wrong" in reader.text
    assert 26.0 < CRASH.touchdown_descent_rate < 29.0
    assert f"crashed at {CRASH.touchdown_descent_rate:.1f} m/s" in reader.text


def test_the_page_needs_nothing_but_itself(plain: tuple[str, Reader]) -> None:
    page, reader = plain
    assert "http" not in page and "//" not in re.sub(r"base64,[^\"]*", "", page)
    for name, value in reader.attributes:
        assert name not in ("src", "srcset", "data"), f"{name}={value}"
        assert name not in ("href", "xlink:href") or value.startswith("#"), f"{name}={value}"
    used = {value[1:] for name, value in reader.attributes if name == "href"}
    assert used and used <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids)), "ids of different plots must differ"
    assert "prefers-color-scheme: dark" in page and "@media print" in page


def test_every_plot_has_a_sentence(plain: tuple[str, Reader]) -> None:
    page, _ = plain
    plots = re.findall(r"<figure><svg role=\"img\" aria-label=\"([^\"]+)\".*?<figcaption>([^<]+)", page, re.DOTALL)
    assert len(plots) == page.count("<figure>") == 3 + 3 + 2
    assert all(label == sentence and sentence.endswith(".") for label, sentence in plots)


def test_colours_follow_the_theme(plain: tuple[str, Reader]) -> None:
    page, _ = plain
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert re.findall(r"(?:fill|stroke): (#\w+)", drawn) == []
    assert "var(--pilot0)" in drawn and "var(--ink)" in drawn


def test_strings_are_escaped(tmp_path: Path) -> None:
    evil = '<script>alert(1)</script> & $x$ "q" $title'
    results = [result(evil, 4_712, (0.936, 0.949), scenario=evil)]
    results += [{"scenario": evil, "pilot": "broken", "failed": evil}]
    flights = [replace(CRASH, pilot=evil, scenario=evil, outcome=evil)]
    options = {"title": evil, "facts": [(evil, evil)], "touchdowns": {evil: np.ones((2, 2))}}
    page, reader = report(tmp_path, results, flights, **options)
    assert "<script" not in page
    assert reader.text.count("alert(1)") > 8
    picture(tmp_path / "evil.png", flights)


def test_a_failed_pilot_is_shown_with_its_reason(tmp_path: Path) -> None:
    failed = {"scenario": "resilience", "pilot": "mine", "failed": "returned an action that is not finite"}
    _, reader = report(tmp_path, [failed, *RESULTS], [LANDING])
    assert "mine" in reader.text and "failed: returned an action that is not finite" in reader.text
    assert headline([failed]) == ("No descent was completed, so there is no result.", "")


def test_nothing_to_show_is_said_in_a_sentence(tmp_path: Path) -> None:
    empty = replace(CRASH, **{name: np.zeros(0) for name, value in vars(CRASH).items() if np.ndim(value)})
    for flights in ([], [empty]):
        _, reader = report(tmp_path, [], flights, facts=[], touchdowns={"reference": np.zeros((0, 2))})
        for sentence in ("There are no results.", "No flight was recorded.", "No descent was flown to its end."):
            assert sentence in reader.text
        picture(tmp_path / "empty.png", flights)
        assert imread(tmp_path / "empty.png").shape[1] == 1_600


ARRAYS = [name for name, value in vars(CRASH).items() if np.ndim(value)]
SCALARS = [name for name, value in vars(CRASH).items() if isinstance(value, float)]


MISSING = [*([name] for name in ARRAYS[1:]), ARRAYS[1:], SCALARS, ARRAYS[1:] + SCALARS]


def with_holes(flight: RecordedFlight, names: list[str]) -> RecordedFlight:
    return replace(flight, **{name: np.full(flight.time.size, NAN) if name in ARRAYS else NAN for name in names})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("names", "others"), list(zip(MISSING[::2], MISSING[1::2], strict=True)))
def test_nan_is_survived(tmp_path: Path, names: list[str], others: list[str]) -> None:
    flights = [with_holes(CRASH, names), with_holes(LANDING, others)]
    touchdowns = {"as_flown": np.full((4, 2), NAN)}
    page, reader = report(tmp_path, RESULTS, flights, touchdowns=touchdowns)
    assert "nan" not in reader.text and not re.search(r"=\"[^\"]*\bnan\b", page)
    picture(tmp_path / "holes.png", flights)


def test_a_flight_of_one_decision_can_be_drawn(tmp_path: Path) -> None:
    short = replace(CRASH, **{name: getattr(CRASH, name)[:1] for name in ARRAYS})
    report(tmp_path, RESULTS, [short])


def test_missing_speeds_are_dashes(tmp_path: Path) -> None:
    bare = result("reference", 0, (0.0, 0.001), touchdown={"vertical_speed": None}, propellant={"mean": NAN})
    _, reader = report(tmp_path, [bare], [])
    assert "–" in reader.text and "None" not in reader.text


def test_the_propellant_over_the_bound_stands_beside_the_propellant(tmp_path: Path) -> None:
    over = {"mean": 0.2941, "median": 0.29, "worst": 0.4473}
    known = result("reference", 4_712, (0.936, 0.949), over_bound=over, below_bound=0)
    unknown = result("as_flown", 0, (0.0, 0.001), over_bound=None, below_bound=0)
    page, reader = report(tmp_path, [known, unknown], [])
    assert 'data-label="over the bound, %"><div>29.4 <small>44.7</small>' in page
    assert 'data-label="over the bound, %"><div>– <small>–</small>' in page
    assert "less propellant than the bound" not in reader.text


def test_a_landing_below_the_bound_is_called_wrong(tmp_path: Path) -> None:
    over = {"mean": -0.1, "median": -0.1, "worst": 0.2}
    _, reader = report(tmp_path, [result("mine", 4_712, (0.936, 0.949), over_bound=over, below_bound=3)], [])
    assert "mine landed 3 of 5,000 descents in resilience with less propellant than the bound" in reader.text


def test_a_large_campaign_stays_small(tmp_path: Path) -> None:
    flights = [replace(pilot, scenario=str(i)) for i in range(150) for pilot in (CRASH, LANDING)]
    generator = np.random.default_rng(0)
    touchdowns = {pilot: generator.gamma(2.0, 1.0, (5_000, 2)) for pilot in ("as_flown", "reference")}
    page, _ = report(tmp_path, RESULTS, flights, touchdowns=touchdowns)
    assert len(page) < 1_500_000


def test_the_same_report_twice_is_the_same_file(plain: tuple[str, Reader], tmp_path: Path) -> None:
    again, _ = report(tmp_path, RESULTS, [CRASH, LANDING], touchdowns={"reference": np.ones((3, 2))})
    assert again == plain[0]


def test_the_picture_is_1600_pixels_wide(tmp_path: Path) -> None:
    for flights in ([CRASH, LANDING], [LANDING]):
        picture(tmp_path / "picture.png", flights)
        assert imread(tmp_path / "picture.png").shape[1] == 1_600


def test_overlapping_intervals_are_called_so() -> None:
    close = [result("one", 4_712, (0.936, 0.949)), result("two", 4_700, (0.933, 0.946))]
    assert "overlap" in headline(close)[1]
    assert "overlap" not in headline(RESULTS)[1]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0"), (1.0, "100"), (0.9424, "94.2"), (0.99999, "99.99"), (0.0004, "0.04"), (0.9949, "99.49")],
)
def test_a_rate_is_not_rounded_to_certainty(share: float, text: str) -> None:
    assert percent(share) == f"{text}\u202f%"


@pytest.mark.parametrize("weak", [0.0, -0.3])
def test_where_full_thrust_does_not_carry_the_weight_there_is_no_stopping_curve_and_the_page_says_so(
    weak: float, tmp_path: Path
) -> None:
    flight = replace(CRASH, deceleration=weak)
    page, reader = report(tmp_path, RESULTS, [flight])
    assert "full thrust did not carry the weight there" in reader.text
    assert "stops at" not in page and "too late to stop" not in page and "can no longer be stopped" not in page
    picture(tmp_path / "weak.png", [flight])


def test_together_the_stopping_curve_is_that_of_the_lightest_flight(tmp_path: Path) -> None:
    _, reader = report(tmp_path, RESULTS, [CRASH, replace(LANDING, deceleration=2.4)])
    assert "can no longer be stopped at 2.4 m/s² net of gravity" in reader.text


def drawn_rectangles(axes: Any) -> list[tuple[float, float]]:
    """The far corner [m/s], lateral and vertical, of each box that a figure of touchdowns holds."""
    corners = [np.stack(line.get_data(), axis=1)[1] for line in axes.lines if len(line.get_xdata()) == 3]
    return [(float(lateral), float(vertical)) for lateral, vertical in corners]


@pytest.mark.parametrize("name", ["apollo_11", "beresheet", "im_1", "resilience", "schiaparelli", "surveyor"])
def test_the_box_of_a_landing_is_that_of_the_scenario(name: str) -> None:
    limits = load_scenario(name).limits
    flight = replace(LANDING, scenario=name, limits=landing_box(load_scenario(name)))
    figure = figures.touchdown_figure({"one": np.ones((2, 2))}, {"one": "k"}, flight.limits)
    assert drawn_rectangles(figure.axes[0]) == [(limits.lateral_speed, limits.descent_rate), (0.5, 2.0)]
    axes = figures.Figure().subplots()
    draw_last_metres(axes, flight, "k")
    assert [patch.get_width() for patch in axes.patches] == [limits.descent_rate, 2.0]
    assert axes.get_xlim()[1] > limits.descent_rate


def test_of_a_range_of_limits_the_middle_is_drawn() -> None:
    scenario = load_scenario("vertical", **{"limits.descent_rate": Range(2.0, 5.0)})
    assert landing_box(scenario)["descent_rate"] == 3.5


@pytest.mark.parametrize("narrow", [{"descent_rate": 1.5}, {"lateral_speed": 0.4}, {"tilt": 0.05}, dict(STRICT)])
def test_the_strict_box_is_shown_and_named_only_inside_the_scenarios_own(narrow: dict[str, float]) -> None:
    touchdowns = {"one": np.array([[1.0, 0.1], [2.9, 0.9]])}
    assert "(2.0 m/s down and 0.5 m/s sideways)" in touchdown_sentence(touchdowns, LIMITS)
    limits = LIMITS | narrow
    assert list(shown_boxes(limits)) == ["soft"]
    assert "strict" not in touchdown_sentence(touchdowns, limits)
    drawn = figures.touchdown_figure(touchdowns, {"one": "k"}, limits)
    assert drawn_rectangles(drawn.axes[0]) == [(limits["lateral_speed"], limits["descent_rate"])]


def test_an_evaluation_of_another_mission_says_and_draws_what_that_mission_allows(tmp_path: Path) -> None:
    surveyor = load_scenario("surveyor")
    campaign = evaluate.Campaign((surveyor,), ("as_flown",), 3, 1_000_000, tmp_path, "surveyor")
    evaluate.evaluate(campaign)
    text = Reader((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "lie in the soft box (4.5 m/s down and 2.0 m/s sideways)" in text
    flight = evaluate.drawn_flight("as_flown", surveyor, 1_000_000)
    assert flight.limits["descent_rate"] == 4.5 and flight.limits["lateral_speed"] == 2.0
    heard = np.flatnonzero(np.isfinite(flight.measured_altitude))[0]
    mass = surveyor.mass.dry + flight.propellant[heard]
    assert flight.deceleration == pytest.approx(surveyor.engine.maximum_thrust / mass - surveyor.moon.surface_gravity)
    assert f"than the {flight.deceleration:.1f} m/s² of the curve" in text


def test_a_touchdown_is_called_sideways_beyond_the_limit_of_its_scenario() -> None:
    fast = replace(LANDING, touchdown_lateral_speed=1.5)
    assert "1.5 m/s sideways" in fast.ending()
    assert "sideways" not in replace(fast, limits=LIMITS | {"lateral_speed": 2.0}).ending()


def test_arrays_of_a_flight_have_one_length() -> None:
    with pytest.raises(ValueError, match="one length"):
        replace(CRASH, throttle=np.zeros(3))


def test_the_square_root_axis_makes_the_stopping_curve_straight() -> None:
    speed = np.linspace(0.0, 80.0, 9)
    share = figures.Frame(1.0, 3_000.0, 80.0, 0.0, 1.0).share(speed, speed**2 / 4.0)
    assert np.allclose(np.diff(share, axis=0), np.diff(share, axis=0)[0])
    assert np.allclose(square(root(np.array([-9.0, 0.0, 2.0]))), [-9.0, 0.0, 2.0])


# Several scenarios ------------------------------------------------------------------------------------------------


def two_scenarios(tmp_path: Path) -> tuple[str, Reader]:
    hard = [
        result("as_flown", 10, (0.001, 0.004), scenario="hard"),
        result("reference", 40, (0.006, 0.01), scenario="hard"),
    ]
    crash = replace(CRASH, scenario="hard")
    chapters = [
        Chapter("hard", "A hard one.", [crash, replace(LANDING, scenario="hard")], 17, LIMITS),
        Chapter("resilience", "As it flew.", [LANDING], 0, LIMITS),
    ]
    path = tmp_path / "report.html"
    pilots = {"as_flown": "Trusts its belief.", "reference": "A policy that was trained on resilience."}
    rows = [*RESULTS, {**hard[0], "wishes": {"control": "body"}}, hard[1]]
    write_report(path, rows, chapters, title="2 pilots in 2 scenarios", facts=FACTS, pilots=pilots)
    page = path.read_text(encoding="utf-8")
    return page, Reader(page)


def test_every_scenario_has_its_headline_and_its_flights_the_hardest_first(tmp_path: Path) -> None:
    _, reader = two_scenarios(tmp_path)
    text = reader.text.replace("\u202f", " ")
    first, second = (
        "reference landed 40 of 5,000 descents in hard",
        "reference landed 4,712 of 5,000 descents in resilience",
    )
    assert -1 < text.index(first) < text.index("In the other scenarios") < text.index(second)
    assert text.index("Two flights side by side in hard") < text.index("One flight in resilience")
    assert "A hard one. Drawn is episode 17." in text and "As it flew. Drawn is episode 0." in text
    assert "All together in hard" in text and "All together in resilience" not in text
    assert len(reader.ids) == len(set(reader.ids)), "ids of different plots must differ"


def test_the_page_says_what_scenarios_and_pilots_are(tmp_path: Path) -> None:
    _, reader = two_scenarios(tmp_path)
    assert "Trusts its belief. It flies with control=body." in reader.text
    assert "A policy that was trained on resilience." in reader.text


@pytest.mark.parametrize(
    ("shares", "order"),
    [
        ({"a": [0.9, 0.2], "b": [0.5, 0.5]}, ["b", "a"]),
        ({"a": [1.0, 1.0], "b": [1.0, 0.3]}, ["b", "a"]),
        ({"a": [1.0], "b": [1.0]}, ["a", "b"]),
    ],
    ids=["the best", "then the worst", "then as given"],
)
def test_the_hardest_scenario_is_the_one_whose_best_pilot_lands_least(shares: dict, order: list[str]) -> None:
    rows = [result("x", int(5_000 * share), (0, 1), scenario=name) for name, each in shares.items() for share in each]
    assert worst_first([{"scenario": "c", "pilot": "y", "failed": "so"}, *rows]) == order


@pytest.mark.parametrize(
    ("outcomes", "episode"),
    [
        ({"a": [1, 1, 1], "b": [1, 2, 2]}, 1),
        ({"a": [2, 2, 1], "b": [2, 2, 2]}, 2),
        ({"a": [1, 6, 2], "b": [1, 1, 2]}, 2),
        ({"a": [1, 6, 1], "b": [1, 1, 1]}, 1),
        ({"a": [1, 1]}, 0),
        ({}, 0),
    ],
    ids=["a crash beside a landing", "rather than two crashes", "a crash", "another end", "none", "nobody"],
)
def test_the_episode_that_is_drawn_is_one_in_which_somebody_crashed(outcomes: dict, episode: int) -> None:
    assert telling_episode({pilot: np.array(codes) for pilot, codes in outcomes.items()}) == episode


def test_what_is_said_of_a_scenario_is_true_to_what_was_changed() -> None:
    plain = load_scenario("resilience")
    assert scenario_sentence(plain) == plain.summary
    changed = load_scenario("resilience", history=4, **{"altimeter.delay": 0.3, "engine.thrust_scale": Range(0.9, 1.1)})
    sentence = scenario_sentence(changed)
    assert sentence.startswith(f"{plain.summary.removesuffix('.')}. Changed here: ")
    for words in (
        "history 4 instead of 1",
        "altimeter.delay 0.3 instead of",
        "engine.thrust_scale [0.9, 1.1] instead of [0.98, 1.02]",
    ):
        assert words in sentence
    assert scenario_sentence(replace(plain, name="mine", summary="")) == "The scenario mine."


def test_what_is_said_of_a_pilot_is_its_own_first_sentence(tmp_path: Path) -> None:
    assert (
        pilot_sentence("cautious")
        == " ".join((CLASSICAL["cautious"].__doc__ or "").split()).split(". ")[0].rstrip(".") + "."
    )
    assert pilot_sentence("reference") == "A policy that was trained on resilience for 12,025,856 decisions."
    file = tmp_path / "mine.py"
    file.write_text(
        "def full(seen):\n    '''Burns\n    always. And more.'''\ndef bare(seen):\n    return seen\n", encoding="utf-8"
    )
    assert pilot_sentence(f"{file}:full") == "Burns always."
    assert pilot_sentence(f"{file}:bare") == f"A pilot of one's own, {file}:bare."
