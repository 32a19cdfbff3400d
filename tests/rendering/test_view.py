"""From a batch of landers to the picture of one."""

import numpy as np
import pytest

from lunar_env.env import LanderEnv
from lunar_env.rendering.view import scene_of

pytest.importorskip("pygame")


def test_pictures_need_no_display_and_do_not_touch_the_flight(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    env, blind = LanderEnv("planar", render_mode="rgb_array"), LanderEnv("planar")
    env.reset(seed=0)
    blind.reset(seed=0)
    for _ in range(5):
        frame = env.render()
        assert frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3
        assert np.array_equal(frame, env.render())
        assert np.array_equal(env.step([0.5, 0.1])[0], blind.step([0.5, 0.1])[0])


def test_a_scene_is_a_still():
    env = LanderEnv("resilience")
    env.reset(seed=0)
    scene = scene_of(env.descent)
    x = np.linspace(-5000.0, 5000.0, 11)
    ground = scene.ground(x)
    assert np.isnan(scene.measured_altitude) and not scene.beam
    assert scene.ground(np.zeros(1)).shape == (1,)
    env.reset()
    assert np.array_equal(scene.ground(x), ground)
    assert not np.array_equal(scene_of(env.descent).ground(x), ground)


def test_a_scene_agrees_with_the_instruments():
    env = LanderEnv("planar", observation="truth", **{"terrain.slope": 0.1})
    observation, _ = env.reset(seed=4)
    for _ in range(10):
        observation = env.step([0.3, 0.2])[0]
    scene, seen = scene_of(env.descent), {}
    for channel, value in zip(env.observations.channels, observation, strict=True):
        seen[channel.name] = value * channel.scale
    assert scene.altitude == pytest.approx(seen["altimeter_range"], abs=0.01)
    ground = scene.ground(np.array([scene.downrange]))[0]
    assert scene.altitude + ground == pytest.approx(seen["altitude"], abs=0.05)
    assert scene.velocity == pytest.approx((seen["velocity_x"], seen["velocity_up"]), abs=1e-3)
    assert scene.tilt == pytest.approx(2.0 * np.arctan2(seen["attitude_y"], seen["attitude_w"]), abs=1e-3)
    assert scene.time == pytest.approx(5.0)
    assert scene.outcome == "flying"


def test_a_scene_names_the_outcome():
    env = LanderEnv("vertical")
    env.reset(seed=0)
    while not env.step([-1.0])[2]:
        pass
    scene = scene_of(env.descent)
    assert scene.outcome == "crashed"
    assert scene.altitude == pytest.approx(0.0, abs=1e-3)
