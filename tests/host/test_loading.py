"""The pack inside the host: which `nodes` is imported, and what core's own loader makes of the pack."""

import asyncio
import logging
from pathlib import Path

import nodes

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
