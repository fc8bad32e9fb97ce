"""Evaluation of the exported model by ComfyUI's own sampler, into `videograin/toybox/metrics.json`."""

import json
from itertools import combinations

import nodes as host
import numpy as np
import torch

from ...benchmarks.ruler.crops import crop
from ...benchmarks.ruler.judges import Answer, Judges
from ...nodes.attention import FullFrameAttention
from ...nodes.inversion import DDIMInversion
from ...videograin.jobs import demo_model
from ...videograin.toybox import clips, looks, model, world
from ...videograin.toybox.depth import depth
from ...videograin.toybox.judge import CELL, Judge
from ...videograin.toybox.scenes import Scenes
from .judge import accuracy
from .run import log

METRICS = model.FOLDER / "metrics.json"
STEPS, CFG, BATCH = 20, 5.0, 16
LOOKED_AT = ("cat", "fox", "bus", "robot", "apple", "owl")  # things shown in every material and style
PAIRS = 120  # pairs drawn from training's pairs, and as many held-out ones


class Painter:
    """The exported model, which draws pictures of captions."""

    def __init__(self):
        self.model, self.clip, self.vae = demo_model.load()
        self.control = demo_model.load_control()

    def encode(self, text: str) -> list:
        return self.clip.encode_from_tokens_scheduled(self.clip.tokenize(text))

    def draw(self, captions: list[str], seed: int = 0, hints: torch.Tensor | None = None) -> np.ndarray:
        """One picture per caption, (B, H, W, 3) uint8; hints, (B, H, W, 3) in 0 to 1, for the ControlNet."""
        side, done = world.SIZE // 8, []
        for start in range(0, len(captions), BATCH):
            part = captions[start : start + BATCH]
            positive, negative = [[torch.cat([self.encode(text)[0][0] for text in part]), {}]], self.encode("")
            if hints is not None:
                apply = host.ControlNetApplyAdvanced().apply_controlnet
                positive, negative = apply(
                    positive, negative, self.control, hints[start : start + BATCH], 1.0, 0.0, 1.0
                )
            latent = {"samples": torch.zeros(len(part), 4, side, side)}
            sampled = host.common_ksampler(
                self.model, seed + start, STEPS, CFG, "ddim", "ddim_uniform", positive, negative, latent
            )[0]["samples"]
            done.append(to_bytes(self.vae.decode(sampled)))
        return np.concatenate(done)


def to_bytes(pictures: torch.Tensor) -> np.ndarray:
    return (pictures.clamp(0, 1) * 255).round().byte().numpy()


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(np.float64) - b).mean()))


@torch.inference_mode()
def evaluate() -> dict[str, float]:
    """All numbers of the model card, as shares from 0 to 1 or dB."""
    painter, judge, rng = Painter(), Judge.load(), np.random.default_rng(100)
    result = {f"judge_{k}": v for k, v in judged(judge).items()}
    result["vae_psnr"] = restored(painter)
    allowed = [(n, p) for n in world.OBJECTS for p in world.PLACES if (n, p) not in world.held_out_settings()]
    captions = [world.caption([name], place) for name, place in allowed]
    reading = judge.read(painter.draw(captions))
    right = [reading.objects(i) == {name} for i, (name, _) in enumerate(allowed)]
    result["single"] = float(np.mean(right))
    result["place"] = float(np.mean([reading.place(i) == place for i, (_, place) in enumerate(allowed)]))
    weak = {name: [r for r, (n, _) in zip(right, allowed, strict=True) if n == name] for name in world.OBJECTS}
    result["single_by_word"] = {name: round(float(np.mean(values)), 2) for name, values in weak.items()}
    held_out = world.held_out_pairs()
    seen = [pair for pair in combinations(world.OBJECTS, 2) if pair not in held_out]
    for label, pairs in (("pairs_seen", seen), ("pairs_held_out", sorted(held_out))):
        chosen = [pairs[i] for i in rng.permutation(len(pairs))[:PAIRS]]
        places = [str(rng.choice(list(world.PLACES))) for _ in chosen]
        chosen = [tuple(rng.permutation(pair)) for pair in chosen]
        reading = judge.read(
            painter.draw([world.caption(pair, place) for pair, place in zip(chosen, places, strict=True)])
        )
        result[label] = float(np.mean([set(pair) <= reading.objects(i) for i, pair in enumerate(chosen)]))
    result |= worn(painter, judge) | looked(painter, judge) | controlled(painter, judge) | inverted(painter)
    log.info(json.dumps(result))
    METRICS.write_text(json.dumps({k: v if isinstance(v, dict) else round(v, 4) for k, v in result.items()}, indent=1))
    return result


def judged(judge: Judge) -> dict[str, float]:
    return accuracy(judge, Scenes(world.sprites(), only_held_out=True), np.random.default_rng(31), 300)


def restored(painter: Painter) -> float:
    """The autoencoder's PSNR in dB over fresh scenes, the mean over pictures."""
    scenes = Scenes(world.sprites())
    pictures = np.stack([scenes(np.random.default_rng([6, i])).picture for i in range(64)])
    back = to_bytes(painter.vae.decode(painter.vae.encode(torch.from_numpy(pictures).float() / 255)))
    return float(np.mean([psnr(a, b) for a, b in zip(pictures, back, strict=True)]))


def worn(painter: Painter, judge: Judge) -> dict[str, float]:
    """Share of "a cat with a hat" pictures that show cat and hat."""
    asked = [(name, accessory) for name in world.HEADS for accessory in world.ACCESSORIES]
    nouns = [world.Placed(name, 0, 0, 1, worn=accessory).noun for name, accessory in asked]
    reading = judge.read(painter.draw([world.caption([noun], "grass") for noun in nouns]))
    cells = reading.cells.argmax(1)
    shown = [
        int((cells[i] == len(world.OBJECTS) + list(world.ACCESSORIES).index(a)).sum()) for i, (_, a) in enumerate(asked)
    ]
    right = [name in reading.objects(i) and shown[i] >= 6 for i, (name, _) in enumerate(asked)]
    return {"worn": float(np.mean(right))}


def looked(painter: Painter, judge: Judge) -> dict[str, float]:
    """Shares of single things of each material, and in each style, on which both judges of the benchmark agree."""
    judges, result = Judges.load(), {}
    for label, words in (("material", looks.MATERIALS), ("style", tuple(looks.STYLES))):
        asked = [(word, name) for word in words for name in LOOKED_AT]
        captions = [world.caption([world.Placed(name, 0, 0, 1, **{label: word}).noun], "grass") for word, name in asked]
        pictures, right = painter.draw(captions), []
        for (word, name), picture, cells in zip(asked, pictures, judge.read(pictures).cells.argmax(1), strict=True):
            shown = (cells < len(world.OBJECTS)).numpy().repeat(CELL, 0).repeat(CELL, 1)
            answers = judges.read(crop(picture, shown)[None]) if shown.any() else None
            wanted = Answer(name, **{label: word})
            right.append(answers is not None and answers.agree(0, wanted, ("name", label)))
        result[label] = float(np.mean(right))
    return result


def controlled(painter: Painter, judge: Judge) -> dict[str, float]:
    """Share of objects that stand where a depth picture has them, without and with the ControlNet, on unseen scenes."""
    draw = Scenes(world.sprites(), only_held_out=True)
    scenes = [draw(np.random.default_rng([5, i]), count=2) for i in range(48)]
    hints = (
        torch.from_numpy(np.stack([depth(scene.masks) for scene in scenes])).float()[..., None].expand(-1, -1, -1, 3)
    )
    result = {}
    for label, shown in (("placed_by_chance", None), ("placed_by_control", hints / 255)):
        reading = judge.read(painter.draw([scene.caption for scene in scenes], hints=shown))
        result[label] = float(
            np.mean(
                [
                    reading.region(i, mask).name == thing.name
                    for i, scene in enumerate(scenes)
                    for thing, mask in zip(scene.objects, scene.masks, strict=True)
                ]
            )
        )
    return result


def inverted(painter: Painter) -> dict[str, float]:
    """PSNR in dB of clips after 50 steps of inversion with 3 refinements and 50 steps back, and of the VAE alone."""
    both = FullFrameAttention.execute(painter.model, "all frames").result[0]
    ours, alone = [], []
    for seed, (names, place) in enumerate(
        ((("cat", "dog"), "grass"), (("bus", "owl"), "sunset"), (("fox", "pig"), "sea"))
    ):
        shot = clips.clip(names, place, 8, 1.0, seed)
        latent = {"samples": painter.vae.encode(torch.from_numpy(shot.frames).float() / 255)}
        source = painter.encode(shot.caption)
        noise = DDIMInversion.execute(both, source, latent, 50, "ddim_uniform", 3).result[0]
        back = host.common_ksampler(
            both, 0, 50, 1.0, "euler", "ddim_uniform", source, source, noise, disable_noise=True
        )[0]["samples"]
        ours.append(psnr(to_bytes(painter.vae.decode(back)), shot.frames))
        alone.append(psnr(to_bytes(painter.vae.decode(latent["samples"])), shot.frames))
    return {"inversion_psnr": float(np.mean(ours)), "inversion_vae_psnr": float(np.mean(alone))}
