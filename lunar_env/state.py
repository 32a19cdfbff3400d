"""All that changes while a lander flies.

Frame: the origin is the pad on the mean sphere, z is up there, x points downrange, the frame does not rotate.
Quaternions turn body axes into site axes, scalar last. The body's z axis is the thrust axis, out of the nose.
Each struct is one part of a lander; kernel/tables.py puts them together to a row of the batch. A descent's record is
``Facts`` and the sums of its reward terms, see task.py.
"""

import warp as wp

wp.set_module_options({"enable_backward": False})


@wp.struct
class Motion:
    """The truth that the equations of motion integrate."""

    position: wp.vec3  # [m] centre of mass
    velocity: wp.vec3  # [m/s]
    attitude: wp.quat  # body to site
    rates: wp.vec3  # [rad/s] about the body axes
    propellant: float  # [kg] left in the tanks
    throttle: float  # [-] thrust that flows now, as a fraction of the maximum


@wp.struct
class Belief:
    """How far inertial navigation is off: belief minus truth."""

    position_error: wp.vec3  # [m]
    velocity_error: wp.vec3  # [m/s]
    attitude_error: wp.quat  # turns the true attitude into the believed one, in site axes
    rate_error: wp.vec3  # [rad/s] about the body axes
    propellant_error: float  # [kg]
    misled: int  # 1 if attitude or rates may be off, or accelerometers measure a wrong share of the thrust


@wp.struct
class Reading:
    """What the interface of one range finder's beam shows now."""

    range: float  # [m] newest slant range; the gate's upper end before the first one
    speed: float  # [m/s] closing speed along the beam that came with it
    valid: float  # 1 if the newest delivered sample was valid, else 0
    sample_tick: int  # tick whose truth the newest delivered sample measured, as stamped
    range_tick: int  # tick whose truth ``range`` measured, as stamped; 0 before the first
    sample_number: int  # running number of the newest delivered sample; -1 before the first


@wp.struct
class Episode:
    """Which descent this is, how long it has flown and how it ended."""

    seed_low: int  # lower 32 bits of the seed
    seed_high: int  # upper 32 bits of the seed
    lander: int  # stream of the randomness, whatever the row
    episode: int  # how many descents this lander has finished
    faults: int  # one bit for each fault that the episode has, in the order of faults.NAMES
    acting: int  # one bit for each fault that acts now
    pending: int  # one bit for each fault that has still to begin or to end
    contact_tick: int  # of a first contact that went unnoticed; -1 before
    tick: int  # physics ticks flown
    decisions: int  # actions taken
    outcome: int  # see task.Outcome
    potential: float  # shaping potential after the last decision
    start_propellant: float  # [kg]


@wp.struct
class Facts:
    """The numbers of a descent's record beside its rewards; complete when its outcome is known."""

    duration: float  # [s]
    height: float  # [m] of the footpads above the ground below, at the end of the newest tick
    propellant_used: float  # [kg]
    descent_rate: float  # [m/s] at touchdown, along the local vertical, down is positive
    lateral_speed: float  # [m/s] at touchdown
    tilt: float  # [rad] at touchdown
    rate: float  # [rad/s] at touchdown
    slope: float  # [rad] of the ground at touchdown
    distance: float  # [m] from the pad at touchdown
    faults: int  # one bit for each fault of the episode, in the order of faults.NAMES
    acting_faults: int  # one bit for each fault that acted at the end
    first_valid_altitude: float  # [m] true height when the first valid reading arrived; -1 before
    first_valid_descent_rate: float  # [m/s] true, at that moment


@wp.struct
class Surface:
    """The episode's ground, worked out once at its start from the drawn terrain; see terrain/surface.py."""

    rise_x: float  # gradient of the plane through the pad, along x
    rise_y: float  # along y
    levelling: float  # [1/m^2] inverse square of the levelling distance
    relief: float  # [m]
    wave: float  # [rad/m]
    phase_x: float  # [rad]
    phase_y: float  # [rad]
    roughness: float  # multiplies the map's heights; 0 without a map
    turn_x: float  # cosine of the map's turn
    turn_y: float  # sine of it
    shift_x: float  # [m] of the map
    shift_y: float  # [m]
    fine_shift_x: float  # [m] the same less whole periods of the fine map, which float32 then knows to 0.1 mm
    fine_shift_y: float  # [m]
    level: float  # [m] of the map at the pad
    step_height: float  # [m]; 0 for no step
    step_distance: float  # [m]
    per_step: float  # [1/m] inverse of its width
    top: float  # [m] a height that the ground never exceeds
    steepest: float  # a gradient that the smooth ground never exceeds


@wp.struct
class Sample:
    """One beam's measurement on its way through the transport delay."""

    range: float  # [m]
    speed: float  # [m/s] closing along the beam
    returned: float  # 1 if there is a range, else 0
    valid: float  # 1 if the flag says so, else 0
    stamp: int  # tick that the sample claims to have measured
    delivery: int  # tick at which it arrives
