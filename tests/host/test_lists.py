"""Lists that other nodes give (masks or pictures one by one) are one clip: the graph runs once, as with a batch."""

import asyncio

import nodes as host
import pytest
import rig
import torch
from comfy_api.latest import io
from prompts import SIDE, Failed, Runner, editing, inverting, node, opening, register, write_clip

from pack.nodes import VideoGrainExtension
from pack.nodes.blend import LatentBlend
from pack.nodes.evaluate import EvaluateEdit
from pack.nodes.instances import SplitInstances
from pack.nodes.paste import PasteEdit
from pack.nodes.regions import RegionPrompt
from pack.nodes.video import BeforeAfterVideo


class MasksOneByOne(io.ComfyNode):
    """As segmenters give them: a list, another mask for each frame."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Int.Input("count"), io.Int.Input("batch", default=1)]
        return io.Schema("MasksOneByOne", inputs=inputs, outputs=[io.Mask.Output(is_output_list=True)])

    @classmethod
    def execute(cls, count, batch=1) -> io.NodeOutput:
        return io.NodeOutput([moving(batch, first) for first in range(0, count * batch, batch)])


class MasksTogether(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema("MasksTogether", inputs=[io.Int.Input("count")], outputs=[io.Mask.Output()])

    @classmethod
    def execute(cls, count) -> io.NodeOutput:
        return io.NodeOutput(moving(count))


class Texts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema("Texts", inputs=[io.String.Input("lines")], outputs=[io.String.Output(is_output_list=True)])

    @classmethod
    def execute(cls, lines) -> io.NodeOutput:
        return io.NodeOutput(lines.split("/"))


class Regions(io.ComfyNode):
    """Tells what it got, once for each run."""

    seen: list = []  # noqa: RUF012

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Custom("VIDEOGRAIN_REGIONS").Input("regions")]
        return io.Schema("Regions", inputs=inputs, outputs=[], is_output_node=True)

    @classmethod
    def execute(cls, regions) -> io.NodeOutput:
        Regions.seen.append(regions)
        return io.NodeOutput()


def moving(count, first=0):
    masks = torch.zeros(count, SIDE, SIDE)
    for number in range(count):
        masks[number, 8 * (first + number) :, : SIDE // 2] = 1
    return masks


@pytest.fixture(autouse=True)
def _host(private_folders, monkeypatch):
    register(monkeypatch)
    for each in (MasksOneByOne, MasksTogether, Texts, Regions):
        monkeypatch.setitem(host.NODE_CLASS_MAPPINGS, each.GET_SCHEMA().node_id, each)
    monkeypatch.setattr(Regions, "seen", [])


def test_an_edit_with_a_list_of_masks_is_that_with_a_batch():
    """Region Prompt's and Latent Blend's; the sampler runs once."""
    graph, runner = {**opening(write_clip("clip")), **inverting(), **editing()}, Runner()
    graph["blend"]["inputs"]["mask"] = ["mask", 0]
    found = []
    for mask in (node("MasksTogether", count=2), node("MasksOneByOne", count=2, batch=1)):
        results = runner.run({**graph, "mask": mask})
        found.append(results["result"])
        assert len(runner.executor.history_result["outputs"]["result"]["digest"]) == 1
    assert found[0] == found[1]


@pytest.mark.once
def test_entries_with_several_masks_each_are_one_clip():
    graph = {
        "mask": node("MasksOneByOne", count=2, batch=3),
        "region": node("VideoGrainRegionPrompt", mask=["mask", 0], phrase="a dog"),
        "seen": node("Regions", regions=["region", 0]),
    }
    Runner().run(graph)
    ((region,),) = Regions.seen
    assert torch.equal(region.mask, moving(6)) and region.phrase == "a dog"


@pytest.mark.once
def test_as_many_phrases_as_masks_are_a_region_each():
    graph = {
        "mask": node("MasksOneByOne", count=2, batch=3),
        "texts": node("Texts", lines="a dog/a cat"),
        "region": node("VideoGrainRegionPrompt", mask=["mask", 0], phrase=["texts", 0], strength=0.5),
        "seen": node("Regions", regions=["region", 0]),
    }
    Runner().run(graph)
    (regions,) = Regions.seen
    assert [region.phrase for region in regions] == ["a dog", "a cat"]
    assert all(region.strength == 0.5 for region in regions)
    assert torch.equal(torch.cat([region.mask for region in regions]), moving(6))
    graph["texts"]["inputs"]["lines"] = "a dog/a cat/a bird"
    with pytest.raises(Failed, match="`phrase` is a list of 3, but its `mask` is one of 2"):
        Runner().run(graph)


@pytest.mark.once
def test_a_list_of_anything_else_is_told_and_not_run_one_by_one():
    graph = opening(write_clip("clip"))
    graph["texts"] = node("Texts", lines="a dog on grass/a dog in the snow")
    graph["bind"]["inputs"]["prompt"] = ["texts", 0]
    graph["seen"] = node("PreviewImage", images=["bind", 2])
    with pytest.raises(Failed, match="Bind Region Prompts' `prompt` is a list of 2 values, but takes one"):
        Runner().run(graph)
    graph["texts"] = node("Texts", lines="a dog on grass/a dog on grass")
    Runner().run(graph)


@pytest.mark.once
def test_an_empty_list_is_no_missing_link():
    """A segmenter that found nothing: without a mask the whole edit would be pasted, and every region be editable."""
    frames = torch.rand(2, 64, 64, 3)
    with pytest.raises(ValueError, match=r"Paste Edit's `mask` is empty: .*found nothing"):
        PasteEdit.execute([frames], [frames], [])
    with pytest.raises(ValueError, match=r"`mask` is empty: "):
        LatentBlend.execute([rig.small_unet()], ["renoised"], source=[{"samples": rig.latent()}], mask=[])


def test_odd_masks_are_told_or_read_as_meant():
    holes = moving(2).clone()
    holes[0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"Region Prompt's `mask` holds NaN"):
        RegionPrompt.execute([holes], ["a cat"])
    with pytest.raises(ValueError, match=r"`phrase` is int '7', but must be a text"):
        RegionPrompt.execute([moving(2)], [7])
    (regions,) = RegionPrompt.execute([moving(2)[..., None]], ["a cat"]).args  # (frames, height, width, 1)
    assert torch.equal(regions[0].mask, moving(2))


def test_pictures_one_by_one_are_a_clip():
    frames = torch.rand(3, 64, 64, 3)
    one_by_one = [frame[None] for frame in frames]
    sizes = [frames[:1], frames[:1, :32]]
    found = BeforeAfterVideo.execute([frames], one_by_one, ["wipe, fixed line"], [0.5]).args[0]
    assert torch.equal(found, BeforeAfterVideo.execute(frames, frames, "wipe, fixed line", 0.5).args[0])
    assert EvaluateEdit.execute(one_by_one, frames).args[4] == EvaluateEdit.execute(frames, frames).args[4]
    with pytest.raises(
        ValueError, match=r"`source` is a list whose entries are of several sizes \(64×64, 64×32 pixels\)"
    ):
        BeforeAfterVideo.execute(sizes, frames, "wipe, fixed line", 0.5)


@pytest.mark.once
def test_masks_of_any_form_are_one_clips():
    masks = moving(3)
    for entries in ([*masks], [mask[None] for mask in masks], [masks[:1, None], masks[1:]], [masks]):
        (region,) = RegionPrompt.execute(entries, ["a dog"]).args[0]
        assert torch.equal(region.mask, masks)
    assert torch.equal(SplitInstances.execute([*masks], 1, "left to right").args[0], masks)
    model = LatentBlend.execute(
        [rig.small_unet()], ["renoised"], source=[{"samples": rig.latent()}], mask=[*masks]
    ).args[0]
    assert torch.equal(model.model_options["transformer_options"]["videograin"][0].mask, masks)
    for nothing in ([], [None]):
        with pytest.raises(ValueError, match="Region Prompt's `mask` is empty"):
            RegionPrompt.execute(nothing, "a dog")


@pytest.mark.once
def test_every_node_that_takes_masks_or_frames_takes_lists_of_them():
    taking = {
        node.GET_SCHEMA().node_id: node.GET_SCHEMA().is_input_list
        for node in asyncio.run(VideoGrainExtension().get_node_list())
        if any(entry.get_io_type() in ("MASK", "IMAGE") for entry in node.GET_SCHEMA().inputs)
    }
    assert len(taking) > 10 and all(taking.values()), taking
