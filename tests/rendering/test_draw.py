"""The picture of one descent: complete, repeatable, and drawn without a display."""

import importlib
import math
import re
import subprocess
import sys
import time
from dataclasses import fields, replace

import numpy as np
import pytest
from helpers import ROOT

pygame = pytest.importorskip("pygame")

from lunar_env.rendering import instruments  # noqa: E402
from lunar_env.rendering.draw import Window, draw  # noqa: E402
from lunar_env.rendering.instruments import distance, number, round_length  # noqa: E402
from lunar_env.rendering.scene import Scene  # noqa: E402


def rolling(downrange: np.ndarray) -> np.ndarray:
    return 20.0 * np.sin(downrange / 300.0)


FLIGHT = Scene(
    time=92.0,
    altitude=720.0,
    downrange=-420.0,
    ground=rolling,
    ground_clearance=1.0,
    velocity=(18.0, -66.0),
    lateral_speed=18.0,
    tilt=-0.2,
    throttle=0.6,
    propellant_fraction=0.2,
    beam=True,
    measured_altitude=742.0,
    reading_age=0.2,
    believed_altitude=690.0,
    outcome="flying",
    scenario="resilience",
)
STRIP = round(0.33 * 800)  # [px] width of the instruments


def picture_of(frame: np.ndarray) -> np.ndarray:
    return frame[:, :-STRIP]


@pytest.fixture
def dummy_display(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.display.quit()
    yield
    pygame.display.quit()


@pytest.mark.parametrize("size", [(800, 600), (320, 240), (1280, 720), (300, 500)])
def test_a_frame_has_the_size_asked_for(size):
    frame = draw(FLIGHT, size)
    assert frame.shape == (size[1], size[0], 3)
    assert frame.dtype == np.uint8
    assert frame.flags.c_contiguous and frame.flags.writeable


def test_the_same_scene_gives_the_same_pixels():
    first = draw(FLIGHT)
    draw(replace(FLIGHT, altitude=5.0, outcome="landed"))
    assert np.array_equal(first, draw(FLIGHT))


def test_drawing_touches_no_display():
    pygame.display.quit()
    draw(FLIGHT)
    assert not pygame.display.get_init()


def test_a_new_process_draws_without_a_display_and_prints_nothing():
    program = (
        "import sys; sys.path += ['tests', 'tests/rendering'];"
        "from test_draw import FLIGHT, draw, pygame; draw(FLIGHT);"
        "assert not pygame.display.get_init() and not pygame.get_init()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_drawing_survives_a_stranger_who_quits_pygame():
    before = draw(FLIGHT)
    pygame.quit()
    pygame.font.init()
    assert np.array_equal(draw(FLIGHT), before)
    assert draw(replace(FLIGHT, scenario="a name not drawn before")).shape == before.shape


def test_every_number_may_be_unknown():
    unknown = {f.name: math.nan for f in fields(Scene) if f.type == "float"}
    scene = replace(FLIGHT, **unknown, velocity=(math.nan, math.nan), ground=lambda x: x * math.nan)
    assert draw(scene).shape == (600, 800, 3)
    assert draw(replace(scene, beam=False, outcome="invalid")).shape == (600, 800, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"altitude": 1e9},
        {"altitude": -50.0},
        {"downrange": -1e9},
        {"tilt": math.pi},
        {"velocity": (1e9, 1e9)},
        {"throttle": 3.0, "propellant_fraction": -1.0},
        {"measured_altitude": 1e12, "believed_altitude": -1e12},
        {"ground": lambda x: 5.0 * x},
        {"outcome": "lost_in_a_way_that_nobody_had_thought_of"},
    ],
)
def test_odd_values_are_drawn_as_well(change):
    assert draw(replace(FLIGHT, **change)).shape == (600, 800, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"altitude": 719.0},
        {"tilt": 0.2},
        {"throttle": 0.9},
        {"beam": False},
        {"velocity": (-18.0, -66.0)},
        {"outcome": "crashed"},
        {"ground": lambda x: 0.0 * x},
    ],
)
def test_the_picture_shows(change):
    assert not np.array_equal(picture_of(draw(FLIGHT)), picture_of(draw(replace(FLIGHT, **change))))


@pytest.mark.parametrize(
    "change",
    [
        {"time": 93.0},
        {"measured_altitude": 700.0},
        {"reading_age": 0.4},
        {"believed_altitude": 640.0},
        {"lateral_speed": 2.0},
        {"propellant_fraction": 0.5},
        {"scenario": "planar"},
    ],
)
def test_the_instruments_show(change):
    before, after = draw(FLIGHT), draw(replace(FLIGHT, **change))
    assert not np.array_equal(before[:, -STRIP:], after[:, -STRIP:])
    assert np.array_equal(picture_of(before), picture_of(after))


@pytest.mark.parametrize("altitude", [0.0, 1.0, 5.0, 20.0, 77.0, 300.0, 1000.0, 3300.0, 8000.0, 15000.0])
def test_lander_and_ground_are_in_the_picture_at_every_altitude(altitude):
    grounded = replace(FLIGHT, altitude=altitude, throttle=0.0, velocity=(0.0, 0.0), beam=False, tilt=0.0)
    picture = picture_of(draw(grounded)).astype(int)
    ground = picture[-30, -1]  # below the horizon, beside every label
    assert ground.min() > 50 and np.ptp(ground) == 0
    # the lander's body is the only thing in its shade of grey that is tall
    body = np.all(picture == (150, 155, 164), axis=2)
    rows = np.flatnonzero(body.any(axis=1))
    assert np.ptp(rows) >= 18
    assert rows.min() > 0 and rows.max() < 600 * 0.93


def test_zoom_never_jumps():
    """From one centimetre to the next the ground may not leap: neighbouring frames stay alike."""
    falling = replace(FLIGHT, downrange=0.0, ground=lambda x: 0.0 * x)
    for altitude in np.geomspace(5.0, 8000.0, 60):
        near, far = (draw(replace(falling, altitude=a), (320, 240)) for a in (altitude, altitude * 1.0005))
        moved = np.abs(picture_of(near).astype(int) - far[:, :-STRIP]).max(axis=2) > 60
        assert moved.mean() < 0.02


def test_the_window_shows_frames_and_closes_twice(dummy_display):
    window = Window(fps=1000)
    assert not pygame.display.get_init()
    window.show(draw(FLIGHT))
    assert pygame.display.get_surface().get_size() == (800, 600)
    window.show(draw(replace(FLIGHT, altitude=10.0)))
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert np.array_equal(shown, draw(replace(FLIGHT, altitude=10.0)))
    window.close()
    window.close()
    assert not pygame.display.get_init()


def test_a_closed_window_opens_again_unless_the_user_closed_it(dummy_display):
    window = Window(fps=1000)
    window.show(draw(FLIGHT))
    window.close()
    window.show(draw(FLIGHT))
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    window.show(draw(FLIGHT))
    assert window.dismissed and not pygame.display.get_init()
    window.show(draw(FLIGHT))
    assert not pygame.display.get_init()
    window.close()


def test_the_window_keeps_its_pace_and_empties_its_queue(dummy_display):
    window = Window(fps=50)
    frame = draw(FLIGHT)
    window.show(frame)
    start = time.perf_counter()
    for _ in range(5):
        pygame.event.post(pygame.event.Event(pygame.USEREVENT))
        window.show(frame)
        assert not pygame.event.peek(pygame.USEREVENT)
    assert time.perf_counter() - start >= 5 / 50 * 0.8
    window.close()


def test_without_a_display_a_window_says_what_helps(monkeypatch):
    pygame.display.quit()
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")  # what SDL takes where there is no display
    with pytest.raises(RuntimeError, match=r"needs a display.*rgb_array.*SDL_VIDEODRIVER=dummy"):
        Window().show(draw(FLIGHT))
    assert not pygame.display.get_init()

    def no_display() -> None:
        raise pygame.error("x11 not available")

    monkeypatch.setattr(pygame.display, "init", no_display)
    with pytest.raises(RuntimeError, match=r"needs a display.*x11 not available"):
        Window().show(draw(FLIGHT))


def test_the_instruments_say_which_is_a_range_and_which_an_altitude(monkeypatch):
    written = []
    monkeypatch.setattr(instruments, "write", lambda surface, text, *rest: written.append(text))
    draw(FLIGHT)
    assert {"TRUE ALTITUDE", "MEASURED RANGE", "BELIEVED ALTITUDE", "slant, 0.2 s old"} <= set(written)


def test_without_pygame_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    for name in ("draw", "instruments"):  # as if nobody had imported them yet
        monkeypatch.delitem(sys.modules, f"lunar_env.rendering.{name}")
    with pytest.raises(ImportError, match=re.escape("drawing needs pygame-ce: pip install -e '.[render]'")):
        importlib.import_module("lunar_env.rendering.draw")


def test_numbers_are_written_as_people_read_them():
    assert number(8012.4, " m") == "8,012 m"
    assert number(99.96) == "100.0"
    assert number(-0.04) == "0.0"
    assert number(math.nan, " m") == "--"
    assert [distance(d) for d in (0.5, 20.0, 611.0, 20_960.0)] == ["0.5 m", "20 m", "610 m", "21 km"]
    assert [round_length(x) for x in (1.0, 4.9, 5.0, 0.3, 1999.0)] == [1.0, 2.0, 5.0, 0.2, 1000.0]
