"""Every test starts from the same random state and leaves the machine some cores."""

import os

import pytest
import torch

if "OMP_NUM_THREADS" not in os.environ:  # suites that run side by side have a thread each, or they wait for each other
    torch.set_num_threads(2)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
