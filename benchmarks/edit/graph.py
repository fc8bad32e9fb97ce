"""The graph of one edit by a Method, in the API's format: stock nodes and ours, between the benchmark's source and sink."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from ...proof.graph import Graph, Link, Prompt
from ...videograin.core.cross_frame import OWN
from ...videograin.core.latent_blend import IRJS
from ...videograin.toybox import world
from ..ruler.suite import Example
from .areas import areas, changed, sides_named
from .followed import followed_mask
from .method import BY_WORLD, DRAWN, INVERSION, NOISE, NOISED, OUTSIDE_WORDS, Method
from .parts import LOADED, OVER_DRAWINGS, SAMPLER, Setup, changed_areas, drawings, mask_of

LEARNING = {  # of a LoRA from one frame
    "batch_size": 1, "grad_accumulation_steps": 1, "steps": 60, "learning_rate": 5e-4, "rank": 8, "optimizer": "AdamW",
    "loss_function": "MSE", "seed": 0, "training_dtype": "fp32", "lora_dtype": "fp32", "quantized_backward": False,
    "algorithm": "LoRA", "gradient_checkpointing": False, "checkpoint_depth": 1, "offloading": False,
    "existing_lora": "[None]", "bucket_mode": False, "bypass_mode": False,
}  # fmt: skip


class Pass(NamedTuple):
    """One sampling of an edit: what the frames show before it, what they should show after it, and where."""

    name: str  # of its nodes: "" or "2 "
    before: str
    prompt: str
    phrases: tuple[str, ...]  # of all areas, by number
    changes: tuple[int, ...]  # numbers of the areas
    old_words: tuple[str, ...]


def edit_graph(one: Example, method: Method, setup: Setup) -> Prompt:
    """The whole graph; it ends in BenchmarkCollect."""
    graph = Graph()
    frames = graph.add("clip", "BenchmarkClip", case=one.case.name, drawn=method.start == DRAWN)
    graph.add("loader", "BenchmarkModel")
    model = LOADED
    if method.adapted:
        first = edited(graph, frames, Sampling(graph, one, method, setup, whole(one, True)._replace(name="first ")))
        model = _adapted(graph, one, first)
    if method.seeded == BY_WORLD:
        frames = graph.add("truth", "BenchmarkClip", case=one.case.name, drawn=True)
    elif method.seeded:
        graph.add("negative", "CLIPTextEncode", text="", clip=["loader", 1])
        frames = drawings(graph, one, setup, changed_areas(one))
    for part in _passes(one, method):
        sampling = Sampling(graph, one, method, setup, part, model)
        frames = edited(graph, frames, sampling)
        if method.steady:
            clip = {"source": ["clip", 0], "edited": frames}
            frames = graph.add("steady", "VideoGrainSteadyEdit", **clip, **sampling.chain())
    if method.start == DRAWN:
        latent = graph.add("encode", "VAEEncode", pixels=frames, vae=["loader", 2])
        frames = graph.add("decode", "VAEDecode", samples=latent, vae=["loader", 2])
    if method.paste:
        frames = pasted(graph, one, frames, method.followed)
    graph.add("collect", "BenchmarkCollect", images=frames)
    return graph.prompt


def edited(graph: Graph, frames: Link, sampling: Sampling) -> Link:
    """The frames after one pass."""
    name = sampling.part.name
    latent = graph.add(f"{name}encode", "VAEEncode", pixels=frames, vae=["loader", 2])
    return graph.add(f"{name}decode", "VAEDecode", samples=sampling.add(latent), vae=["loader", 2])


def _passes(one: Example, method: Method) -> tuple[Pass, ...]:
    if method.start == DRAWN:
        return ()
    return one_by_one(one) if method.passes else (whole(one, method.directed),)


def _adapted(graph: Graph, one: Example, frames: Link) -> Link:
    """The MODEL after learning the first of some frames under the target prompt, by core's own training node."""
    root = graph.add("root frame", "ImageFromBatch", image=frames, batch_index=0, length=1)
    latent = graph.add("root latent", "VAEEncode", pixels=root, vae=["loader", 2])
    words = graph.add("root words", "CLIPTextEncode", text=one.task.prompt, clip=["loader", 1])
    learned = graph.add("learn", "TrainLoraNode", model=["loader", 0], latents=latent, positive=words, **LEARNING)
    return graph.add("adapted", "LoraModelLoader", model=["loader", 0], lora=learned, strength_model=1.0, bypass=False)


def digest(prompt: Prompt) -> str:
    return hashlib.sha256(json.dumps(prompt, sort_keys=True).encode()).hexdigest()[:16]


def pasted(graph: Graph, one: Example, frames: Link, followed: bool = False) -> Link:
    """The source's own pixels outside the soft edge of what may change: the end of every edit that has masks."""
    mask = (followed_mask if followed else mask_of)(graph, one, changed(one))
    return graph.add("paste", "VideoGrainPasteEdit", source=["clip", 0], edited=frames, mask=mask)


def whole(one: Example, directed: bool) -> Pass:
    """All areas at once. directed: masks say which thing becomes what, so words need not."""
    old = (
        (world.PLACES[one.shot.place],) if one.task.place != one.shot.place else one.shot.names[: len(one.task.wishes)]
    )
    prompt = one.task.prompt if directed else sides_named(one)
    phrases = tuple(area.phrase for area in areas(one))
    return Pass("", one.shot.caption, prompt, phrases, changed(one), old)


def one_by_one(one: Example) -> tuple[Pass, ...]:
    """Each thing that becomes another, in turn; a task with fewer than two has one pass."""
    if len(one.task.wishes) < 2:
        return (whole(one, True),)
    nouns, found = [track[0].noun for track in one.shot.tracks], []
    for number, wish in enumerate(one.task.wishes):
        before, old = world.caption(nouns, one.task.place), nouns[number]
        nouns[number] = wish.phrase
        prompt = world.caption(nouns, one.task.place)
        found.append(Pass(f"{number + 1} ", before, prompt, tuple(nouns), (number,), (old,)))
    return tuple(found)


class Sampling:
    """The nodes of one pass: inversion, directed model, sampler. Each method adds some and returns a link."""

    def __init__(self, graph: Graph, one: Example, method: Method, setup: Setup, part: Pass, model: Link = LOADED):
        self.graph, self.one, self.method, self.setup, self.part = graph, one, method, setup, part
        self.model = model

    def add(self, latent: Link) -> Link:
        """The edited latent, from the frames' latent."""
        inflated = self.inflated()
        if self.method.control:
            self.graph.add("control", "BenchmarkControl", case=self.one.case.name)
        if self.method.start == INVERSION:
            source = (
                self.node("source", "VAEEncode", pixels=["clip", 0], vae=["loader", 2])
                if self.method.seeded
                else latent
            )
            self.invert(inflated, source)
        model = self.directed(inflated, latent)
        positive, negative = self.prompts()
        if self.method.watched:
            model = self.node("watch", "BenchmarkWatch", model=model, regions=positive)
        drawn = {"model": model, "positive": positive, "negative": negative, "cfg": self.setup.cfg}
        if self.method.seeded or self.method.start == NOISE:  # of another clip than the source's
            latent = self.node("one noise", "LatentBatchSeedBehavior", samples=latent, seed_behavior="fixed")
        if self.method.noise_mask:
            latent = self.node("noise mask", "SetLatentNoiseMask", samples=latent, mask=self.mask(self.part.changes))
        if self.method.start == INVERSION:
            return self.from_seeds(drawn, latent) if self.method.seeded else self.from_inversion(drawn)
        start = {"seed": self.seed, "latent_image": latent, "denoise": self.denoise, "steps": self.setup.steps}
        return self.node("sample", "KSampler", **drawn, **start, **SAMPLER)

    @property
    def denoise(self) -> float:
        """The share of the noise that a sampler adds."""
        if self.method.seeded:
            return OVER_DRAWINGS
        return self.setup.denoise if self.method.start == NOISED else 1.0

    @property
    def seed(self) -> int:
        return self.one.case.seed + self.setup.noise

    def from_inversion(self, drawn: dict) -> Link:
        start = {"add_noise": "disable", "noise_seed": self.seed, "latent_image": self.link("invert"), "start_at_step": 0,
                 "end_at_step": 10000, "return_with_leftover_noise": "disable", "steps": self.setup.steps}  # fmt: skip
        sampled = self.node("sample", "KSamplerAdvanced", **drawn, **start, **SAMPLER)
        if self.method.watched:  # a MODEL with a watch is for one sampling: no other may get it from the host's cache
            self.graph.prompt[f"{self.part.name}watch"]["inputs"]["ticket"] = digest(self.graph.prompt)
        return sampled

    def from_seeds(self, drawn: dict, latent: Link) -> Link:
        """From noised drawings, while the rest of the clip is on its inverted path: noise of two kinds side by side."""
        levels = {"scheduler": SAMPLER["scheduler"], "steps": self.setup.steps, "denoise": self.denoise}
        sigmas = self.node("levels", "BasicScheduler", model=drawn["model"], **levels)
        noise = self.node("noise", "RandomNoise", noise_seed=self.seed)
        noised = self.node("noised", "AddNoise", model=drawn["model"], noise=noise, sigmas=sigmas, latent_image=latent)
        euler = self.node("euler", "KSamplerSelect", sampler_name=SAMPLER["sampler_name"])
        start = {"add_noise": False, "noise_seed": self.seed, "sampler": euler, "sigmas": sigmas}
        return self.node("sample", "SamplerCustom", **drawn, **start, latent_image=noised)

    def node(self, name: str, node: str, **inputs) -> Link:
        return self.graph.add(f"{self.part.name}{name}", node, **inputs)

    def link(self, name: str, output: int = 0) -> Link:
        return [f"{self.part.name}{name}", output]

    def mask(self, numbers: tuple[int, ...]) -> Link:
        """The union of areas, as the method has it."""
        return (followed_mask if self.method.followed else mask_of)(self.graph, self.one, numbers)

    def inflated(self) -> Link:
        """The MODEL for the inversion and, through more nodes, for the edit."""
        model = self.model
        if self.method.key_set != OWN:
            model = self.node("full frame", "VideoGrainFullFrameAttention", model=model, key_set=self.method.key_set)
        if self.method.anchors:
            model = self.node("anchors", "VideoGrainAnchorAttention", model=model, count=4, mode="concat")
        return model

    def invert(self, model: Link, latent: Link) -> None:
        source = self.node("source prompt", "CLIPTextEncode", text=self.part.before, clip=["loader", 1])
        if self.method.control:
            source, _ = self.hinted("source hints", source, source)
        self.node(
            "invert", "VideoGrainDDIMInversion", model=model, conditioning=source, latent=latent, steps=self.setup.steps,
            scheduler="ddim_uniform", refinements=self.setup.refinements,
        )  # fmt: skip

    def hinted(self, name: str, positive: Link, negative: Link) -> tuple[Link, Link]:
        """Both prompts with the ControlNet and the clip's depth."""
        shown = {"control_net": ["control", 0], "image": ["control", 1]}
        whole_run = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0}
        self.node(name, "ControlNetApplyAdvanced", positive=positive, negative=negative, **shown, **whole_run)
        return self.link(name), self.link(name, 1)

    def directed(self, model: Link, latent: Link) -> Link:
        """The MODEL that directs the edit to its regions and keeps the rest."""
        if self.method.st_layout is not None:
            # The mode as single settings: equal methods have equal graphs, and a mode that changes has a new graph.
            choices = vars(self.method.st_layout)
            model = self.node("st-layout", "VideoGrainSTLayoutAttention", model=model, mode="default", **choices)
        model = self.fused(model)
        if self.method.place:
            words = {
                "clip": ["loader", 1],
                "prompt": self.part.prompt,
                "level": "1/2",
            }  # as its help says of small pictures
            model = self.node("place", "VideoGrainPlaceObjects", model=model, **words, **self.chain(merged=True))
        if self.method.blend:
            kept = {"mode": self.method.blend, "mask": self.mask(self.part.changes), "grow": 0}
            path = {"inversion": self.link("invert", 1)}
            if self.method.blend == IRJS:
                path = {"source": latent, "noise": self.method.noise}
            model = self.node("blend", "VideoGrainLatentBlend", model=model, **kept, **path)
        return model

    def fused(self, model: Link) -> Link:
        """The MODEL that takes attention from the source."""
        prompt = self.link("source hints" if self.method.control else "source prompt")
        source = {"inversion": self.link("invert", 1), "conditioning": prompt, "preset": self.method.preset}
        words = {"clip": ["loader", 1], "source_prompt": self.part.before}
        if self.method.self_fusion:
            where = {"where": self.method.self_fusion}
            if self.method.self_fusion == OUTSIDE_WORDS:
                where |= {**words, "words": ", ".join(self.part.old_words)}
            model = self.node("self fusion", "VideoGrainSelfAttentionFusion", model=model, **source, **where)
        if self.method.cross_fusion:
            words |= {"prompt": self.part.prompt, "mode": "refine"}
            model = self.node("cross fusion", "VideoGrainCrossAttentionFusion", model=model, **source, **words)
        return model

    def prompts(self) -> tuple[Link, Link]:
        """The positive prompt, bound to its regions where the method has some, and the negative prompt."""
        text = {"clip": ["loader", 1], "prompt": self.part.prompt}
        if self.method.st_layout is not None:
            positive = self.node("bind", "VideoGrainBindRegionPrompts", **text, **self.chain())
        else:
            positive = self.node("positive", "CLIPTextEncode", text=self.part.prompt, clip=["loader", 1])
        negative = self.node("negative", "CLIPTextEncode", text="", clip=["loader", 1])
        return self.hinted("edit hints", positive, negative) if self.method.control else (positive, negative)

    def chain(self, merged: bool = False) -> dict[str, Link]:
        """Region Prompts in a chain. merged: things only, those with the same words as one."""
        by_phrase: dict[str, list[int]] = {}
        for number, (area, phrase) in enumerate(zip(areas(self.one), self.part.phrases, strict=False)):
            if not (merged and area.is_place):
                by_phrase.setdefault(phrase if merged else f"{number} {phrase}", []).append(number)
        chain: dict[str, Link] = {}
        for numbers in by_phrase.values():
            mask, phrase = self.mask(tuple(numbers)), self.part.phrases[numbers[0]]
            link = self.node(f"region {numbers[0]}", "VideoGrainRegionPrompt", mask=mask, phrase=phrase, **chain)
            chain = {"regions": link}
        return chain
