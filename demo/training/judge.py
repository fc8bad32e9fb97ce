"""Stage 2: the judge, on scenes as drawn and after the autoencoder."""

import copy
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...videograin.toybox import world
from ...videograin.toybox.judge import CELL, WORDS, Judge, Network
from ...videograin.toybox.scenes import Scene, Scenes
from .diffusion import load_vae
from .run import DEVICE, Average, Stage, mixed_precision, rate
from .vae import to_tensor

BATCH, LEARNING_RATE, PICTURES, RENEWED = 16, 1e-3, 2000, 4
PLACE_WEIGHT = 0.25  # most cells show the place


def labels(scene: Scene, art: world.Art) -> np.ndarray:
    """The word at each cell's middle, (H/4, W/4)."""
    names = np.full(scene.picture.shape[:2], WORDS.index(scene.place), np.int64)
    for thing, mask in zip(scene.objects, scene.masks, strict=True):
        names[mask] = WORDS.index(thing.name)
        if thing.worn:
            names[mask & world.accessory(thing, scene.picture.shape[1::-1], art)] = WORDS.index(thing.worn)
    return names[CELL // 2 :: CELL, CELL // 2 :: CELL]


def train(root: Path, steps: int, seed: int, stop_at: float = math.inf) -> Stage:
    torch.manual_seed(seed)
    vae, art = load_vae(root), world.sprites()
    scenes, unseen = Scenes(art), Scenes(art, only_held_out=True)
    net = Network().to(DEVICE, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=0.01, fused=True)
    average = Average(net, 0.995)
    stage = Stage(root, "judge", steps, stop_at)
    stage.keep(net=net, optimizer=optimizer, average=average)
    if stage.over:
        return stage
    rng = stage.randomness(seed, 2)
    weight = torch.ones(len(WORDS), device=DEVICE)
    weight[-len(world.PLACES) :] = PLACE_WEIGHT

    def draw() -> tuple[np.ndarray, np.ndarray]:
        scene = (unseen if rng.random() < 0.2 else scenes)(rng)  # it must name pairs that the painter never saw
        return scene.picture, labels(scene, art)

    pictures, names = (np.stack(part) for part in zip(*(draw() for _ in range(PICTURES)), strict=True))
    for step in stage:
        for i in rng.integers(PICTURES, size=RENEWED):
            pictures[i], names[i] = draw()
        chosen = rng.integers(PICTURES, size=BATCH)
        x = to_tensor(pictures[chosen])
        x[::2] = restored(vae, x[::2])
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * rate(step, steps, 100, 0.5)
        with mixed_precision():
            light, tint = torch.randn(BATCH, 1, 1, 1, device=DEVICE), torch.randn(BATCH, 3, 1, 1, device=DEVICE)
            logits, _ = net(x * (1 + 0.1 * light) + 0.1 * tint)
        loss = F.cross_entropy(logits.float(), torch.from_numpy(names[chosen]).to(DEVICE), weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()
        if step % 250 == 0 or step == steps - 1:
            with average.in_use():
                judge = Judge(copy.deepcopy(net).cpu())
            right = accuracy(judge, unseen, np.random.default_rng(77), 100)
            stage.note(loss=loss.item(), **right)
    return stage


@torch.no_grad()
def restored(vae: torch.nn.Module, x: Tensor) -> Tensor:
    with mixed_precision():
        return vae.decode(vae.encode(x)).float()


def accuracy(judge: Judge, scenes: Scenes, rng: np.random.Generator, count: int) -> dict[str, float]:
    """Shares of correct answers on new scenes: objects, accessories, the set of a picture's objects, places."""
    drawn = [scenes(rng) for _ in range(count)]
    reading = judge.read(np.stack([scene.picture for scene in drawn]))
    names, worn, sets, places = [], [], [], []
    for i, scene in enumerate(drawn):
        for thing, mask in zip(scene.objects, scene.masks, strict=True):
            seen = reading.region(i, mask)
            names.append(seen.name == thing.name)
            worn.append(seen.worn == thing.worn)
        sets.append(reading.objects(i) == {thing.name for thing in scene.objects})
        places.append(reading.place(i) == scene.place)
    return {k: float(np.mean(v)) for k, v in {"names": names, "worn": worn, "sets": sets, "places": places}.items()}
