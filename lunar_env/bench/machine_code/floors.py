"""What the machine code promises: bounds that a change of the kernels may not pass unseen."""

from lunar_env.bench.floors import Claim

# Of one warp and one tick of four substeps. On arrays of structs it touched 8,504 sectors; 1,270 would be the least.
SECTORS = 1_500.0
INSTRUCTIONS = 5_972.0  # the mean of the warps, on arrays of structs, as are the next two
STACK, WHOLE_STACK = 592.0, 1_760.0  # bytes of a thread
RESPAWN = 13_529.0  # instructions of a lane, when an episode wrote all of its numbers, drawn or not


def claims() -> list[Claim]:
    """The floors, on figures named as ``named`` names them."""
    extra = "disassembly"
    return [
        Claim("plain step, sectors of a warp", "plain step, sectors", high=SECTORS, extra=extra),
        Claim(
            "plain step, instructions of a warp, mean",
            "plain step, instructions, mean",
            high=1.05 * INSTRUCTIONS,
            extra=extra,
        ),
        Claim("plain step, stack [bytes]", "plain step, stack", high=STACK, extra=extra),
        Claim("whole step, stack [bytes]", "whole step, stack", high=WHOLE_STACK, extra=extra),
        Claim("plain step, double precision", "plain step, double precision", high=0.0, extra=extra),
        Claim("whole step, double precision", "whole step, double precision", high=0.0, extra=extra),
        Claim("respawn, instructions of a lane", "plain respawn, instructions", high=RESPAWN // 3.0, extra=extra),
    ]
