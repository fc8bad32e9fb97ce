"""No node may change so that a workflow people saved opens wrongly."""

import asyncio
import json
import os

import schema

from pack.nodes import VideoGrainExtension


def test_schemas_are_the_recorded_ones():
    now = schema.dumped(asyncio.run(VideoGrainExtension().get_node_list()))
    if os.environ.get("VIDEOGRAIN_WRITE_SCHEMA"):
        schema.write(now)
    before = json.loads(schema.FILE.read_text())
    assert schema.breaks(before, now) == []
    assert json.loads(json.dumps(now)) == before, "a harmless change: `make schema` records it"
