"""Stage 4: a ControlNet that puts objects where a depth picture has them (Zhang et al. 2023, arXiv:2302.05543).

A copy of the finished UNet's encoder is trained, joined to it by convolutions that begin at zero; the UNet is fixed.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...videograin.jobs.demo_model import control_network
from ...videograin.toybox import world
from ...videograin.toybox.depth import depth
from ...videograin.toybox.model import Autoencoder
from ...videograin.toybox.scenes import Scenes
from .diffusion import DROPPED, Painter, Words, alphas_cumprod, latent_scale, load_vae
from .run import DEVICE, Average, Stage, averaged, initialise, log, mixed_precision, rate
from .vae import to_tensor

BATCH, LEARNING_RATE = 16, 4e-4
POOL, RENEWED = 2000, 4


class Controlled(nn.Module):
    """A fixed Painter and its ControlNet: (noisy latents, timesteps, token rows, hints) -> eps."""

    def __init__(self, painter: Painter):
        super().__init__()
        self.control = control_network()
        initialise(self.control)
        self.control.load_state_dict(painter.unet.state_dict(), strict=False)  # the encoder's parts have equal names
        for layer in (*self.control.zero_convs, self.control.middle_block_out, self.control.input_hint_block[-1]):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
        self.painter = painter.requires_grad_(False)

    def forward(self, x: Tensor, t: Tensor, rows: Tensor, hint: Tensor) -> Tensor:
        text = self.painter.encode(rows)
        steered = self.control(x, hint, t, text)
        return self.painter.unet(x, t, context=text, control={part: list(steered[part]) for part in steered})


class Pool:
    """Latents, token rows and depth pictures (N, H, W) uint8 of scenes, replaced a few at a time."""

    def __init__(self, vae: Autoencoder, words: Words, rng: np.random.Generator):
        self.scenes, self.vae, self.words, self.rng = Scenes(world.sprites()), vae, words, rng
        log.info("drawing %d scenes", POOL)
        parts = [self._draw(50) for _ in range(POOL // 50)]
        self.parts = [torch.cat(values) for values in zip(*parts, strict=True)]
        self.next = 0

    @torch.no_grad()
    def _draw(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        drawn = [self.scenes(self.rng) for _ in range(count)]
        hints = torch.from_numpy(np.stack([depth(scene.masks) for scene in drawn]))
        with mixed_precision():
            latents = self.vae.encode(to_tensor(np.stack([scene.picture for scene in drawn])))
        return latents.float().cpu(), self.words([scene.caption for scene in drawn]), hints

    def renew(self, count: int) -> None:
        rows = torch.arange(self.next, self.next + count) % POOL
        for part, new in zip(self.parts, self._draw(count), strict=True):
            part[rows] = new
        self.next = (self.next + count) % POOL

    def sample(self, count: int) -> list[Tensor]:
        chosen = torch.from_numpy(self.rng.integers(POOL, size=count))
        return [part[chosen].to(DEVICE) for part in self.parts]


def as_hint(pictures: Tensor) -> Tensor:
    """Hints as ComfyUI gives them to a ControlNet, (B, 3, H, W) float32, 0 to 1, from (B, H, W) uint8."""
    return (pictures.float() / 255)[:, None].expand(-1, 3, -1, -1)


def train(root: Path, steps: int, seed: int, stop_at: float = math.inf) -> Stage:
    torch.manual_seed(seed)
    words, vae = Words(), load_vae(root)
    painter, _ = averaged(Painter(len(words.vocabulary)), root / "diffusion")
    net = Controlled(painter).to(DEVICE, memory_format=torch.channels_last)
    learnt = net.control
    log.info("%.1f M parameters", sum(p.numel() for p in learnt.parameters()) / 1e6)
    optimizer = torch.optim.AdamW(learnt.parameters(), LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average = Average(learnt, 0.995)
    stage = Stage(root, "control", steps, stop_at)
    stage.keep(net=learnt, optimizer=optimizer, average=average)
    if stage.over:
        return stage
    pool = Pool(vae, words, stage.randomness(seed, 4))
    signal, empty, scale = alphas_cumprod(), words([""]).to(DEVICE), latent_scale(vae)
    weight = (signal / (1 - signal)).clamp_max(5.0) * (1 - signal) / signal
    predict, running = torch.compile(net), 0.0
    for step in stage:
        pool.renew(RENEWED)
        x, rows, pictures = pool.sample(BATCH)
        x, t = (x * scale).to(memory_format=torch.channels_last), torch.randint(0, 1000, (BATCH,), device=DEVICE)
        rows = torch.where(torch.rand(BATCH, 1, device=DEVICE) < DROPPED, empty, rows)
        noise, a = torch.randn_like(x), signal[t].view(-1, 1, 1, 1)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * rate(step, steps, warmup=50)
        with mixed_precision(), sdpa_kernel(SDPBackend.MATH):
            predicted = predict(a.sqrt() * x + (1 - a).sqrt() * noise, t.float(), rows, as_hint(pictures))
        loss = (weight[t] * (predicted.float() - noise).square().mean((1, 2, 3))).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt.parameters(), 1.0)
        optimizer.step()
        average.update()
        running = loss.item() if step == stage.first else 0.98 * running + 0.02 * loss.item()
        if step % 50 == 0:
            stage.note(loss=running)
    return stage
