"""A ComfyUI without this pack: the frontend names the pack that a shipped workflow needs, and says how to get it."""

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


@pytest.mark.parametrize("name", ["instance_edit", "fatezero"])  # that all have the pack's name, see tests/e2e
def test_the_missing_pack_is_named_with_its_nodes(bare_page, picture, name):
    drop(bare_page, path_of(name))
    overlay, panel = bare_page.get_by_test_id("error-overlay"), bare_page.get_by_test_id("missing-node-card")
    if not panel.is_visible():  # it stays open from one workflow to the next
        overlay.get_by_text("Missing Node Packs").wait_for()
        overlay.get_by_test_id("error-overlay-see-errors").click()
    panel.get_by_text("videograin", exact=True).wait_for()
    ours = [node for node in saved(name)["nodes"] if node["type"].startswith("VideoGrain")]
    bare_page.wait_for_timeout(1000)  # milliseconds, for the canvas to be drawn
    bare_page.screenshot(path=picture(f"{name}_without_the_pack"))
    assert panel.get_by_test_id("missing-node-pack-count").all_inner_texts() == [
        str(len(ours))
    ]  # one pack, all of ours
