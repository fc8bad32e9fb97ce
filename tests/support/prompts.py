"""Whole prompts through ComfyUI's own validation and executor, in this process, as its worker thread runs them."""

import asyncio
import copy
import hashlib
from contextlib import suppress
from pathlib import Path

import execution
import folder_paths
import nodes as host
import torch
from comfy_api.latest import io
from comfy_extras.nodes_mask import SolidMask
from PIL import Image

import pack

SIDE, STEPS = 64, 2


class Digest(io.ComfyNode):
    """An output node that tells a tensor by its bits, so that nothing of a run need be held to compare it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema("Digest", inputs=[io.Image.Input("images")], outputs=[], is_output_node=True)

    @classmethod
    def execute(cls, images) -> io.NodeOutput:
        return io.NodeOutput(ui={"digest": [digest(images)]})


def digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.float().contiguous().numpy().tobytes()).hexdigest()[:16]


class Page:
    """What the executor reports to; no browser is connected."""

    client_id = last_node_id = last_prompt_id = None

    def send_sync(self, *_) -> None: ...

    def queue_updated(self) -> None: ...


class Failed(Exception):
    """A prompt that failed; its text is what the user is told."""


class Runner:
    """One ComfyUI session: prompts run one after another, and unchanged nodes are not run again.

    ran: the node ids that the last prompt executed.
    """

    def __init__(self):
        self.executor = execution.PromptExecutor(
            Page(), execution.CacheType.CLASSIC, dict.fromkeys(("lru", "ram", "ram_inactive"), 0)
        )
        self.ran: list[str] = []

    def run(self, graph: dict) -> dict[str, str]:
        """The digests that the graph's Digest nodes tell, by node id. Raises Failed."""
        ok, error, outputs, errors = asyncio.run(execution.validate_prompt("test", copy.deepcopy(graph), None))
        if not ok:
            raise Failed(f"{error} {errors}")
        return self.execute(graph, outputs)

    def execute(self, graph: dict, outputs: list) -> dict[str, str]:
        self.executor.execute(copy.deepcopy(graph), "test", {}, outputs)  # it notes in the graph what files were like
        told = dict(self.executor.status_messages)
        cached = told.get("execution_cached", {}).get("nodes", [])
        self.ran = [node for node in graph if node not in cached]
        if not self.executor.success:
            raise Failed(told.get("execution_error", {}).get("exception_message", "interrupted"))
        results = self.executor.history_result["outputs"]
        return {node: found["digest"][0] for node, found in results.items() if "digest" in found}


def register(monkeypatch) -> None:
    """Makes the pack's nodes known to the host for one test, beside core's own, under the ids that graphs have."""

    async def listed() -> list[type]:
        return await (await pack.comfy_entrypoint()).get_node_list()

    for node in (*asyncio.run(listed()), Digest):
        monkeypatch.setitem(host.NODE_CLASS_MAPPINGS, node.GET_SCHEMA().node_id, node)
    monkeypatch.setitem(host.NODE_CLASS_MAPPINGS, "SolidMask", SolidMask)


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def write_clip(name: str, frames: int = 2, seed: int = 0) -> str:
    """A folder of pictures in ComfyUI's input folder. Returns its name, as Load Video Frames lists it."""
    folder = Path(folder_paths.get_input_directory()) / name
    folder.mkdir(parents=True, exist_ok=True)
    noise = torch.rand(frames, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(seed))
    for number, picture in enumerate((noise * 255).byte().numpy()):
        Image.fromarray(picture).save(folder / f"{number}.png")
    return f"{name}/"


def opening(clip: str) -> dict:
    """The part of a graph that loads: a clip, the demo model, the prompts, a region."""
    return {
        "load": node("VideoGrainLoadVideoFrames", file=clip, force_rate=0.0, skip=0, every_nth=1, cap=0, size="keep",
                     width=SIDE, height=SIDE),
        "demo": node("VideoGrainLoadDemoModel"),
        "latent": node("VAEEncode", pixels=["load", 0], vae=["demo", 2]),
        "full": node("VideoGrainFullFrameAttention", model=["demo", 0], key_set="all frames"),
        "source": node("CLIPTextEncode", clip=["demo", 1], text="a cat on grass"),
        "negative": node("CLIPTextEncode", clip=["demo", 1], text=""),
        "mask": node("SolidMask", value=1.0, width=SIDE, height=SIDE),
        "region": node("VideoGrainRegionPrompt", mask=["mask", 0], phrase="a dog"),
        "bind": node("VideoGrainBindRegionPrompts", clip=["demo", 1], prompt="a dog on grass", regions=["region", 0]),
    }  # fmt: skip


def inverting(steps: int = STEPS) -> dict:
    return {
        "invert": node("VideoGrainDDIMInversion", model=["full", 0], conditioning=["source", 0], latent=["latent", 0],
                       steps=steps, scheduler="ddim_uniform", refinements=1),
    }  # fmt: skip


def editing(inversion: str = "invert", seed: int = 0, steps: int = STEPS) -> dict:
    """The edit of what the node `inversion` gives, and the digest of its frames at node "result"."""
    return {
        "modulate": node("VideoGrainSTLayoutAttention", model=["full", 0], mode="default", self_strength=0.5,
                         cross_strength=1.0, end_percent=0.5),
        "blend": node("VideoGrainLatentBlend", model=["modulate", 0], mode="inversion", inversion=[inversion, 1]),
        "sample": node("KSamplerAdvanced", model=["blend", 0], add_noise="disable", noise_seed=seed, steps=steps, cfg=4.0,
                       sampler_name="euler", scheduler="ddim_uniform", positive=["bind", 0], negative=["negative", 0],
                       latent_image=[inversion, 0], start_at_step=0, end_at_step=1000,
                       return_with_leftover_noise="disable"),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["demo", 2]),
        "result": node("Digest", images=["decode", 0]),
    }  # fmt: skip


def leftovers() -> list[Path]:
    """Half written files and levels of clips in ComfyUI's folders, which no run may leave behind."""
    with suppress(FileNotFoundError):
        temporary = list(Path(folder_paths.get_temp_directory()).rglob("inversion-*"))
        return [*temporary, *Path(folder_paths.get_output_directory()).rglob("*.part")]
    return []
