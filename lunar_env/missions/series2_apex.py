"""Series 2 / APEX: the announced next lander of ispace-U.S. and Draper. Every number is assumed [P]."""

from lunar_env.missions import measures
from lunar_env.missions.mission import Check, Mission, cylinder, reaction_control
from lunar_env.missions.plan import FlightPlan
from lunar_env.missions.whole_descent import HIGHLAND, engine, start_from_orbit, whole_descent
from lunar_env.quantities import Range
from lunar_env.sensors.devices import NAVIGATION_DOPPLER_LIDAR, STIM300, TEAMINDUS_LONG_RANGE_LASER
from lunar_env.task import Outcome
from lunar_env.terrain.contact import Gear

MASS = cylinder(800.0, 1.4, 3.0)  # [P]

FLOWN = whole_descent(
    name="series2_apex",
    summary="The next lander of ispace-U.S. and Draper, every number assumed",
    mass=MASS,
    engine=engine(3_600.0, 300.0, 0.1),  # [P]
    attitude=reaction_control(MASS),  # [P]
    gear=Gear(centre_height=1.4, foot_distance=1.5),  # [P]
    start=start_from_orbit(20_000.0, 1_689.0, 583_000.0, 900.0),  # [P]
    navigation=STIM300.navigation(0.3, altitude_error=Range(-500.0, 500.0)),  # [P]
    sensors=(TEAMINDUS_LONG_RANGE_LASER, NAVIGATION_DOPPLER_LIDAR),  # [P]: dissimilar ones, as M2's review asked for
    terrain=HIGHLAND,  # [P]: Schroedinger basin
)

SERIES2_APEX = Mission(
    title="Series 2 / APEX",
    date="announced",
    story="Not flown yet; all numbers assumed",
    flown=FLOWN,
    planned=None,
    plan=FlightPlan(heights=(0.0, 10.0, 100.0, 3_000.0), rates=(1.2, 1.2, 3.0, 60.0), source="[P]"),
    checks=(Check("landed", "share", 1.0, 0.9, 1.0, "[P]", measures.share(Outcome.LANDED)),),
)
