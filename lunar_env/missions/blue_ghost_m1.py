"""Blue Ghost M1, 2 March 2025: the first commercial lander that landed upright.

9 minutes of braking from 5 500 to 130 ft/s, main engine off about 100 s before the ground, then thrusters pulsed down
to about 3 ft/s [V: NASA-BG].
"""

from lunar_env.missions import measures
from lunar_env.missions.mission import Check, Mission, cylinder, reaction_control
from lunar_env.missions.plan import FlightPlan
from lunar_env.missions.whole_descent import engine, start_from_orbit, whole_descent
from lunar_env.quantities import Range
from lunar_env.sensors.devices import NAVIGATION_DOPPLER_LIDAR, STIM300, TEAMINDUS_LONG_RANGE_LASER
from lunar_env.task import Outcome
from lunar_env.terrain.contact import Gear

MASS = cylinder(469.0, 1.5, 2.0)  # dry [V2: AWN]; 3.5 m wide, 2 m tall [R]

FLOWN = whole_descent(
    name="blue_ghost_m1",
    summary="Blue Ghost M1: from 20 km to Mare Crisium",
    mass=MASS,
    # 1 640 m/s in 9 minutes are 3 m/s^2: main engine of 1.1 kN and eight thrusters of 200 N [R] on 900 kg [C].
    engine=engine(2_700.0, 310.0, 0.05),  # blend of 322 s [R] and thrusters [P]; pulsed, so deep
    attitude=reaction_control(MASS),
    gear=Gear(centre_height=1.0, foot_distance=1.4),  # [P]
    start=start_from_orbit(20_000.0, 1_689.0, 409_500.0, 440.0),  # [V2: KB]; propellant [C]
    navigation=STIM300.navigation(0.3, altitude_error=Range(-200.0, 200.0)),  # [P]; terrain-relative navigation
    sensors=(TEAMINDUS_LONG_RANGE_LASER, NAVIGATION_DOPPLER_LIDAR),  # for laser altimeter and velocity camera [P]
)

BLUE_GHOST_M1 = Mission(
    title="Blue Ghost M1",
    date="2025-03-02",
    story="Landed upright after two autonomous diverts",
    flown=FLOWN,
    planned=None,
    plan=FlightPlan(
        heights=(0.0, 15.0, 30.0, 1_500.0),
        rates=(0.9, 0.9, 3.0, 40.0),
        source="130 ft/s after braking, about 3 ft/s at the ground [V: NASA-BG]; heights [P]",
    ),
    checks=(
        Check(
            "vertical speed at touchdown", "m/s", 0.9, 0.6, 1.2, "[V: NASA-BG]", measures.at_touchdown("descent_rate")
        ),
        Check("landed", "share", 1.0, 0.9, 1.0, "[V2: KB]", measures.share(Outcome.LANDED)),
    ),
)
