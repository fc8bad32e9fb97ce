"""Edit in Chunks at toy size: a clip, its regions and prompts, and the node."""

from functools import partial

import nodes as host
import recipe
import rig
import torch
from oracle import bound
from rig import controlnet

from pack.nodes.chunks import EditInChunks
from pack.videograin.core.regions import Region

SIDE, STEPS = 64, 2
st_layout = partial(recipe.st_layout, power=0.5)


def clip(frames, seed=0):
    """A gradient that drifts over some noise."""
    noise = torch.rand(frames, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(seed)) * 0.3
    columns = torch.arange(SIDE)[None, None, :, None] / SIDE
    return (noise + 0.7 * (columns + torch.arange(frames)[:, None, None, None] / 40) % 1).clamp(0, 1)


def areas(frames):
    """Two regions that move."""
    masks = torch.zeros(2, frames, SIDE, SIDE)
    for f in range(frames):
        masks[0, f, : 24 + f % 9, :32] = 1
        masks[1, f, 32:, 24 + f % 5 :] = 1
    return tuple(Region(mask, phrase) for mask, phrase in zip(masks, ("one", "two"), strict=True))


def prompts(frames):
    return rig.text(1), bound(rig.text(2), areas(frames)), rig.text(3)


def edited(model, vae, frames, length, overlap=0, anchors=2, words=None, node=EditInChunks, **more):
    settings = {"steps": STEPS, "cfg": 4.0, "sampler_name": "euler", "scheduler": "ddim_uniform", "seed": 0,
                "blend": "inversion", "refinements": 0, **more}  # fmt: skip
    source, positive, negative = words or prompts(len(frames))
    return node.execute(
        model,
        vae,
        frames,
        source,
        positive,
        negative,
        chunk_length=length,
        overlap=overlap,
        anchors=anchors,
        **settings,
    ).args


def rows(model, seen):
    """The MODEL, noting for each call of the network the frames it holds, all halves of guidance together."""
    spied = model.clone()

    def spy(apply, args):
        seen.append(len(args["input"]))
        return apply(args["input"], args["timestep"], **args["c"])

    spied.set_model_unet_function_wrapper(spy)
    return spied


def alike(a, b):
    """Equal but for the order of sums: a thousandth of a level of 8 bits."""
    assert a.shape == b.shape
    assert (a - b).abs().max() < 2e-4, (a - b).abs().max()


def hinted(words, hints, strength=1.0, control=None):
    control = control or controlnet()
    return host.ControlNetApplyAdvanced().apply_controlnet(words, words, control, hints, strength, 0.0, 1.0)[0]
