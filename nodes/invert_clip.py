"""Invert Clip: from frames and words to the noise that gives the clip back."""

from comfy_api.latest import io

from ..videograin.comfyui.fingerprint import graph_below
from ..videograin.jobs.invert_clip import ClipToInvert, invert_clip
from .declared import declared
from .types import Category, Inversion


class InvertClip(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainInvertClip",
            display_name="Invert Clip",
            category=Category.INVERSION,
            description=(
                "VAE Encode, CLIP Text Encode and DDIM Inversion in one. It inverts again only when the clip, the model or the "
                "text of `source_prompt` is another; when only the new things' words change, it has the inversion already, until "
                "ComfyUI is started again."
            ),
            search_aliases=["unsample", "unsampler", "inversion", "DDIM inverse", "video to noise"],
            is_input_list=True,  # a list of frames is one clip
            inputs=[
                io.Model.Input("model", tooltip="As for DDIM Inversion, with Full-Frame Attention before it."),
                io.Clip.Input("clip", tooltip="The text encoder of the same checkpoint."),
                io.Vae.Input("vae", tooltip="The VAE of the same checkpoint."),
                io.Image.Input("frames", tooltip="The frames of the clip."),
                io.String.Input(
                    "source_prompt",
                    multiline=True,
                    tooltip="The clip as it is, in a plain sentence. Regions writes it.",
                ),
                io.Int.Input(
                    "steps",
                    default=30,
                    min=1,
                    max=1000,
                    tooltip="Noise levels to walk, as many as the sampler's steps; the scheduler is ddim_uniform, as the sampler's "
                    "must be.",
                ),
                io.Int.Input(
                    "refinements",
                    default=2,
                    min=0,
                    max=20,
                    optional=True,
                    advanced=True,
                    tooltip="As in DDIM Inversion: iterations per step towards the exact inverse. Each costs one more model call a step.",
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt, io.Hidden.prompt],
            outputs=[  # in DDIM Inversion's order
                io.Latent.Output(
                    display_name="noise",
                    tooltip="Where the edit starts: the sampler's `latent_image`, with added noise disabled. With Wan, a sampler that takes no "
                    "`sigmas` takes it up only if its MODEL has passed through one of our nodes.",
                ),
                Inversion.Output(
                    display_name="inversion", tooltip="The clip at every noise level, for Latent Blend and Vary Noise."
                ),
                io.Sigmas.Output(display_name="sigmas", tooltip="The levels, descending, for SamplerCustomAdvanced."),
            ],
        )

    @classmethod
    @declared
    def execute(cls, model, clip, vae, frames, source_prompt: str, steps: int, refinements: int = 2) -> io.NodeOutput:
        given = ClipToInvert(model, clip, vae, frames, source_prompt, steps, refinements)
        hidden = cls.hidden
        if hidden is None:  # called outside ComfyUI
            return io.NodeOutput(*invert_clip(given, []))
        graph = [below for below in graph_below(hidden.dynprompt, hidden.unique_id) if below[0] == "model"]
        return io.NodeOutput(*invert_clip(given, graph, hidden.prompt))
