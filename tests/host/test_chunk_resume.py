"""Edit in Chunks after a crash: what is taken from disk, and what is not."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import comfy.model_management
import pytest
import rig
import torch
from chunked import SIDE, STEPS, clip, edited, hinted, rows
from comfy_api.latest import io
from compatibility import SURVIVED, claim

from pack.nodes.attention import FullFrameAttention
from pack.nodes.chunks import EditInChunks
from pack.videograin.comfyui.fingerprint import fingerprint, graph_below
from pack.videograin.jobs import chunk_job
from pack.videograin.jobs.long_video import FOLDER

pytestmark = pytest.mark.usefixtures("inference_mode", "private_output")


def failing(model, calls, fault):
    """The MODEL that fails at a call of the network; a list of one number, calls still to come."""
    broken = model.clone()

    def fail(apply, args):
        calls[0] -= 1
        if calls[0] < 0:
            raise fault
        return apply(args["input"], args["timestep"], **args["c"])

    broken.set_model_unet_function_wrapper(fail)
    return broken


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, marks=claim("fault", f"{name} in the middle of Edit in Chunks", SURVIVED))
        for name, fault in {
            "A crash": RuntimeError,
            "Cancel": comfy.model_management.InterruptProcessingException,
            "Out of memory": torch.cuda.OutOfMemoryError,
        }.items()
    ],
)
def test_after_a_crash_it_goes_on_where_it_was(unet, vae, tmp_path, fault):
    frames, per_chunk = clip(9), 2 * STEPS  # both halves of guidance in one call
    with pytest.raises(fault):
        edited(failing(unet, [2 * per_chunk + 3], fault), vae, frames, 4, 1)
    files = sorted(file.name for file in tmp_path.rglob("*.safetensors"))
    assert files == ["000000-000004.safetensors", "000003-000007.safetensors"] and not list(tmp_path.rglob("*.part"))
    seen = []
    out, report = edited(rows(unet, seen), vae, frames, 4, 1)
    assert len(seen) == per_chunk and "taken from disk: 2 chunks" in report and "edited now: 1 chunks" in report
    again, report = edited(rows(unet, seen), vae, frames, 4, 1)
    assert len(seen) == per_chunk and torch.equal(again, out)
    fresh, report = edited(rows(unet, seen), vae, frames, 4, 1, resume=False)
    assert len(seen) == 4 * per_chunk and torch.equal(fresh, out) and "taken from disk: 0" in report


def flipped(content):
    return content[:-2] + bytes([content[-2] ^ 4]) + content[-1:]


def cut_off(content):
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(
            flipped, "not what was saved", marks=claim("fault", "A kept chunk with one bit changed", SURVIVED)
        ),
        pytest.param(cut_off, "is damaged", marks=claim("fault", "A kept chunk cut off", SURVIVED)),
    ],
)
def test_a_damaged_chunk_is_made_anew_and_said_so(unet, vae, tmp_path, caplog, damage, said):
    frames = clip(9)
    out, _ = edited(unet, vae, frames, 4, 1)
    file = sorted(tmp_path.rglob("*.safetensors"))[1]
    content = damage(file.read_bytes())
    file.write_bytes(content)
    seen = []
    again, _ = edited(rows(unet, seen), vae, frames, 4, 1)
    assert len(seen) == 2 * STEPS and torch.equal(again, out)
    assert "makes frames 3 to 6 anew" in caplog.text and said in caplog.text
    assert file.read_bytes() != content


@pytest.mark.parametrize("part", ["encode", "decode"])
@claim("fault", "Out of memory in the VAE in Edit in Chunks", SURVIVED)
def test_the_vae_out_of_memory(unet, vae, tmp_path, monkeypatch, part):
    frames, seen = clip(5), []
    out, _ = edited(unet, vae, frames, 8)
    shutil.rmtree(tmp_path / FOLDER)

    def full(*args, **kwargs):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(vae.first_stage_model, part, full)  # in tiles too, which ComfyUI tries then
    with pytest.raises(torch.cuda.OutOfMemoryError):
        edited(unet, vae, frames, 8)
    monkeypatch.undo()
    monkeypatch.setattr("folder_paths.output_directory", str(tmp_path))
    again, _ = edited(rows(unet, seen), vae, frames, 8)
    assert torch.equal(again, out) and not list(tmp_path.rglob("*.part"))
    assert (len(seen) == 0) == (part == "decode")  # what was edited before is not edited again


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@claim("fault", "Disk full while Edit in Chunks keeps a chunk", SURVIVED)
def test_a_full_disk(unet, vae, tmp_path):
    frames = clip(5)
    out, _ = edited(unet, vae, frames, 8)
    (file,) = tmp_path.rglob("*.safetensors")
    file.unlink()
    file.with_name(f"{file.name}.{os.getpid()}.part").symlink_to("/dev/full")  # where it is about to write
    with pytest.raises(
        ValueError, match=r"keeps finished chunks in .*the disk is full\. Free space there and run again"
    ) as told:
        edited(unet, vae, frames, 8)
    assert str(tmp_path) not in str(told.value)
    assert not list(file.parent.iterdir())
    again, _ = edited(unet, vae, frames, 8)
    assert torch.equal(again, out) and list(file.parent.iterdir()) == [file]


@pytest.mark.once
def test_another_edit_takes_nothing_from_disk(unet, vae, tmp_path, monkeypatch):
    frames, base = clip(5), {"mask": torch.ones(1, SIDE, SIDE)}
    words = rig.text(1), rig.text(2), rig.text(3)
    per_chunk = 2 * STEPS
    lora = unet.clone()
    lora.add_patches({"diffusion_model.middle_block.1.proj_in.weight": (torch.zeros(128, 128, 1, 1),)}, 0.5)
    edited(unet, vae, frames, 8, words=words, **base)
    for change in (
        {"cfg": 5.0}, {"seed": 1}, {"grow": 1, "mask": torch.ones(5, SIDE, SIDE)}, {"blend": "off"}, {"steps": 1},
        {"anchors": 3}, {"refinements": 1}, {"sampler_name": "heun"},
        {"words": (rig.text(1), rig.text(7), rig.text(3))}, {"words": (rig.text(1), hinted(rig.text(2), frames), rig.text(3))},
        {"frames": clip(5, seed=9)}, {"model": lora}, {"model": FullFrameAttention.execute(unet, "all frames").args[0]},
    ):  # fmt: skip
        seen, call = [], {"model": unet, "frames": frames, "words": words, **base, **change}
        edited(rows(call.pop("model"), seen), vae, call.pop("frames"), 8, **call)
        assert seen, change
    with monkeypatch.context() as other_version:
        other_version.setattr(chunk_job, "code", lambda: "of another version")
        seen = []
        edited(rows(unet, seen), vae, frames, 8, words=words, **base)
        assert seen
    seen = []
    edited(rows(unet, seen), vae, frames, 8, 3, words=words, **base)  # the overlap moves windows, it changes none
    assert not seen and len(list(tmp_path.rglob("*.safetensors"))) == 15 and per_chunk


class Graph:
    """What ComfyUI's DynamicPrompt is asked."""

    def __init__(self, nodes):
        self.nodes = nodes

    def get_node(self, node):
        return self.nodes[node]


def graph(image="face.png", number=10, prefix="out"):
    name = str(number)
    return Graph(
        {
            "1": {"class_type": "EditInChunks", "inputs": {"model": [name, 0], "steps": 5}},
            name: {"class_type": "IPAdapter", "inputs": {"model": ["12", 0], "image": ["14", 0], "weight": 0.5}},
            "12": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
            "14": {"class_type": "LoadImage", "inputs": {"image": image}},
            "20": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "prefix": prefix}},
        }
    )


def test_what_is_upstream_in_the_graph_counts_and_nothing_else():
    """IPAdapter's picture is nowhere in the MODEL's weights: the graph is what tells one from another."""
    base = fingerprint(graph_below(graph(), "1"))
    assert fingerprint(graph_below(graph(number=99, prefix="other"), "1")) == base
    assert fingerprint(graph_below(graph("dog.png"), "1")) != base
    assert graph_below(None, "1") == []


def test_a_file_upstream_that_was_replaced_counts(tmp_path, monkeypatch):
    """Same name, another picture: ComfyUI's own cache sees it too."""
    monkeypatch.setattr("folder_paths.input_directory", str(tmp_path))
    picture = tmp_path / "face.png"
    found = []
    for content in (b"one", b"another", b"another"):
        if not picture.exists() or picture.read_bytes() != content:
            picture.write_bytes(content)
        found.append(fingerprint(graph_below(graph(), "1")))
    assert found[0] != found[1] == found[2]
    for name in ("../" * 9 + "etc/passwd.x", "a" * 5000 + ".png", "nul\0.png", "C:\\x.png"):
        assert fingerprint(graph_below(graph(name), "1"))  # a name, whatever it is, is no more than text


def test_what_another_node_put_into_a_prompt_counts_by_its_tensors():
    first, second = (SimpleNamespace(hidden=torch.full((2,), value)) for value in (0.0, 1.0))
    assert fingerprint({"unclip": first}) != fingerprint({"unclip": second})


def test_the_node_in_a_graph_resumes_only_under_the_same_graph(unet, vae):
    """As ComfyUI hands it over: an IPAdapter picture changed upstream makes every chunk anew."""
    frames = clip(4)

    def calls(picture):
        seen, hidden = [], {io.Hidden.dynprompt: graph(picture), io.Hidden.unique_id: "1"}
        node = EditInChunks.PREPARE_CLASS_CLONE({"hidden_inputs": hidden})
        edited(rows(unet, seen), vae, frames, 8, node=node)
        return len(seen)

    assert [calls(picture) > 0 for picture in ("face.png", "face.png", "dog.png", "face.png")] == [
        True,
        False,
        True,
        False,
    ]
