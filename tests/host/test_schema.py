"""No node may change so that a workflow people saved opens wrongly."""

import asyncio
import json
import os

import pytest
import schema

from pack.nodes import VideoGrainExtension

NODES = asyncio.run(VideoGrainExtension().get_node_list())
MOST_PLAIN = 7  # widgets that a node shows before "advanced inputs" is opened
FIRST_KNOBS = {  # what the texts tell a user to turn first
    "VideoGrainSTLayoutAttention": {"power"},
    "VideoGrainLatentBlend": {"grow"},
    "VideoGrainVaryNoise": {"variation", "seed"},
    "VideoGrainLoadVideoFrames": {"file", "force_rate", "cap", "size"},
    "VideoGrainEditInChunks": {"steps", "cfg", "chunk_length"},
}


def plain_widgets(node) -> list[str]:
    """The widgets that a node always shows, those that the frontend adds beside an input's own among them."""
    found = []
    for entry in node.define_schema().inputs:
        if hasattr(entry, "default") and not getattr(entry, "force_input", None) and not entry.advanced:
            found.append(entry.id)
            found += [name for name in ("control_after_generate", "upload") if getattr(entry, name, None)]
    return found


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.define_schema().node_id)
def test_a_node_shows_few_widgets_and_its_first_knobs_among_them(node):
    plain = plain_widgets(node)
    assert len(plain) <= MOST_PLAIN
    assert FIRST_KNOBS.get(node.define_schema().node_id, set()) <= set(plain)


def test_schemas_are_the_recorded_ones():
    now = schema.dumped(NODES)
    if os.environ.get("VIDEOGRAIN_WRITE_SCHEMA"):
        schema.write(now)
    before = json.loads(schema.FILE.read_text())
    assert schema.breaks(before, now) == []
    assert json.loads(json.dumps(now)) == before, "a harmless change: `make schema` records it"
