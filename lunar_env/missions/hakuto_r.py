"""HAKUTO-R Mission 1 (25 April 2023) and Mission 2 "Resilience" (5 June 2025), the whole descents of Series 1.

Mission 1: crossing the rim of Atlas, a cliff of about 3 km, the altimeter's reading jumped against the estimate; the
filter took the sensor for broken and rejected it from then on. The estimate was zero at about 5 km; descending at less
than 1 m/s the vehicle hovered its tanks empty and fell [V2: ISP1]; 127 m/s at the ground [C], "over 100 m/s" [V2].
Mission 2: resilience.py, which begins on the way; here from 20 km [V2: TSB] and 1 689 m/s [C].
"""

from dataclasses import replace
from math import radians

from lunar_env.changes import change
from lunar_env.missions import measures, resilience
from lunar_env.missions.mission import Check, Mission
from lunar_env.missions.whole_descent import dispersed, engine, start_from_orbit, whole_descent
from lunar_env.quantities import Range
from lunar_env.scenario import Start
from lunar_env.sensors.devices import SERIES_1_LASER
from lunar_env.sensors.inertial import Navigation
from lunar_env.sensors.range_finder import RangeFinder
from lunar_env.task import Outcome
from lunar_env.terrain.surface import Terrain

WEBCAST = "first flight's webcast: 300 km/h at 3 km, 120 km/h at 1 km, 17 km/h at 20 m [V2: ASTV]"

# --- Mission 2 ----------------------------------------------------------------------------------------------------

PUBLISHED = (
    Check(
        "rate of descent at the first range",
        "m/s",
        66.0,
        60.0,
        72.0,
        "[V2: SN24]",
        measures.at_touchdown("first_valid_descent_rate"),
    ),
    Check("rate of descent at 192 m", "m/s", 42.0, 36.0, 48.0, "[V2: SN24]", measures.passing(192.0, "descent_rate")),
    Check("speed at the ground", "m/s", 32.0, 25.0, 38.0, "[C] from the two", measures.impact_speed),
)
M2 = Mission(
    title="HAKUTO-R M2 Resilience",
    date="2025-06-05",
    story="First valid laser range below 900 m instead of above 3 km, at 66 m/s; too late to stop",
    flown=resilience.REPLAY,
    planned=resilience.AS_PLANNED,
    plan=resilience.PLAN,
    checks=PUBLISHED,
)

M2_WHOLE_PLANNED = whole_descent(
    name="hakuto_r_m2_planned",
    summary="Resilience's whole descent as planned: from 20 km, first range between 10 and 3 km",
    engine=engine(1_600.0, 290.0, 0.25),  # [V2: MYN; count R], blend [C]
    start=start_from_orbit(20_000.0, 1_689.0, 535_000.0, 375.0),  # 680-720 kg [C]
    navigation=replace(resilience.AS_PLANNED.navigation, altitude_error=Range(-250.0, 250.0)),  # which grow [P]
    sensors=(SERIES_1_LASER,),
    terrain=resilience.AS_PLANNED.terrain,
    faults=resilience.AS_PLANNED.faults,
    limits=resilience.AS_PLANNED.limits,
)
M2_WHOLE = change(
    M2_WHOLE_PLANNED,
    {
        "name": "hakuto_r_m2",
        "summary": "Resilience's whole descent as it flew: first range at 720 m, belief 1.4 km too high",
        "faults.late_acquisition.altitude": 720.0,
        "navigation.altitude_error": 1_000.0,  # which gravity's feedback makes 1.4 km of by then [C]
    },
)

M2_FROM_ORBIT = Mission(
    title="HAKUTO-R M2 from orbit",
    date="2025-06-05",
    story="The same, the whole descent from 20 km",
    flown=M2_WHOLE,
    planned=M2_WHOLE_PLANNED,
    # Braked at 6 km and 55 m/s [P], so that the published plan lies below.
    plan=replace(
        resilience.PLAN,
        heights=(*resilience.PLAN.heights, 6_000.0),
        rates=(*resilience.PLAN.rates, 55.0),
        braking_rate=0.0,
    ),
    checks=PUBLISHED,
)

# --- Mission 1 ----------------------------------------------------------------------------------------------------

# The make of the altimeter is not published [P]: one beam for the braking attitude, one for upright flight.
M1_RADAR = RangeFinder(
    name="altimeter",
    beams=2,
    half_angle=radians(27.5),
    azimuth=0.0,
    cant=radians(-27.5),
    period=0.1,
    delay=0.2,
    maximum_range=20_000.0,
    noise=0.5,
    noise_growth=0.005,
    resolution=0.1,
)
M1_PLANNED = whole_descent(
    name="hakuto_r_m1_planned",
    summary="HAKUTO-R M1 to the plain of its first site: no rim on the way",
    engine=engine(1_600.0, 290.0, 0.1, thrust_scale=dispersed(1.0, 0.002)),  # 200 N thrusters in turn [P]
    start=Start(
        altitude=dispersed(16_000.0, 200.0),  # [P]
        distance=dispersed(88_000.0, 500.0),  # [C]
        speed=dispersed(690.0, 2.0),
        descent_rate=dispersed(50.0, 2.0),
        tilt=radians(75.0),
        throttle=1.0,
        propellant=dispersed(190.0, 3.0),  # [C] from 680-720 kg at 20 km
    ),
    navigation=Navigation(altitude_error=Range(-300.0, 300.0), random_walk=1e-3),  # [P]
    sensors=(M1_RADAR,),
    # Ground that rises a degree towards the site, as Apollo 11's did [V2: DIG]: a filter with a rate learns it as
    # a fall, and what it has learnt when it rejects the altimeter makes 5 km out of a rim of 3 km [P].
    terrain=Terrain(slope=radians(1.0), levelling=1e6),
    time_limit=900.0,
    extent=200_000.0,
    top_speed=800.0,
)
M1_FLOWN = change(
    M1_PLANNED,
    {
        "name": "hakuto_r_m1",
        "summary": "HAKUTO-R M1 as it flew: over the rim of Atlas, 3 km down",
        "faults.terrain_step": {"probability": 1.0, "height": 3_000.0, "distance": 30_000.0, "width": 4_000.0},
    },
)
M1 = Mission(
    title="HAKUTO-R M1",
    date="2023-04-25",
    story="At a crater's rim the altimeter jumped by 3 km and was rejected for good; hovered empty at 5 km and fell",
    flown=M1_FLOWN,
    planned=M1_PLANNED,
    plan=replace(resilience.PLAN, navigation="gated", braking_rate=0.0),
    checks=(
        Check(
            "true height when believed down", "m", 5_000.0, 4_000.0, 6_000.0, "[V2: ISP1]", measures.when_believed_down
        ),
        Check("speed at the ground", "m/s", 127.0, 100.0, 145.0, "over 100 [V2]; 127 [C]", measures.impact_speed),
        Check("out of propellant", "share", 1.0, 1.0, 1.0, "[V2: ISP1]", measures.share(Outcome.OUT_OF_PROPELLANT)),
    ),
)
