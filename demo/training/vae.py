"""Stage 1: the autoencoder, on crops of scenes."""

import math
from pathlib import Path

import comfy.ops
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...videograin.toybox import world
from ...videograin.toybox.model import Autoencoder
from ...videograin.toybox.scenes import Scenes
from .run import DEVICE, Average, Stage, initialise, mixed_precision, rate

CROP, BATCH, LEARNING_RATE = 96, 16, 8e-4
PICTURES, RENEWED = 4000, 8  # pictures in memory, and pictures redrawn each step
NOISE = 0.05  # on the latent, in its own units, so that near latents decode alike


def to_tensor(pictures: np.ndarray) -> Tensor:
    """Pictures (B, H, W, 3) uint8 as (B, 3, H, W) in [-1, 1] on DEVICE, channels last in memory."""
    return torch.from_numpy(pictures).to(DEVICE).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def psnr(a: Tensor, b: Tensor) -> float:
    """PSNR of pictures in [-1, 1], in dB, the mean over pictures."""
    return (10 * torch.log10(4 / (a - b).square().mean((1, 2, 3)).clamp_min(1e-9))).mean().item()


def train(root: Path, steps: int, seed: int, stop_at: float = math.inf) -> Stage:
    torch.manual_seed(seed)
    scenes = Scenes(world.sprites())
    net = Autoencoder(comfy.ops.disable_weight_init)
    initialise(net)
    net.to(DEVICE, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    average = Average(net, 0.998)
    stage = Stage(root, "vae", steps, stop_at)
    stage.keep(net=net, optimizer=optimizer, average=average)
    if stage.over:
        return stage
    rng = stage.randomness(seed, 1)
    held_out = to_tensor(np.stack([scenes(np.random.default_rng([9, i])).picture for i in range(32)]))
    pool = np.stack([scenes(rng).picture for _ in range(PICTURES)])
    restore = torch.compile(lambda x, noise: (z := net.encode(x), net.decode(z + noise)))
    noise_shape = (BATCH, 4, CROP // 8, CROP // 8)
    for step in stage:
        for i in rng.integers(PICTURES, size=RENEWED):
            pool[i] = scenes(rng).picture
        corners = rng.integers(0, world.SIZE - CROP + 1, (BATCH, 2))
        crops = [
            pool[i, y : y + CROP, x : x + CROP]
            for i, (y, x) in zip(rng.integers(PICTURES, size=BATCH), corners, strict=True)
        ]
        x = to_tensor(np.stack(crops))
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * rate(step, steps)
        with mixed_precision():
            latent, y = restore(x, NOISE * torch.randn(noise_shape, device=DEVICE))
        latent, y = latent.float(), y.float()
        loss = F.l1_loss(y, x) + 2 * F.mse_loss(y, x) + 1e-3 * latent.square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        average.update()
        if step % 250 == 0:
            with torch.no_grad(), mixed_precision(), average.in_use():
                z = net.encode(held_out)
                quality = psnr(net.decode(z).float(), held_out)
            stage.note(loss=loss.item(), psnr=quality, latent_std=z.float().std())
    return stage
