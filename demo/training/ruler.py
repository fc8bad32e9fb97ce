"""The benchmark's judges, on drawn crops and negatives, as drawn and after the autoencoder. Not part of the demo model."""

import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ...benchmarks.ruler.crops import crop, zoom
from ...benchmarks.ruler.judges import FILES, HEADS, NOTHING, as_input, loss, networks
from ...benchmarks.ruler.negatives import negative
from ...videograin.toybox import model, world
from ...videograin.toybox.light import LIGHTS
from ...videograin.toybox.looks import drawn_as
from ...videograin.toybox.scenes import Scene, Scenes
from .judge import restored
from .run import DEVICE, Average, Stage, mixed_precision, rate
from .vae import to_tensor

BATCH, LEARNING_RATE = 64, 1e-3
# Steps at which the learning rate has fallen; it then rises again. The judges are the mean of the weights there (stochastic
# weight averaging, Izmailov et al. 2018): each by itself names other pictures wrongly.
CYCLES = 8000, 9800
POOL, DRAWN = 6000, 3  # crops that are kept, and scenes drawn at each step
NEGATIVES = 2  # of a scene: about as many as it has things
LEAST = 60  # pixels of a thing that is shown to a judge
THROUGH_VAE = 0.7  # edits come out of it; share of the scenes that are seen after the autoencoder
DEFORMED = 0.3  # share of the regions that are not the thing's outline, but a box or a little off
RARE = 2.5  # small things, materials and styles, as often as for the painter: what is seen least is told apart worst
UNASKED = -100
Labels = dict[str, int]


class Example(NamedTuple):
    picture: np.ndarray  # (64, 64, 4) uint8
    labels: Labels


def examples(
    scene: Scene, draw: Scenes, vae: nn.Module | None, earlier: list[Example], rng: np.random.Generator
) -> list[Example]:
    """Crops of every thing of a scene, negatives of one of them, and the background. earlier: things of other scenes."""
    left_out = int(rng.integers(len(scene.objects)))
    pictures = np.stack([scene.picture, _without(scene, left_out, draw)])
    if vae is not None:
        pictures = model.to_bytes(restored(vae, to_tensor(pictures)))
    found, shown = [], {}
    for k, (thing, mask) in enumerate(zip(scene.objects, scene.masks, strict=True)):
        if mask.sum() >= LEAST:
            region = deformed(mask, rng)
            shown[k] = crop(pictures[0], region)
            found.append(Example(shown[k], labels_of(thing, scene)))
            if k == left_out:
                empty, near = crop(pictures[1], region), zoom(region)
    if left_out in shown:
        # Of another word: a thing across its like, or its own mirror image, would still be that thing.
        others = [one.picture for one in (*found, *earlier) if one.labels["name"] != name_of(scene, left_out)]
        for _ in range(NEGATIVES if others else 0):
            found.append(Example(negative(shown[left_out], empty, others[0], near, rng), nothing()))
    return [*found, Example(crop(pictures[0], ~scene.masks.any(0)), place(scene))]


def _without(scene: Scene, left_out: int, draw: Scenes) -> np.ndarray:
    """The scene's picture without one of its things."""
    kept = [thing for k, thing in enumerate(scene.objects) if k != left_out]
    picture, _ = world.compose(scene.background, kept, draw.art, LIGHTS[scene.place] if scene.lit else None)
    return drawn_as(scene.style, picture) if scene.style else picture


def deformed(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The thing's outline, or now and then a box, or the outline a few pixels off."""
    if rng.random() > DEFORMED:
        return mask
    if rng.random() < 0.5:
        y, x = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        box = np.zeros_like(mask)
        box[y[0] : y[-1] + 1, x[0] : x[-1] + 1] = True
        return box
    moved = np.roll(mask, rng.integers(-5, 6, 2), (0, 1))
    return moved if moved.any() else mask


def labels_of(thing: world.Placed, scene: Scene) -> Labels:
    said = {"name": thing.name, "worn": thing.worn, "material": thing.material, "style": thing.style or scene.style}
    return {asked: HEADS[asked].index(word) for asked, word in said.items()}


def name_of(scene: Scene, number: int) -> int:
    return HEADS["name"].index(scene.objects[number].name)


def nothing() -> Labels:
    return {asked: UNASKED for asked in HEADS} | {"name": HEADS["name"].index(NOTHING)}


def place(scene: Scene) -> Labels:
    said = {asked: UNASKED for asked in HEADS} | {"name": HEADS["name"].index(scene.place)}
    return said | {"style": HEADS["style"].index(scene.style)}


class Pool:
    """Examples to learn from, of which a few are drawn anew at each step."""

    def __init__(self, vae: nn.Module, rng: np.random.Generator):
        art = world.sprites()
        self.draws = tuple(Scenes(art, only_held_out=held, lively=True, rare=RARE) for held in (False, True))
        self.vae, self.rng, self.next, self.kept = vae, rng, 0, []
        self.things: list[Example] = []  # of the scene before

    def draw(self) -> list[Example]:
        draw = self.draws[int(self.rng.random() < 0.25)]  # the judges name pairs that the painter never saw
        found = examples(
            draw(self.rng), draw, self.vae if self.rng.random() < THROUGH_VAE else None, self.things, self.rng
        )
        self.things = [one for one in found if one.labels["worn"] != UNASKED] or self.things
        return found

    def renew(self, scenes: int) -> None:
        for one in [one for _ in range(scenes) for one in self.draw()]:
            if len(self.kept) < POOL:
                self.kept.append(one)
            else:
                self.kept[self.next] = one
                self.next = (self.next + 1) % POOL

    def sample(self, count: int) -> tuple[Tensor, dict[str, Tensor]]:
        chosen = [self.kept[i] for i in self.rng.integers(len(self.kept), size=count)]
        x = as_input(np.stack([one.picture for one in chosen])).to(DEVICE)
        flipped = torch.from_numpy(self.rng.random(count) < 0.5)
        x[flipped] = x[flipped].flip(-1)
        light = torch.from_numpy(self.rng.normal(0, 0.06, (count, 3, 1, 1))).float()
        x[:, :3] = x[:, :3] + light + 0.02 * torch.randn_like(x[:, :3])
        wanted = {asked: torch.tensor([one.labels[asked] for one in chosen]).to(DEVICE) for asked in HEADS}
        return x, wanted


def train(root: Path, steps: int, seed: int, stop_at: float = math.inf) -> Stage:
    torch.manual_seed(seed)  # one stream: the second network's weights continue where the first one's ended
    vae, pair = model.shipped_autoencoder().to(DEVICE), [network.to(DEVICE) for network in networks()]
    optimizers = [torch.optim.AdamW(one.parameters(), LEARNING_RATE, weight_decay=0.02) for one in pair]
    averages = [Average(one, 0.998) for one in pair]
    means, ends = [Average(one, 0.0) for one in pair], [*(end for end in CYCLES if end < steps), steps]
    stage = Stage(root, "ruler", steps, stop_at)
    kept = {"net": pair, "optimizer": optimizers, "average": averages, "mean": means}
    stage.keep(**{f"{kind}{i}": part for kind, parts in kept.items() for i, part in enumerate(parts)})
    if stage.over:
        return stage
    rng = stage.randomness(seed, 6)
    pool = Pool(vae, rng)
    pool.renew(300)
    for step in stage:
        pool.renew(DRAWN)
        losses = []
        for network, optimizer, average in zip(pair, optimizers, averages, strict=True):
            x, wanted = pool.sample(BATCH)
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * rate(step, min(end for end in ends if step < end), 100, 0.4)
            with mixed_precision():
                logits = network(x)
            error = loss({asked: values.float() for asked, values in logits.items()}, wanted)
            optimizer.zero_grad()
            error.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimizer.step()
            average.update()
            losses.append(error.item())
        if step + 1 in ends:
            for mean, average in zip(means, averages, strict=True):
                mean.include(average.values)
        if step % 100 == 0 or step == steps - 1:
            stage.note(**right(pair, averages, vae), a=losses[0], b=losses[1])
    if stage.done:
        export(pair, means)
    return stage


@torch.no_grad()
def right(pair: list[nn.Module], averages: list[Average], vae: nn.Module, scenes: int = 60) -> dict[str, float]:
    """Shares of right answers on scenes that were never drawn before, of each judge; "nothing" apart."""
    pool = Pool(vae, np.random.default_rng(78))
    unseen = [one for _ in range(scenes) for one in pool.draw()]
    x = as_input(np.stack([one.picture for one in unseen])).to(DEVICE)
    found = {}
    for letter, network, average in zip("ab", pair, averages, strict=True):
        with average.in_use():
            said = {asked: values.argmax(1).cpu() for asked, values in network.eval()(x).items()}
        network.train()
        for asked in HEADS:
            wanted = torch.tensor([one.labels[asked] for one in unseen])
            known = wanted >= 0
            found[f"{letter}_{asked}"] = (said[asked] == wanted)[known].float().mean()
        none = torch.tensor([one.labels["name"] for one in unseen]) == HEADS["name"].index(NOTHING)
        found[f"{letter}_nothing"] = (said["name"] == HEADS["name"].index(NOTHING))[none].float().mean()
    return found


def export(pair: list[nn.Module], means: list[Average]) -> None:
    """Writes both judges' mean weights beside the benchmark, each file whole or not at all."""
    for file, network, mean in zip(FILES, pair, means, strict=True):
        with mean.in_use():
            halves = {name: value.detach().half().cpu().contiguous() for name, value in network.state_dict().items()}
        save_file(halves, part := file.with_suffix(".tmp"), {"title": "VideoGrain benchmark: a judge of edits"})
        os.replace(part, file)
