"""Every node with inputs within and beyond what they declare: a result, or an error of ours that says what to do."""

import asyncio
import traceback
from contextlib import suppress
from pathlib import Path

import folder_paths
import pytest
import torch
from compatibility import SURVIVED, claim
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from odd_inputs import base, good, images, kit, odd, told, widget
from PIL import Image

from pack.nodes import VideoGrainExtension
from pack.videograin.comfyui.inversion_files import save

pytestmark = pytest.mark.once

NODES = {node.GET_SCHEMA().node_id: node for node in asyncio.run(VideoGrainExtension().get_node_list())}
ROOT = Path(__file__).parents[2]
CALLS = 40  # of the network, after which a node has begun to work and nothing more is asked of it


class Enough(Exception):
    """It works, and would go on for long."""


@pytest.fixture(scope="module")
def things():
    return kit()


@pytest.fixture(autouse=True)
def _files(private_folders, tmp_path, things):
    """A clip and a saved inversion to load."""
    clip = [Image.fromarray((frame * 255).byte().numpy()) for frame in images()]
    clip[0].save(tmp_path / "input" / "clip.gif", save_all=True, append_images=clip[1:])
    save(things.inversion, things.noise["samples"], "clip", "fp32")


def counted(model):
    """A MODEL that has had enough after some calls."""
    left = [CALLS]

    def call(apply, args):
        left[0] -= 1
        if left[0] < 0:
            raise Enough
        return apply(args["input"], args["timestep"], **args["c"])

    model = model.clone()
    model.set_model_unet_function_wrapper(call)
    return model


def run(node, inputs, things):
    inputs = {key: counted(value) if value is things.model else value for key, value in inputs.items()}
    with torch.inference_mode(), suppress(Enough):
        node.execute(**inputs)


def ours(error: BaseException) -> bool:
    """True for an error that this pack raised itself, for people: it has words, no path of this machine, and begins at a check."""
    if any(str(folder) in str(error) for folder in (ROOT, folder_paths.base_path, folder_paths.get_input_directory())):
        return False
    last = traceback.extract_tb(error.__traceback__)[-1]
    inside = Path(last.filename).is_relative_to(ROOT) and not Path(last.filename).is_relative_to(ROOT / "tests")
    return inside and isinstance(error, (ValueError, TypeError)) and len(str(error).split()) >= 5


def changes(schema, things):
    """One input or two that are not as in the base."""
    found = {}
    for entry in schema.inputs:
        kind = entry.get_io_type()
        strategy = widget(entry)
        if strategy is None:
            choices = [*odd(things).get(kind, ())]
            if entry.optional:
                choices += [None, *([good(things)[kind]()] if kind in good(things) else [])]
            strategy = st.sampled_from(choices) if choices else None
        if strategy is not None:
            found[entry.id] = strategy
    if not found:
        return st.just({})
    names = st.lists(st.sampled_from(sorted(found)), min_size=1, max_size=2, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: found[name] for name in chosen}))


@pytest.mark.parametrize("name", sorted(NODES))
@claim("bad input", "Any value, in and beyond its range, on every input of every node", SURVIVED)
def test_a_result_or_words_that_help(name, things):
    node = NODES[name]
    schema = node.GET_SCHEMA()

    @settings(max_examples=16, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(changes(schema, things))
    def holds(changed):
        try:
            run(node, {**base(schema, things), **changed}, things)
        except Exception as error:
            assert ours(error), f"{name} with {told(changed)}: {error!r}"

    run(node, base(schema, things), things)  # as it stands it works, so it is the change that is told
    holds()
