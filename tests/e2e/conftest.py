"""One server for all end-to-end tests: an unmodified ComfyUI with this pack among its custom nodes."""

import os
from pathlib import Path

import pytest

from pack.tools.provision import NEWEST, provision
from pack.tools.server import Server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def server():
    host = provision(os.environ.get("VIDEOGRAIN_E2E_VERSION", NEWEST))
    with Server(host.python, host.comfyui, ROOT) as running:
        yield running
