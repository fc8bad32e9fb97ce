"""A ComfyUI without packs: the frontend names those that a shipped workflow needs, and says how to get them."""

from collections import Counter

import pytest
from shipped import path_of, saved

from pack.tools.frontend import SETTINGS, drop, open_frontend
from pack.tools.provision import NEWEST, provision
from pack.tools.server import Server


@pytest.fixture(scope="module")
def bare_page(browser):
    host = provision(NEWEST)
    with Server(host.python, host.comfyui, None) as server:
        server.post("/settings", SETTINGS)
        page = open_frontend(browser, server.url)
        yield page
        page.context.close()


@pytest.mark.parametrize("name", ["instance_edit", "fatezero", "motion_module_sd15"])  # the last needs another pack too
def test_the_missing_packs_are_named_with_their_nodes(bare_page, picture, name):
    drop(bare_page, path_of(name))
    panel = bare_page.get_by_test_id("missing-node-card")
    if not panel.is_visible():  # it stays open from one workflow to the next
        bare_page.get_by_test_id("error-overlay-see-errors").click()
    packs = Counter(node["properties"].get("cnr_id", "comfy-core") for node in saved(name)["nodes"])
    del packs["comfy-core"]
    for pack in packs:
        panel.get_by_text(pack, exact=True).wait_for()
    bare_page.wait_for_timeout(1000)  # milliseconds, for the canvas to be drawn
    bare_page.screenshot(path=picture(f"{name}_without_the_pack"))
    assert panel.get_by_test_id("missing-node-pack-count").all_inner_texts() == [
        str(packs[pack]) for pack in sorted(packs)
    ]
