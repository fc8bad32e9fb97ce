"""The embedded demo: a tiny diffusion model and a clip to edit with it, both without any download."""

import torch
from comfy_api.latest import io

from ..demo import model as demo_model
from ..demo import world


class LoadDemoModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainLoadDemoModel",
            display_name="Load Demo Model",
            category="VideoGrain/demo",
            description=(
                "The tiny text-to-image diffusion model that ships with VideoGrain: no download, about a minute per clip on a "
                "CPU. It draws one or two emoji animals or vehicles at 128×128 from captions like “a cat and a dog on "
                "grass”, and works with every stock node."
            ),
            search_aliases=["toybox", "emoji model", "tiny model", "videograin example checkpoint"],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="UNet with ε-prediction and Stable Diffusion's noise schedule; 4.3 M parameters, latents "
                    "of 4 channels at 1/8 of the picture's size. Trained at 128×128 pixels; CFG 4 to 6 and 20 to 25 "
                    "steps draw well.",
                ),
                io.Clip.Output(
                    display_name="clip",
                    tooltip="Text encoder with CLIP's tokenizer, 128 wide, 77 tokens a chunk. It knows the 24 objects "
                    f"and 6 places of Demo Clip, as in “{world.caption(('panda', 'owl'), 'snow')}”; other words have "
                    "no effect of their own.",
                ),
                io.Vae.Output(
                    display_name="vae",
                    tooltip="Autoencoder, 8× smaller per side, 4 channels; restores the demo's clips at 25 to 28 dB PSNR.",
                ),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(*demo_model.load())


class DemoClip(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        objects = list(world.OBJECTS)
        return io.Schema(
            node_id="VideoGrainDemoClip",
            display_name="Demo Clip",
            category="VideoGrain/demo",
            description=(
                "A clip of two moving emoji on a still background, 128×128 pixels, with the true mask of each: "
                "something to edit with Load Demo Model. The same settings always give the same clip."
            ),
            search_aliases=["toybox", "emoji video", "test clip", "sample video", "videograin example clip"],
            inputs=[
                io.Combo.Input("left", options=objects, default="cat", tooltip="The object in the left half."),
                io.Combo.Input(
                    "right",
                    options=objects,
                    default="dog",
                    tooltip="The object in the right half; it is in front where the two overlap.",
                ),
                io.Combo.Input(
                    "background", options=list(world.PLACES), default="grass", tooltip="The place, which stands still."
                ),
                io.Int.Input(
                    "frames", default=8, min=8, max=16, tooltip="Length of the clip in frames, 8 to 16 (8 a second)."
                ),
                io.Float.Input(
                    "motion",
                    default=1.0,
                    min=0.0,
                    max=3.0,
                    step=0.1,
                    tooltip="How far the objects move, 0 to 3: 0 stands still, 1 wanders about 12 pixels in all, from "
                    "about 2 on the two may overlap. They never leave the frame.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**32 - 1,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="Any whole number; picks the sizes, the paths and the background's pattern.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="frames", tooltip="The clip: F frames of 128×128 pixels, RGB, 0 to 1."),
                io.Mask.Output(
                    display_name="left_mask",
                    tooltip="Visible pixels of the left object: F masks of 128×128, 1 inside and 0 outside.",
                ),
                io.Mask.Output(
                    display_name="right_mask",
                    tooltip="Visible pixels of the right object: F masks of 128×128, 1 inside and 0 outside.",
                ),
                io.String.Output(
                    display_name="caption",
                    tooltip="What the clip shows, in the demo model's words: the source prompt for an inversion.",
                ),
                io.Float.Output(
                    display_name="fps", tooltip="Frames per second of the clip, always 8, for Create Video."
                ),
            ],
        )

    @classmethod
    def execute(cls, left: str, right: str, background: str, frames: int, motion: float, seed: int) -> io.NodeOutput:
        clip = world.clip((left, right), background, frames, motion, seed)
        left_mask, right_mask = torch.from_numpy(clip.masks).float()
        pictures = torch.from_numpy(clip.frames).float() / 255
        return io.NodeOutput(pictures, left_mask, right_mask, clip.caption, world.FPS)
