"""The pack inside the host: which `nodes` is imported, and what core's own loader makes of the pack."""

import ast
import asyncio
import logging
from pathlib import Path

import comfyui_version
import nodes
import pytest

from pack.tools.provision import NEWEST
from pack.videograin.comfyui.validate import TESTED

ROOT = Path(__file__).parents[2]


def test_nodes_is_the_hosts_module(comfyui_tree):
    assert Path(nodes.__file__).resolve() == comfyui_tree / "nodes.py"


def test_the_host_runs_on_the_cpu():
    import comfy.model_management

    assert comfy.model_management.get_torch_device().type == "cpu"


def test_core_loads_the_pack_and_exactly_the_nodes_it_lists(caplog):
    import pack

    async def listed() -> set[str]:
        extension = await pack.comfy_entrypoint()
        return {node.GET_SCHEMA().node_id for node in await extension.get_node_list()}

    before = set(nodes.NODE_CLASS_MAPPINGS)
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(nodes.load_custom_node(str(ROOT))), caplog.text
    ours = set(nodes.NODE_CLASS_MAPPINGS) - before
    assert ours == asyncio.run(listed())
    assert ours and all(name.startswith("VideoGrain") for name in ours)
    assert {nodes.NODE_CLASS_MAPPINGS[name].RELATIVE_PYTHON_MODULE for name in ours} == {f"custom_nodes.{ROOT.name}"}


def named_by_core(tree):
    """The display names of core's own nodes, of both kinds."""
    for path in (tree / "nodes.py", *(tree / "comfy_extras").glob("*.py"), *(tree / "comfy_api_nodes").glob("*.py")):
        for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(part, ast.Assign) and getattr(part.targets[0], "id", "") == "NODE_DISPLAY_NAME_MAPPINGS":
                yield from (value.value for value in part.value.values if isinstance(value, ast.Constant))
            if isinstance(part, ast.Call) and getattr(part.func, "attr", "") == "Schema":
                names = {key.arg: key.value.value for key in part.keywords if isinstance(key.value, ast.Constant)}
                yield names.get("display_name") or names.get("node_id", "")


def test_no_node_is_called_as_one_of_cores(comfyui_tree):
    """Two equal entries in the search tell nobody which is which."""
    import pack

    async def ours() -> set[str]:
        extension = await pack.comfy_entrypoint()
        return {node.GET_SCHEMA().display_name.lower() for node in await extension.get_node_list()}

    core = {name.lower() for name in named_by_core(comfyui_tree)}
    assert {"ksampler (advanced)", "load video"} <= core
    assert core & asyncio.run(ours()) == set()


def test_tested_is_what_the_tests_run_on():
    assert TESTED == NEWEST


@pytest.mark.parametrize(
    ("version", "lines"),
    [("0.30.0", 0), ("0.16.3", 0), ("0.30", 0), ("0.30.1", 1), ("0.38.1", 1), ("1.0.0rc2", 1), ("unknown", 0)],
)
def test_a_host_newer_than_tested_is_told_once_as_the_pack_is_loaded(monkeypatch, caplog, version, lines):
    monkeypatch.setattr(comfyui_version, "__version__", version)
    with caplog.at_level(logging.INFO):
        assert asyncio.run(nodes.load_custom_node(str(ROOT)))
    told = [record.getMessage() for record in caplog.records if record.name == "videograin"]
    assert len(told) == lines and all(f"tested with ComfyUI up to {TESTED}; this is {version}" in line for line in told)
