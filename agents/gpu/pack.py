"""What a machine without a compiler's time, or without a network, takes along: ``python -m agents.gpu.pack FOLDER``.

``kernels/`` holds the machine code of every kernel for one architecture, as Warp keeps it, so that nothing is compiled
there; ``reference.npz`` what the CPU of this machine flies. There, beside a checkout of the same commit:

    WARP_CACHE_PATH=FOLDER/kernels python -m agents.gpu --reference FOLDER/reference.npz
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro
import warp as wp

from agents.command import answer
from agents.gpu.agreement import write_reference
from agents.policy.feature_kernel import show, show_truth
from agents.run_folder import make_folder
from agents.training.ends import add_ends
from agents.training.rsl_rl.returns import estimate
from lunar_env.bench.machine_code.cubin import require_architecture
from lunar_env.kernel.builds import FULL, PLAIN, WHOLE
from lunar_env.kernel.cache import gpu_folder, machine_code, start_warp
from lunar_env.kernel.critic import tell_a_critic
from lunar_env.kernel.next_episode import count_on
from lunar_env.kernel.truth import tell

KERNELS = (
    *(PLAIN.advance, PLAIN.reset, WHOLE.advance, WHOLE.reset, FULL.advance, FULL.reset),
    *(tell, tell_a_critic, count_on, show, show_truth, add_ends, estimate),
)


@dataclass(frozen=True)
class Arguments:
    """Pack machine code and reference flights for a machine with a GPU."""

    folder: tyro.conf.Positional[Path]
    """Where they go."""
    arch: int = 90
    """Architecture of the GPU: 80 for sm_80 (A100), 89 (L4, RTX 40), 90 (H100, H200), 100, 120 (Blackwell)."""


def main() -> int:
    """The command line. Returns the exit code: 0, or 2 for a wrong request."""
    return answer("agents.gpu.pack", Arguments, run, __doc__, interrupted="the same command begins anew")


def run(arguments: Arguments) -> None:
    """Compile, fly, write."""
    start_warp()
    require_architecture(arguments.arch)
    make_folder(arguments.folder)
    for number, kernel in enumerate(KERNELS, 1):
        print(f"{number} of {len(KERNELS)}: {kernel.key} for sm_{arguments.arch}", file=sys.stderr, flush=True)
        compile_into(arguments.folder / "kernels" / wp.config.version, kernel, arguments.arch)
    print("flying the reference ...", file=sys.stderr, flush=True)
    write_reference(arguments.folder / "reference.npz")
    size = sum(path.stat().st_size for path in arguments.folder.rglob("*") if path.is_file())
    print(f"{size / 1e6:.1f} MB in {arguments.folder}")


def compile_into(place: Path, kernel: wp.Kernel, arch: int) -> None:
    """The machine code of a kernel's module where Warp will look for it; what is there already is kept."""
    folder = place / gpu_folder(kernel.module)
    if not list(folder.glob(f"*.sm{arch}.cubin")):
        folder.mkdir(parents=True, exist_ok=True)
        machine_code(kernel.module, arch, folder)
    for source in folder.glob("*.cu"):
        source.unlink()


if __name__ == "__main__":
    sys.exit(main())
