"""Whether a machine has the memory for a training, and the patience: asked before a folder exists.

An estimate from the sizes of what is kept: landers, networks with their optimisers, what is learned from, and the
descents of the final evaluation. It leaves out what the libraries need for themselves, some hundred megabytes.
"""

from itertools import pairwise

from agents.policy.features import Features
from agents.training.algorithms import algorithm_of
from agents.training.devices import device_of
from agents.training.experiment import Experiment
from lunar_env import Scenario
from lunar_env.flying.episodes import CHUNK
from lunar_env.kernel.launch import threads_for
from lunar_env.kernel.memory import bytes_of
from lunar_env.kernel.room import require_memory, require_room, size
from lunar_env.scenario import possible_faults

FLOAT = 4  # bytes
COPIES = 4  # of a weight: itself, its gradient, and the two moments of Adam
CRITICS = {"sb3.sac": 4, "sb3contrib.tqc": 4}  # beside the actor: two and their slow twins; else one
GATES = {"none": 0, "gru": 3, "lstm": 4}


def require_room_for(wanted: Experiment, practice: Scenario) -> None:
    """Refuse a training that needs more memory than there is, or minutes for a decision. Raises ValueError."""
    device = device_of(wanted.device)
    require_room(practice, wanted.num_envs, device, threads_for(wanted.num_envs, device, wanted.threads or None))
    needs = needs_of(wanted, practice)
    most = max(needs, key=lambda name: needs[name])
    require_memory(
        f"{wanted.num_envs:,} landers and all that they learn with",
        sum(needs.values()),
        device,
        f"most of it goes to {most} ({size(needs[most])}), choose a smaller one",
    )


def needs_of(wanted: Experiment, practice: Scenario) -> dict[str, float]:
    """The bytes of each part of a training, by the key that makes it large."""
    seen, shown = Features(practice, wanted.network.differences).size, practice.observation_table().size
    truth = 13 + 3 * len(possible_faults(practice)) if wanted.network.critic == "privileged" else 0
    actions, network = len(practice.action_names), wanted.network
    row = algorithm_of(wanted.algorithm)
    if row.off_policy:
        kept = wanted.off_policy.buffer * (2 * shown + actions + 3)
        source, batch = "off_policy.buffer", wanted.off_policy.batch_size
    else:
        # Once as it is flown and once as it is shuffled.
        kept = 2 * wanted.ppo.steps * wanted.num_envs * (max(seen, shown) + truth + 4 * actions + 6)
        source, batch = "ppo.steps times num_envs", min(wanted.ppo.batch_size, wanted.ppo.steps * wanted.num_envs)
    networks = 1 + CRITICS.get(wanted.algorithm, 1)
    inside = sum(network.hidden) + 2 * GATES[network.memory] * network.memory_size
    return {
        "num_envs": bytes_of(practice, wanted.num_envs),
        "evaluation.episodes": bytes_of(practice, min(CHUNK, wanted.evaluation.episodes)),
        "network.hidden": FLOAT * COPIES * networks * weights_of(wanted, seen + truth, actions),
        source: FLOAT * kept,
        "the batch size": FLOAT * 2 * networks * batch * (seen + truth + inside),
    }


def weights_of(wanted: Experiment, seen: int, actions: int) -> int:
    """Numbers in one network."""
    network = wanted.network
    memory = network.memory_size if network.memory != "none" else 0
    sizes = (memory or seen, *network.hidden, actions)
    layers = sum(inputs * outputs + outputs for inputs, outputs in pairwise(sizes))
    return layers + GATES[network.memory] * memory * (seen + memory + 2)
