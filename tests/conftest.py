"""What every test shares."""

import gc
import os
from collections.abc import Iterator

# For few landers and small networks, two threads of torch mostly wait for each other, spinning; two workers on two
# cores then take three times as long. Before torch is imported, so that it holds for the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch

torch.set_num_threads(1)


def pytest_collection_finish() -> None:
    """What the imports made stays: hundreds of thousands of objects that no collection need look at again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """No test leaves another number of threads behind, such as the one that a training asked for."""
    yield
    torch.set_num_threads(1)
