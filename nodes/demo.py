"""The embedded demo: a tiny diffusion model and a clip to edit with it, without any download."""

import torch
from comfy_api.latest import io

from ..videograin.jobs import demo_model
from ..videograin.toybox import clips, tasks, world
from ..videograin.toybox.depth import depth_clip
from .declared import declared
from .types import Category

BARE = "none"


class LoadDemoModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainLoadDemoModel",
            display_name="Load Demo Model",
            category=Category.START,
            description=(
                "The tiny text-to-image diffusion model that ships with VideoGrain: no download, about a minute per "
                "clip on a CPU. It draws one to three emoji animals, vehicles or things at 192×192 from captions like "
                "“a cat with a hat and a dog on grass”, and works with every stock node."
            ),
            search_aliases=["toybox", "emoji model", "tiny model", "videograin example checkpoint"],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="UNet with \u03b5-prediction and Stable Diffusion's noise schedule; 12.2 M parameters, latents "
                    "of 4 channels at 1/8 of the picture's size. Trained at 192×192 pixels; CFG 4 to 6 and 20 to 25 "
                    "steps draw well.",
                ),
                io.Clip.Output(
                    display_name="clip",
                    tooltip="Text encoder with CLIP's tokenizer, 192 wide, 77 tokens a chunk. It knows the "
                    f"{len(world.OBJECTS)} objects and {len(world.PLACES)} places of Demo Clip and "
                    f"{', '.join(world.ACCESSORIES)}, as in “{world.caption(('panda', 'owl'), 'snow')}”; other words "
                    "draw nothing and only shift the positions of the words that follow.",
                ),
                io.Vae.Output(
                    display_name="vae",
                    tooltip="Autoencoder, 8× smaller per side, 4 channels; restores the demo's clips at 27 dB PSNR "
                    "or better.",
                ),
                io.ControlNet.Output(
                    display_name="control_net",
                    tooltip="A ControlNet for depth, 5.4 M parameters: it puts objects where Demo Clip's depth has them. "
                    "For Apply ControlNet, strength 1.",
                ),
            ],
        )

    @classmethod
    @declared
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(*demo_model.load(), demo_model.load_control())


class DemoClip(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        objects = list(world.OBJECTS)
        return io.Schema(
            node_id="VideoGrainDemoClip",
            display_name="Demo Clip",
            category=Category.START,
            description=(
                "A clip of two moving emoji, 192×192 pixels, with the true mask of each and a task: something to edit "
                "with Load Demo Model. The same settings always give the same clip."
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
                io.Combo.Input("background", options=list(world.PLACES), default="grass", tooltip="The place."),
                io.Int.Input(
                    "frames", default=8, min=8, max=16, tooltip="Length of the clip in frames, 8 to 16 (8 a second)."
                ),
                io.Float.Input(
                    "motion",
                    default=1.0,
                    min=0.0,
                    max=3.0,
                    step=0.1,
                    advanced=True,
                    tooltip="How far the objects move, 0 to 3: 0 stands still, 1 wanders about 18 pixels in all, from "
                    "about 2 on the two may overlap. Up to 1 they stay whole in the frame; at 3 its edge may cut off a corner "
                    "or a hat, less than 10 % of one.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**32 - 1,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="Any whole number; picks the sizes, the paths, the background's pattern and the task's "
                    "new words.",
                ),
                io.Combo.Input(
                    "task",
                    options=list(tasks.TASKS),
                    default=tasks.INSTANCE,
                    optional=True,
                    tooltip="What to do with the clip; it sets prompt, both phrases and edit_mask. instance: two other things. "
                    "class: both become the same thing. part: the left one wears something. background: another "
                    "place. object: the left one becomes another thing. swap: each becomes the other; the two must differ.",
                ),
                io.Boolean.Input(
                    "crossing",
                    default=False,
                    optional=True,
                    advanced=True,
                    tooltip="On: the two walk towards each other, and the right one hides part of the left one.",
                ),
                io.Float.Input(
                    "camera",
                    default=0.0,
                    min=0.0,
                    max=2.0,
                    step=0.1,
                    optional=True,
                    advanced=True,
                    tooltip="How far the camera moves over the background, 0 to 2; 1 is 12 pixels in all.",
                ),
                io.Combo.Input(
                    "left_wears",
                    options=[BARE, *world.ACCESSORIES],
                    default=BARE,
                    optional=True,
                    advanced=True,
                    tooltip="What the left object wears in the clip, for edits that change it; caption and masks "
                    "include it. For those with a face only.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="frames", tooltip="The clip: F frames of 192×192 pixels, RGB, 0 to 1."),
                io.Mask.Output(
                    display_name="left_mask",
                    tooltip="Visible pixels of the left object: F masks of 192×192, 1 inside and 0 outside.",
                ),
                io.Mask.Output(
                    display_name="right_mask",
                    tooltip="Visible pixels of the right object: F masks of 192×192, 1 inside and 0 outside.",
                ),
                io.String.Output(
                    display_name="caption",
                    tooltip="What the clip shows, in the demo model's words: the source prompt for an inversion.",
                ),
                io.Float.Output(
                    display_name="fps", tooltip="Frames per second of the clip, always 8, for Create Video."
                ),
                io.String.Output(display_name="prompt", tooltip="What the edited clip is to show: the target prompt."),
                io.String.Output(
                    display_name="left_phrase", tooltip="What the left object is to be, as it stands in the prompt."
                ),
                io.String.Output(
                    display_name="right_phrase", tooltip="What the right object is to be, as it stands in the prompt."
                ),
                io.Mask.Output(
                    display_name="edit_mask",
                    tooltip="Where the task changes the picture, room for a new hat included: F masks of 192×192.",
                ),
                io.Image.Output(
                    display_name="depth",
                    tooltip="How far things are, bright is near: F frames of 192×192 for Apply ControlNet with Load "
                    "Demo Model's control_net.",
                ),
            ],
        )

    @classmethod
    @declared
    def execute(
        cls,
        left: str,
        right: str,
        background: str,
        frames: int,
        motion: float,
        seed: int,
        task: str = tasks.INSTANCE,
        crossing: bool = False,
        camera: float = 0.0,
        left_wears: str = BARE,
    ) -> io.NodeOutput:
        worn = "" if left_wears == BARE else left_wears
        try:
            shot = clips.clip((left, right), background, frames, motion, seed, clips.Staging(crossing, camera, worn))
            wanted = tasks.task(task, shot, seed)
        except ValueError as error:
            raise ValueError(f"Demo Clip: {error}.") from error
        left_mask, right_mask = torch.from_numpy(shot.masks).float()
        return io.NodeOutput(
            torch.from_numpy(shot.frames).float() / 255,
            left_mask,
            right_mask,
            shot.caption,
            world.FPS,
            wanted.prompt,
            *wanted.phrases,
            torch.from_numpy(wanted.edited(shot)).float(),
            torch.from_numpy(depth_clip(shot.masks)).float() / 255,
        )
