"""One server and one Chromium for all browser tests; each test has a fresh page. Screenshots go to out/."""

import sys
from pathlib import Path

import pytest
from shipped import STAND_INS

from pack.tools.frontend import SETTINGS, chromium
from pack.tools.provision import NEWEST, provision
from pack.tools.server import Server

ROOT = Path(__file__).parents[2]
OUT = Path(__file__).with_name("out")  # not committed; nothing but the tests' screenshots
sys.path.append(str(Path(__file__).parent))  # for the modules beside the tests


@pytest.fixture(scope="session")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def server(browser):
    """After the browser: without Chromium nothing is started."""
    host = provision(NEWEST)
    with Server(host.python, host.comfyui, ROOT, others=STAND_INS) as running:
        running.post("/settings", SETTINGS)
        yield running


@pytest.fixture(scope="session")
def picture():
    """Where a test's screenshot goes, by its name."""
    OUT.mkdir(exist_ok=True)
    return lambda name: OUT / f"{name}.png"


@pytest.fixture(scope="session", params=["canvas", "nodes 2.0"])
def widgets(request, browser, server):
    """A page for graphs with our widgets, in each of the frontend's renderers; each test builds a graph of its own.

    One for all tests: to load the frontend takes longer than most of them.
    """
    from widget_page import WidgetPage

    page = WidgetPage(browser, server, request.param)
    yield page
    page.close()
