"""HAKUTO-R M2 "Resilience", 5 June 2025: the range finder that woke up below 900 m instead of above 3 km.

What is known of the flight [V2: SN24, TSB, INNO, AP]: about 500 m/s some seven minutes into the braking burn, below
12 km; first valid range planned at "3 km or more" ("between 10 and 3 km"); first valid range in fact below 900 m,
falling at 66 m/s; last telemetry at 192 m and 42 m/s down; impact about 5 s later.

The episode starts about a minute after the 500 m/s point, when 300 m/s are left to lose [C]: full thrust removes
200 m/s in some 65 s and burns 37 kg, which leaves 427-447 kg of the 464-484 kg that a start mass of 700-720 kg gives.
Its altitude is [P]: "below 12 km" a minute earlier, and high enough that pitch-up can end above 3 km.
"""

from math import radians

from lunar_env.changes import change
from lunar_env.faults.kinds import Faults, LateAcquisition
from lunar_env.missions.mission import FULL_TURN
from lunar_env.missions.plan import FlightPlan
from lunar_env.quantities import Range
from lunar_env.scenario import Scenario, Start
from lunar_env.sensors.devices import SERIES_1_LASER
from lunar_env.sensors.inertial import Navigation
from lunar_env.terrain.surface import Terrain
from lunar_env.vehicle.dynamics import Engine

# The only plan that was published for this vehicle, the webcast of the first flight.
PLAN = FlightPlan(
    heights=(0.0, 5.0, 20.0, 1_000.0, 3_000.0),
    rates=(1.2, 1.2, 17 / 3.6, 120 / 3.6, 300 / 3.6),  # below 5 m: contact speed [P]
    source="M1's webcast: 300 km/h at 3 km, 120 km/h at 1 km, 17 km/h at 20 m [V2: ASTV]",
    unevenness=0.0,  # one beam, straight down
    braking_rate=50.0,  # until most of the lateral speed is gone [C]
)

AS_PLANNED = Scenario(
    name="resilience_as_planned",
    summary="Resilience as it was meant to fly: first valid range between 10 and 3 km",
    # Vehicle: Series 1, the defaults of Mass, Engine, Attitude and Gear (missions reference, section 4).
    engine=Engine(thrust_scale=Range(0.98, 1.02), impulse_scale=Range(0.99, 1.01)),  # dispersions [P]
    start=Start(
        altitude=Range(8_500.0, 9_500.0),  # [P]
        distance=Range(14_000.0, 16_000.0),  # [C] where braking at full thrust ends near the pad
        cross_distance=Range(-300.0, 300.0),  # [P]
        speed=Range(290.0, 310.0),  # [C] from 500 m/s a minute earlier [V2: TSB]
        cross_speed=Range(-5.0, 5.0),  # [P]
        descent_rate=Range(45.0, 55.0),  # [C] 6 km in the 100 s of braking that remain
        tilt=radians(58.0),  # [C] full thrust that carries the weight
        throttle=1.0,
        propellant=Range(96.0, 104.0),  # [C] above
    ),
    navigation=Navigation(
        # Asymmetric because the flight was: 66 m/s at about 700 m fits a belief some 1.4 km too high [C].
        altitude_error=Range(-500.0, 1_500.0),
        position_error_x=Range(-300.0, 300.0),  # [P]
        position_error_y=Range(-300.0, 300.0),  # [P]
        velocity_error_x=Range(-0.15, 0.15),  # [P] instrument-grade residuals
        velocity_error_y=Range(-0.15, 0.15),
        velocity_error_z=Range(-0.15, 0.15),
        bias_x=Range(-5e-4, 5e-4),  # 0.05 mg [V2: NAVT, STIM300]
        bias_y=Range(-5e-4, 5e-4),
        bias_z=Range(-5e-4, 5e-4),
        random_walk=1e-3,  # 0.06 m/s/sqrt(h) [V2: NAVT, STIM300]
    ),
    sensors=(SERIES_1_LASER,),
    faults=Faults(late_acquisition=LateAcquisition(probability=1.0, altitude=Range(3_000.0, 10_000.0))),  # [V2: INNO]
    terrain=Terrain(
        slope=Range(0.0, radians(6.0)),  # smooth mare; Blue Ghost's criterion was below 5 degrees [V2: JM]
        slope_direction=FULL_TURN,
        relief=Range(0.0, 40.0),  # Mare Imbrium: relief below 300 m per degree [V2: CE3S]
        phase_x=FULL_TURN,
        phase_y=FULL_TURN,
        albedo=Range(0.08, 0.14),  # around mare [R]
    ),
    control="descent_rate",
    decision_period=1.0,
    time_limit=500.0,
    ceiling=12_000.0,
    extent=40_000.0,
    top_speed=400.0,
)

RESILIENCE = change(
    AS_PLANNED,
    {
        "name": "resilience",
        "summary": "Resilience as it flew: first valid range drawn around 900 m, from 200 m to 5 km",
        # Around the real one, and covering the planned one: logarithmic, 200 m to 5 km (missions reference, section 7).
        "faults.late_acquisition.altitude": {"low": 200.0, "high": 5_000.0, "log": True},
    },
)

REPLAY = change(
    RESILIENCE,
    {
        "name": "resilience_replay",
        "summary": "The accident itself: the real first valid range, and the altitude belief that explains the speed",
        # "Below 900 m" is an upper bound. 66 m/s there and 42 m/s at 192 m at full thrust, 2.5 m/s^2 net, fit
        # 720 m [C].
        "faults.late_acquisition.altitude": 720.0,
        # The plan passes 66 m/s some 2.1 km up (see the pilot as_flown), so the belief was about 1.4 km too high [C].
        "navigation.altitude_error": 1_400.0,
    },
)

ENGINE_LOSS = change(
    AS_PLANNED,
    {
        "name": "resilience_engine_loss",
        "summary": "Resilience as planned, until half of its thrust is lost at 50 m, as SLIM lost one of two nozzles",
        # What is left pushes within 2 cm of the centre of mass: four tenths of the control torque [P].
        "faults.engine_loss": {"probability": 1.0, "below": 50.0, "loss": 0.5, "offset": {"low": -0.02, "high": 0.02}},
    },
)
