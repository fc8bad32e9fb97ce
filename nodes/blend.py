"""Latent Blend: everything outside the regions stays the source."""

from comfy_api.latest import io

from ..videograin.comfyui import wrappers
from ..videograin.core import latent_blend
from ..videograin.core.regions import frame_masks
from ..videograin.features.latent_blend import Blend
from .declared import declared
from .types import Category, Inversion


class LatentBlend(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoGrainLatentBlend",
            display_name="Latent Blend (Keep Background)",
            category=Category.ATTENTION,
            description=(
                "Holds the clip to its source outside the editable area, at every step, and puts the source's own "
                "latents there at the end. Finish with Paste Edit to keep the pixels too."
            ),
            search_aliases=["video inpaint", "keep background", "latent composite", "masked edit", "blended diffusion"],
            is_input_list=True,  # a list of masks or frames is one clip
            inputs=[
                io.Model.Input("model", tooltip="A Stable Diffusion UNet, or Wan 2.1 or 2.2."),
                io.Combo.Input(
                    "mode",
                    options=list(latent_blend.MODES),
                    default=latent_blend.INVERSION,
                    tooltip="“inversion” follows the source's inverted path and needs `inversion`; “renoised” shows the "
                    "source with fresh noise at each level (released code), works with ancestral and SDE samplers, and "
                    "with the plain KSampler if only `source` is connected. “irjs” shows the same, but keeps what the model "
                    "makes of it outside, at the end too, so that both sides fit (ReAtCo). “progressive” "
                    "begins with a wide soft edge that shrinks to the mask (VIA), along the inverted path, or without "
                    "`inversion` under the sampler's own noise.",
                ),
                Inversion.Input(
                    "inversion",
                    optional=True,
                    tooltip="From DDIM Inversion. While it is connected the sampler must start from its noise.",
                ),
                io.Latent.Input(
                    "source",
                    optional=True,
                    tooltip="The source clip's latent, for the modes that do without an inversion.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the edit may happen: one mask, or one per frame. Not connected: the regions of Bind "
                    "Region Prompts together.",
                ),
                io.Int.Input(
                    "grow",
                    default=0,
                    min=0,
                    max=16,
                    optional=True,
                    tooltip="Widens the editable area by so many latent cells (8 pixels each).",
                ),
                io.Int.Input(
                    "feather",
                    default=0,
                    min=0,
                    max=16,
                    optional=True,
                    tooltip="Width in latent cells of a soft edge outside the grown area.",
                ),
                io.Float.Input(
                    "start_percent",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="Share of the noise schedule at which blending begins, 0 to 1.",
                ),
                io.Float.Input(
                    "end_percent",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="Share of the noise schedule at which blending ends, 0 to 1. Below 1 the last steps may "
                    "change the background, and the source is not put back at the end.",
                ),
                io.Combo.Input(
                    "noise",
                    options=list(latent_blend.NOISES),
                    default=latent_blend.FRESH,
                    optional=True,
                    advanced=True,
                    tooltip="Only for “irjs”: the source's noise outside the mask is drawn anew at each level (“fresh”, as "
                    "released), or is the sampler's seed's own at all of them (“fixed”, steadier).",
                ),
                io.Int.Input(
                    "boundary",
                    default=latent_blend.BOUNDARY,
                    min=0,
                    max=32,
                    optional=True,
                    advanced=True,
                    tooltip="Only for “progressive”: how far the soft edge reaches outside the mask at the first step, in "
                    "latent cells (8 pixels each). It shrinks step by step and is gone at the last; 0 has none.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The MODEL with blending; the input is unchanged.")],
        )

    @classmethod
    @declared
    def execute(cls, model, mode: str, inversion=None, source=None, mask=None, grow: int = 0, feather: int = 0,
                start_percent: float = 0.0, end_percent: float = 1.0, noise: str = latent_blend.FRESH,
                boundary: int = latent_blend.BOUNDARY) -> io.NodeOutput:  # fmt: skip
        if mode == latent_blend.INVERSION and inversion is None:
            raise ValueError(
                f"Latent Blend's mode \"{mode}\" needs its `inversion` input. Connect DDIM Inversion's `inversion`, or "
                f'choose "{latent_blend.RENOISED}" with `source`.'
            )
        if inversion is None and source is None:
            raise ValueError(
                f'Latent Blend\'s mode "{mode}" needs the source clip. Connect `source` to the VAE-encoded clip, or '
                "`inversion` to DDIM Inversion."
            )
        if start_percent > end_percent:
            raise ValueError(
                f"Latent Blend's `start_percent` ({start_percent:g}) lies after its `end_percent` ({end_percent:g}), so "
                "nothing would be blended. Give a start before the end."
            )
        if mask is not None and not (mask > 0.5).any():
            raise ValueError(
                "Latent Blend's `mask` is empty: no pixel of any frame is above 0.5, so nothing could change. Connect the "
                "mask of what is to be edited."
            )
        record = Blend(
            mode=mode,
            inversion=inversion,
            source=inversion.source if inversion is not None else source["samples"],
            mask=None if mask is None else frame_masks(mask).cpu(),
            grow=grow,
            feather=feather,
            start_percent=start_percent,
            end_percent=end_percent,
            noise=noise,
            boundary=boundary,
        )
        return io.NodeOutput(wrappers.add(model, record))
