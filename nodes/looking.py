"""How Track Regions and Split Instances show a clip to the MODEL: encoded by a VAE, or as it was inverted."""

from torch import Tensor

from ..videograin.backbones.base import Need
from ..videograin.comfyui.validate import require_family
from ..videograin.core.cells import CELL, cut_like
from ..videograin.core.inversion_record import Inversion
from ..videograin.jobs.track_regions import Shown, from_frames, from_inversion


def require_one(node: str, model, vae, inversion: Inversion | None) -> None:
    """Raises ValueError unless exactly one of the two is connected, and for a MODEL that does not take frames one by one."""
    require_family(model, node, Need.FRAME_BATCH)
    if (vae is None) == (inversion is None):
        raise ValueError(
            f"{node} has {'neither `vae` nor `inversion`' if vae is None else 'both `vae` and `inversion`'}. Connect "
            "one of them: the VAE of the checkpoint, or an INVERSION of these frames."
        )


def shown(node: str, model, vae, inversion: Inversion | None, frames: Tensor, enlarge: int) -> Shown:
    """Frames (F, H, W, 3) as the MODEL is shown them, by the one of both that is connected; enlarge: only by a VAE."""
    if inversion is not None:
        return from_inversion(model, inversion, node)
    return from_frames(model, vae, frames, enlarge, node)


def as_inverted(node: str, frames: Tensor, inversion: Inversion) -> Tensor:
    """Frames as the inversion's latents show them. Raises ValueError for another clip's."""
    height, width = (side * CELL for side in inversion.source.shape[-2:])
    frames = cut_like(frames, (height, width))
    if len(frames) != len(inversion.source) or tuple(frames.shape[1:3]) != (height, width):
        raise ValueError(
            f"The `frames` of {node} are {len(frames)} of {frames.shape[2]}×{frames.shape[1]} pixels, but its `inversion` is of "
            f"{len(inversion.source)} of {width}×{height}. Connect the frames that were inverted."
        )
    return frames
