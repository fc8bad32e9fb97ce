"""Last stage: the trained parts in fp16, as the safetensors files of `videograin/toybox/`."""

import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ...videograin.jobs.demo_model import control_network
from ...videograin.toybox import judge, model, world
from ...videograin.toybox.scenes import Scenes
from .diffusion import Painter, Words, latent_scale, load_vae
from .run import NEEDS, averaged, made_from, read_state, require_done, require_made_from
from .vae import to_tensor


def export(root: Path, steps: dict[str, int], folder: Path = model.FOLDER) -> None:
    """Replaces the weights in `folder` by the stages' averaged weights, all or none.

    Raises TrainingError if a stage is not finished, or was trained on other weights than the earlier stage has now.
    """
    require_done(root, tuple(NEEDS), steps, "--export")
    for name in NEEDS:
        require_made_from(root / name, read_state(root / name, whole=False), made_from(root, name))
    with tempfile.TemporaryDirectory(prefix="export-", suffix=".tmp", dir=folder) as new:
        write_parts(root, Path(new))
        for file in sorted(Path(new).iterdir()):
            os.replace(file, folder / file.name)


def write_parts(root: Path, folder: Path) -> None:
    """The four files of the model."""
    vae = load_vae(root)
    write(folder / model.AUTOENCODER, {f"vae.{name}": p for name, p in vae.state_dict().items()}, "autoencoder")
    network, step = averaged(judge.Network(), root / "judge")
    write(folder / judge.WEIGHTS.name, network.state_dict(), "judge", steps=step)
    words, scale = Words(), latent_scale(vae)
    painter, step = averaged(Painter(len(words.vocabulary)), root / "diffusion")
    factors, bias = preview(vae, scale)
    exact = {"latent.scale": torch.tensor(scale), "latent.rgb_factors": factors, "latent.rgb_bias": bias}
    write_painter(folder / model.PAINTER, painter, words, exact, steps=step)
    network, step = averaged(control_network(), root / "control")
    write(folder / model.CONTROL, network.state_dict(), "depth ControlNet", steps=step)


def write_painter(file: Path, painter: Painter, words: Words, exact: dict[str, Tensor], **facts) -> None:
    """Writes UNet, text encoder and its words; exact: what belongs to the latents, unchanged."""
    tensors = {f"unet.{name}": p for name, p in painter.unet.state_dict().items()}
    tensors |= {f"text.{name}": p for name, p in painter.text.state_dict().items()}
    write(file, tensors, "painter", {**exact, "text.vocabulary": words.vocabulary.to(torch.int32)}, **facts)


def write(file: Path, tensors: dict[str, Tensor], part: str, exact: dict[str, Tensor] | None = None, **facts) -> None:
    """Writes tensors as fp16, those of `exact` unchanged; facts go into the header."""
    facts |= {"title": f"VideoGrain demo model (toybox): {part}", "license": "Apache-2.0"}
    facts |= {"training_data": f"renderings of {len(world.OBJECTS)} Noto Color Emoji (OFL-1.1), {world.SIZE} px"}
    halves = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
    save_file(halves | (exact or {}), file, {name: str(value) for name, value in facts.items()})


@torch.no_grad()
def preview(vae: torch.nn.Module, scale: float, scenes: int = 200) -> tuple[Tensor, Tensor]:
    """The least-squares map from a latent to its pixels' mean colour in [-1, 1]: (4, 3) and (3,)."""
    draw = Scenes(world.sprites())
    pictures = to_tensor(np.stack([draw(np.random.default_rng([7, i])).picture for i in range(scenes)]))
    latents = torch.cat([vae.encode(part) for part in pictures.split(20)]) * scale
    colours = torch.nn.functional.avg_pool2d(pictures, 8)
    x = torch.cat([latents, torch.ones_like(latents[:, :1])], 1).movedim(1, -1).reshape(-1, 5)
    solution = torch.linalg.lstsq(x.double(), colours.movedim(1, -1).reshape(-1, 3).double()).solution.float()
    return solution[:4].contiguous(), solution[4].contiguous()
