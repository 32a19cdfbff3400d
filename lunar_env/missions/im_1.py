"""IM-1 "Odysseus", 22 February 2024: landed without an altimeter, believing itself 100 m too high, and tipped over.

The laser range finders were disabled on the ground, the Doppler lidar's data lacked a flag; the last accurate altitude
was at 15 km, more than 12 minutes before touchdown. Vertical speed was about three times the planned 1 m/s, lateral
2 m/s [V2: ARS1]; another report has 2.7 and 0.9 m/s [V2: TECHE].
"""

from lunar_env.changes import change
from lunar_env.faults.kinds import Faults, RangingLoss, UnsteadySite
from lunar_env.missions import measures
from lunar_env.missions.mission import ROUNDED_TURN, Check, Mission, cylinder, reaction_control
from lunar_env.missions.plan import FlightPlan
from lunar_env.missions.whole_descent import engine, start_from_orbit, whole_descent
from lunar_env.quantities import Range
from lunar_env.sensors.devices import NAVIGATION_DOPPLER_LIDAR, STIM300, TEAMINDUS_LONG_RANGE_LASER
from lunar_env.sensors.inertial import Navigation
from lunar_env.task import Limits, Outcome
from lunar_env.terrain.contact import Gear
from lunar_env.terrain.surface import Terrain

MASS = cylinder(675.0, 0.8, 3.0)  # dry [R]; 4.0 m tall on a body 1.57 m wide [V2: IGAR]

# Chosen for its smoothness [P], also far around: the published 100 m are the belief's error and no hill's.
SITE = Terrain(relief=Range(0.0, 10.0), phase_x=ROUNDED_TURN, phase_y=ROUNDED_TURN, albedo=0.16)

PLANNED = whole_descent(
    name="im_1_planned",
    summary="Odysseus as planned: laser ranges from 16 km on",
    mass=MASS,
    engine=engine(3_100.0, 310.0, 0.2),  # [N] [V2: IGAR]; methalox, [s] [P]
    attitude=reaction_control(MASS),
    gear=Gear(centre_height=2.0, foot_distance=1.6),  # [P]; six legs, tall
    start=start_from_orbit(20_000.0, 1_689.0, 554_000.0, 720.0),  # altitude [P]; propellant [C] from 1 850 m/s
    navigation=STIM300.navigation(0.3, altitude_error=Range(-50.0, 50.0)),  # [P]
    sensors=(TEAMINDUS_LONG_RANGE_LASER, NAVIGATION_DOPPLER_LIDAR),  # the first stands in for its two lasers [P]
    terrain=SITE,
    limits=Limits(descent_rate=3.5, lateral_speed=2.5),  # [P]: slow enough not to break, so that tipping decides
)
FLOWN = change(
    PLANNED,
    {
        "name": "im_1",
        "summary": "Odysseus as it flew: no range after 15 km, belief 100 m too high, sideways",
        # What drift adds to the bias is within the published 100 m.
        "navigation": Navigation(random_walk=STIM300.velocity_random_walk),
        "faults": Faults(
            ranging_loss=RangingLoss(probability=1.0, below=15_000.0, loss=1.0, bias=75.0),
            # 75 m at 15 km grow to 100 m, and 2.4 m/s turn into 2, in the ten minutes that are left: a belief that is
            # too high computes too little gravity, one that is off sideways a wrong vertical (inertial.py).
            # 2 m/s of lateral speed that navigation did not see [V2: ARS1].
            unsteady_site=UnsteadySite(probability=1.0, drift=2.4),
        ),
    },
)

IM_1 = Mission(
    title="IM-1 Odysseus",
    date="2024-02-22",
    story="Lasers disabled and lidar data unflagged: no altitude after 15 km; landed too fast and tipped over",
    flown=FLOWN,
    planned=PLANNED,
    plan=FlightPlan(
        heights=(0.0, 10.0, 30.0, 150.0, 2_000.0),
        rates=(1.0, 1.0, 3.0, 3.0, 50.0),
        source="1 m/s planned at touchdown [V2: ARS1]; 3 m/s above, from what it hit the ground with [C]",
    ),
    checks=(
        Check("belief above truth at the end", "m", 100.0, 50.0, 150.0, "[V2: ARS1]", measures.error_of_belief),
        Check(
            "vertical speed at touchdown",
            "m/s",
            3.0,
            2.2,
            3.4,
            "[V2: ARS1, TECHE]",
            measures.at_touchdown("descent_rate"),
        ),
        Check(
            "lateral speed at touchdown",
            "m/s",
            2.0,
            0.9,
            2.5,
            "[V2: ARS1, TECHE]",
            measures.at_touchdown("lateral_speed"),
        ),
        Check("tipped over", "share", 1.0, 0.8, 1.0, "[V2: ARS1]", measures.share(Outcome.TIPPED_OVER)),
    ),
)
