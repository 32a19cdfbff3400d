"""All that changes while a lander flies.

Frame: the origin is the pad on the mean sphere, z is up there, x points downrange, the frame does not rotate.
Quaternions turn body axes into site axes, scalar last. The body's z axis is the thrust axis, out of the nose.
Each struct is one part of a lander; ``Lander`` is the whole, one row of the batch.
"""

from typing import Any

import torch
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
class Record:
    """What is worth telling about a descent; complete when its outcome is known."""

    duration: float  # [s]
    height: float  # [m] of the footpads above the ground below, at the end of the newest tick
    reward: float  # sum of all rewards
    approach: float  # sum of the reward term of that name
    propellant_cost: float  # sum of the reward term of that name
    touchdown: float  # sum of the reward term of that name
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
    """The episode's ground, worked out once at its start from the drawn terrain; see terrain.py."""

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
class Lander:
    """One row of the batch."""

    motion: Motion
    rest: Motion  # what float32 rounding would have dropped from ``motion``; see dynamics.substep
    belief: Belief
    episode: Episode
    record: Record


@wp.struct
class Sample:
    """One beam's measurement on its way through the transport delay."""

    range: float  # [m]
    speed: float  # [m/s] closing along the beam
    returned: float  # 1 if there is a range, else 0
    valid: float  # 1 if the flag says so, else 0
    stamp: int  # tick that the sample claims to have measured
    delivery: int  # tick at which it arrives


def words(struct: Any) -> int:
    """Number of 4-byte words in one struct."""
    return wp.types.type_size_in_bytes(struct) // 4


def columns(table: torch.Tensor, struct: Any) -> dict[str, torch.Tensor]:
    """Named views of a (rows, words) float32 table of structs: 'motion.position' is (rows, 3), scalars are (rows,).

    The table may have more axes before its words.
    """
    found: dict[str, torch.Tensor] = {}

    def visit(ctype: Any, offset: int, path: str) -> None:
        for name, kind in ctype._fields_:
            start = offset + getattr(ctype, name).offset // 4
            where = f"{path}{name}"
            if hasattr(kind, "_length_"):
                found[where] = table[..., start : start + kind._length_]
            elif hasattr(kind, "_fields_"):
                visit(kind, start, where + ".")
            else:
                column = table[..., start]
                found[where] = column.view(torch.int32) if kind.__name__.startswith(("c_int", "c_long")) else column

    visit(struct.ctype, 0, "")
    return found


def structs(table: torch.Tensor, struct: Any) -> wp.array:
    """The same memory as a Warp array of the structs along its last axis. The table must outlive it."""
    return wp.array(
        ptr=table.data_ptr(),
        dtype=struct,
        shape=table.shape[:-1],
        strides=tuple(4 * stride for stride in table.stride()[:-1]),
        device=wp.device_from_torch(table.device),
    )


class State:
    """The tables of a batch of landers: everything a snapshot needs, as torch tensors on the batch's device."""

    def __init__(
        self,
        drawn: Any,
        finder: Any,
        faults: Any,
        start: Any,
        beams: dict[str, int],
        num_landers: int,
        delay_slots: int,
        observation_size: int,
        num_faults: int,
        device: torch.device,
    ) -> None:
        """The first four are structs of numbers; ``beams``: how many each range finder has."""

        def empty(*shape: int) -> torch.Tensor:
            return torch.zeros(shape, dtype=torch.float32, device=device)

        # What belongs to a lander lies side by side in its row, so that memory is fetched once.
        every_beam = sum(beams.values())
        self.lander = empty(num_landers, words(Lander) + every_beam * words(Reading))
        self.reading = self.lander[:, words(Lander) :].unflatten(1, (every_beam, words(Reading)))
        of_each = [words(drawn), len(beams) * words(finder), words(faults), words(start)]
        self.drawn = empty(num_landers, sum(of_each))
        self.drawn_once, finders, self.drawn_faults, self.drawn_start = self.drawn.split(of_each, dim=1)
        self.drawn_finders = finders.unflatten(1, (len(beams), words(finder)))
        self.surface = empty(num_landers, words(Surface))
        self.delay_line = empty(delay_slots, num_landers, every_beam, words(Sample))
        self.begun = torch.zeros(num_landers, num_faults, dtype=torch.int32, device=device)
        self.observation = empty(num_landers, observation_size)
        self._columns = {
            **columns(self.lander, Lander),
            **_prefixed("drawn.", columns(self.drawn_once, drawn)),
            **_prefixed("drawn.faults.", columns(self.drawn_faults, faults)),
            **_prefixed("drawn.start.", columns(self.drawn_start, start)),
            **_prefixed("surface.", columns(self.surface, Surface)),
        }
        first = 0
        for i, (name, count) in enumerate(beams.items()):
            self._columns |= _prefixed(f"drawn.{name}.", columns(self.drawn_finders[:, i], finder))
            for quantity, view in columns(self.reading[:, first : first + count], Reading).items():
                self._columns[f"{name}.{quantity}"] = view[:, 0] if count == 1 else view
            first += count

    def __getitem__(self, name: str) -> torch.Tensor:
        """A live view of one quantity of all landers, such as ``state["motion.position"]``, shape (N, 3)."""
        if name not in self._columns:
            raise KeyError(f"unknown quantity {name!r}; known: {', '.join(self._columns)}")
        return self._columns[name]

    def names(self) -> list[str]:
        """Names of all quantities."""
        return list(self._columns)

    def tables(self) -> dict[str, torch.Tensor]:
        """The raw tables by name."""
        return {
            "lander": self.lander,
            "drawn": self.drawn,
            "surface": self.surface,
            "delay_line": self.delay_line,
            "begun": self.begun,
            "observation": self.observation,
        }

    def snapshot(self) -> dict[str, torch.Tensor]:
        """A copy of everything that changes."""
        return {name: table.clone() for name, table in self.tables().items()}

    def restore(self, snapshot: dict[str, torch.Tensor]) -> None:
        """Put a snapshot back, bit for bit."""
        for name, table in self.tables().items():
            saved = snapshot.get(name)
            if saved is None or saved.shape != table.shape:
                shape = None if saved is None else tuple(saved.shape)
                raise ValueError(
                    f"snapshot table {name!r} has shape {shape}, this batch needs {tuple(table.shape)}; "
                    "restore into a batch of the same scenario and size"
                )
        for name, table in self.tables().items():
            table.copy_(snapshot[name])


def _prefixed(prefix: str, views: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: view for name, view in views.items()}


__all__ = ["Belief", "Episode", "Lander", "Motion", "Reading", "Record", "Sample", "State", "Surface"]
