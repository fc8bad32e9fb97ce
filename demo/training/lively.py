"""Stage 6: the shipped painter, trained on in the lively world: bent, lit and small things, materials, styles.

It begins with the weights in videograin/toybox/, whose autoencoder stays as it is.
"""

import math
import os
from pathlib import Path

import torch

from ...videograin.jobs.demo_model import read
from ...videograin.toybox import looks, model, world
from ...videograin.toybox.scenes import Scenes
from .diffusion import Fit, Painter, Pool, Words, draw, show
from .export import write_painter
from .files import checksum
from .run import DEVICE, Average, Stage, averaged, rate, require_done

LEARNING_RATE = 2.5e-4
SHOWN = (
    "a cat on grass", "a bus at night", "a golden cat and a dog in the snow", "a blue truck on a road",
    "a striped fox on sand", "a cat as a sketch and a robot on grass", "a panda and a tiger at sunset, as a watercolour",
    "a wolf with a hat and a pig on a road", "an owl at sea, in the dark", "a frog before a brick wall, as a flat drawing",
)  # fmt: skip


def lively_words() -> Words:
    """All words of the lively world's captions."""
    return Words((*looks.MATERIALS, *looks.STYLES.values()))


def begun() -> tuple[Painter, Words]:
    """The shipped painter with rows for the new words, which it still has to learn."""
    words, old = lively_words(), read(model.FOLDER / model.PAINTER, "text.")
    net = Painter(len(words.vocabulary))
    net.unet.load_state_dict(read(model.FOLDER / model.PAINTER, "unet."))
    table = net.text.embeddings.token_embedding.weight
    known = old.pop("vocabulary").long()
    rows = torch.searchsorted(words.vocabulary, known)
    with torch.no_grad():
        table[rows] = old.pop("embeddings.token_embedding.weight").float()
    net.text.load_state_dict(old, strict=False)
    return net.to(DEVICE, memory_format=torch.channels_last), words


def train(root: Path, steps: int, seed: int, stop_at: float = math.inf) -> Stage:
    torch.manual_seed(seed)
    vae, (net, words) = model.shipped_autoencoder().to(DEVICE, memory_format=torch.channels_last), begun()
    scale = read(model.FOLDER / model.PAINTER, "latent.")["scale"].item()
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average = Average(net, 0.999)
    stage = Stage(root, "lively", steps, stop_at)
    stage.keep(net=net, optimizer=optimizer, average=average)
    if stage.over:
        return stage
    rng = stage.randomness(seed, 7)
    made_from = f"lively {checksum(vae.parameters())} {checksum([words.vocabulary])} {seed}"
    pool = Pool(root / "pool_lively.pt", made_from, Scenes(world.sprites(), lively=True), vae, words, rng)
    fit = Fit(net, optimizer, average, words([""]).to(DEVICE))
    for step in stage:
        fit.step(pool, scale, LEARNING_RATE * rate(step, steps))
        if step % 50 == 0:
            stage.note(loss=fit.loss)
        if step % 250 == 0 and step:
            with average.in_use():
                pictures = draw(net, vae, words, scale, list(SHOWN), world.SIZE)
            show(pictures, stage.folder / f"samples_{step:06}.png")
    return stage


def export(root: Path, steps: dict[str, int], file: Path = model.FOLDER / model.PAINTER) -> None:
    """Replaces the painter's file, whole or not at all. Raises TrainingError if this stage is not finished."""
    require_done(root, ("lively",), steps, "--export")
    words, exact = lively_words(), {f"latent.{name}": value for name, value in read(file, "latent.").items()}
    painter, step = averaged(Painter(len(words.vocabulary)), root / "lively")
    write_painter(part := file.with_suffix(".tmp"), painter, words, exact, lively_steps=step)
    os.replace(part, file)
