"""One server for all end-to-end tests: an unmodified ComfyUI with this pack and a stand-in for another."""

import os
from pathlib import Path

import pytest
from shipped import STAND_INS

from pack.tools.provision import NEWEST, provision
from pack.tools.server import Server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def server():
    host = provision(os.environ.get("VIDEOGRAIN_E2E_VERSION", NEWEST))
    with Server(host.python, host.comfyui, ROOT, others=STAND_INS) as running:
        yield running
