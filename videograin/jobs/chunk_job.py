"""One edit of one clip, as Edit in Chunks is given it."""

from __future__ import annotations

from dataclasses import dataclass

from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..comfyui.fingerprint import code, fingerprint, weights
from ..comfyui.model_identity import model_identity
from ..comfyui.plan import find, records
from ..core.cells import CELL, padded
from ..features.via_anchors import Anchors


@dataclass(frozen=True, eq=False)
class Job:
    """One edit of one clip.

    frames: (F, H, W, C). source, positive, negative: CONDITIONING of the whole clip. sigmas: descending. length, overlap:
    frames of a chunk. anchors: their number where the MODEL brings none. mask: (F or 1, H, W), None for the regions.
    blend: one of latent_blend.PATHS, or None. grow, feather, boundary: as in features.latent_blend.Blend.
    """

    model: ModelPatcher
    vae: object
    frames: Tensor
    source: list
    positive: list
    negative: list
    sigmas: Tensor
    cfg: float
    sampler: str
    seed: int
    refinements: int
    convention: str
    length: int
    overlap: int
    anchors: int
    blend: str | None
    mask: Tensor | None
    grow: int
    feather: int
    boundary: int

    @property
    def cells(self) -> tuple[int, int] | None:
        """(height, width) of the latent that the frames are padded for; None where they need not, or must not.

        A latent that a prompt brings (inpainting, instruct-pix2pix) was cut by VAE Encode, and the clip's must go with it.
        """
        height, width = self.frames.shape[1:3]
        prompts = (*self.source, *self.positive, *self.negative)
        cut = any("concat_latent_image" in notes for _, notes in prompts)
        whole = height % CELL == width % CELL == 0
        return None if cut or whole else (padded(height), padded(width))

    @property
    def anchoring(self) -> Anchors | None:
        """The MODEL's own anchors, else as many as were asked for."""
        there: Anchors | None = find(records(self.model), Anchors)
        found = there or Anchors(self.anchors)
        return None if found.neutral else found

    def result_of(self) -> str:
        """A fingerprint of all that a chunk's latents depend on, besides its window."""
        plan = [record for record in records(self.model) if not isinstance(record, Anchors)]
        return fingerprint(
            code(), model_identity(self.model), plan, self.anchoring, weights(getattr(self.vae, "first_stage_model", None)), self.frames,
            self.source, self.positive, self.negative, self.sigmas, self.cfg, self.sampler, self.seed, self.refinements,
            self.convention, self.blend, self.mask, self.grow, self.feather, self.boundary,
        )  # fmt: skip
