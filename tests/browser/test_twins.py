"""The workflows for Stable Diffusion 1.5, in a ComfyUI without its weights: nothing is missing but these, by name."""

import re

import pytest
from shipped import TWINS, path_of, prompt, require_nodes, saved

from pack.tools.frontend import MISSING, Console, drop, exported, open_frontend, plain_prompt, plain_workflow

PREVIEWS = r"404 .*/api/view\?(?=.*type=input)(?=.*filename=\w+\.mp4)"  # of clips that are yet to be uploaded
ELSEWHERE = r"https://(huggingface\.co|api\.comfy\.org)/"  # how large is the file, whose is the node? It may not ask


@pytest.fixture(scope="module")
def page(browser, server):
    page = open_frontend(browser, server.url)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def schemas(server):
    return server.object_info()


@pytest.mark.parametrize("name", TWINS)
def test_opens_with_nothing_missing_but_its_files(page, schemas, picture, name):
    require_nodes(name, schemas)
    console = Console(page)
    drop(page, path_of(name))
    assert page.evaluate(MISSING) == []
    workflow, api = exported(page)
    assert plain_prompt(api) == prompt(name) and plain_workflow(workflow) == plain_workflow(saved(name))
    panel = page.get_by_test_id("error-group-missing-model")
    if not panel.is_visible():  # it stays open from one workflow to the next
        page.get_by_test_id("error-overlay-see-errors").click()
    expected = files(workflow)
    panel.get_by_text(expected[-1]).wait_for()
    page.wait_for_timeout(500)  # milliseconds, for the canvas to be drawn
    page.screenshot(path=picture(f"{name}_opened"))
    assert sorted(re.findall(r"\S+\.safetensors", panel.inner_text())) == expected
    own = [text for text in console.complaints() if not re.search(f"{PREVIEWS}|{ELSEWHERE}", text)]
    assert own == []


def files(workflow: dict) -> list[str]:
    """The weights that the workflow says where to get, and the inversion that another one saves."""
    weights = {file["name"] for node in workflow["nodes"] for file in node["properties"].get("models", [])}
    saved_before = {n["widgets_values"][0] for n in workflow["nodes"] if n["type"] == "VideoGrainLoadInversion"}
    return sorted(weights | saved_before)
