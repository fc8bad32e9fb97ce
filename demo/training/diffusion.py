"""Stage 3: the UNet and the text encoder, jointly, on latents of captioned scenes.

eps-prediction on Stable Diffusion's noise schedule, weighted by min(SNR, 5) / SNR (Hang et al. 2023), caption dropped
one time in ten. The first steps use small pictures, where the same objects fill more of the frame.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import comfy.clip_model
import comfy.ops
import numpy as np
import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from PIL import Image
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...videograin.jobs.demo_model import DemoTokenizer
from ...videograin.toybox import world
from ...videograin.toybox.model import TEXT, UNET, Autoencoder, to_bytes
from ...videograin.toybox.scenes import Scenes
from .files import checksum, kept
from .run import DEVICE, Average, Stage, averaged, initialise, log, mixed_precision, rate
from .vae import to_tensor

BATCH, LEARNING_RATE = 32, 7e-4
SMALL, SMALL_SHARE = 128, 0.79  # pixels; share of the steps with small pictures
POOL, RENEWED = 10000, 4  # scenes in the pool, and scenes replaced each step
DROPPED = 0.1
SHOWN = (
    "a cat on grass", "a robot in the snow", "a firetruck on sand", "a frog with a crown at night",
    "a cat and a dog on grass", "a panda and a tiger in the snow", "a wolf with a hat and a pig on a road",
    "a bus on the left and a taxi on the right, at sunset", "an apple, a fox and an owl at sea",
    "a bear with sunglasses before a brick wall",
)  # fmt: skip


def alphas_cumprod() -> Tensor:
    """alpha_bar of Stable Diffusion's schedule, (1000,), on DEVICE."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float().to(DEVICE)


class Words:
    """CLIP's tokenizer with ids renumbered to the tokens of this world's captions: rows of the text encoder's table."""

    CONNECTING = "a an with and next to on the left right,"

    def __init__(self, more: Sequence[str] = ()):
        self.tokenizer = DemoTokenizer().clip_l.tokenizer
        text = [self.CONNECTING, *world.OBJECTS, *world.ACCESSORIES, *world.PLACES.values(), *more]
        ids = {i for words in text for i in self._ids(words)} | {49406, 49407}
        self.vocabulary = torch.tensor(sorted(ids))

    def _ids(self, caption: str) -> list[int]:
        return self.tokenizer(caption, add_special_tokens=False)["input_ids"]

    def __call__(self, captions: list[str]) -> Tensor:
        """Captions as rows of the table, (B, 77) int64."""
        rows = []
        for caption in captions:
            ids = [49406, *self._ids(caption)[:75], 49407]
            rows.append(ids + [49407] * (77 - len(ids)))
        return torch.searchsorted(self.vocabulary, torch.tensor(rows))


class Painter(nn.Module):
    """The UNet with its text encoder: (noisy latents, timesteps, token rows) -> eps."""

    def __init__(self, words: int):
        super().__init__()
        self.unet = UNetModel(**UNET, dtype=torch.float32, device="cpu", operations=comfy.ops.disable_weight_init)
        self.text = comfy.clip_model.CLIPTextModel_(TEXT, torch.float32, "cpu", comfy.ops.disable_weight_init)
        initialise(self)
        self.text.embeddings.token_embedding = comfy.ops.disable_weight_init.Embedding(words, TEXT["hidden_size"])
        nn.init.normal_(self.text.embeddings.token_embedding.weight, std=0.1)
        nn.init.normal_(self.text.embeddings.position_embedding.weight, std=0.02)
        for name, layer in self.unet.named_modules():  # every branch begins at zero
            if name.endswith(("out_layers.3", "proj_out")) or name == "out.2":
                nn.init.zeros_(layer.weight)

    def encode(self, rows: Tensor) -> Tensor:
        """The text encoding, (B, 77, width). The encoder's own forward has in-place sums, which have no gradient."""
        x = self.text.embeddings(rows, dtype=torch.float32)
        causal = torch.full((rows.shape[1],) * 2, float("-inf"), device=rows.device).triu(1)
        for layer in self.text.encoder.layers:
            x = x + layer.self_attn(layer.layer_norm1(x), causal.to(x.dtype), optimized_attention)
            x = x + layer.mlp(layer.layer_norm2(x))
        return self.text.final_layer_norm(x)

    def forward(self, x: Tensor, t: Tensor, rows: Tensor) -> Tensor:
        return self.unet(x, t, context=self.encode(rows))


class Pool:
    """Latents, (N, 4, h, w) fp16, and token rows of scenes; stored in a file, replaced a few at a time.

    made_from: what the latents and rows depend on; a file with another `made_from` is drawn again.
    """

    def __init__(
        self, file: Path, made_from: str, scenes: Scenes, vae: Autoencoder, words: Words, rng: np.random.Generator
    ):
        self.scenes, self.vae, self.words, self.rng = scenes, vae, words, rng
        self.next = 0
        pool = kept(file, made_from, self._fill)
        self.latents, self.rows = pool["latents"], pool["rows"]

    def _fill(self) -> dict[str, Tensor]:
        log.info("drawing %d scenes of %d px", POOL, self.scenes.size)
        latents, rows = zip(*(self._draw(50) for _ in range(POOL // 50)), strict=True)
        return {"latents": torch.cat(latents), "rows": torch.cat(rows)}

    @torch.no_grad()
    def _draw(self, count: int) -> tuple[Tensor, Tensor]:
        drawn = [self.scenes(self.rng) for _ in range(count)]
        with mixed_precision():
            latents = self.vae.encode(to_tensor(np.stack([scene.picture for scene in drawn])))
        return latents.half().cpu(), self.words([scene.caption for scene in drawn]).to(torch.int16)

    def renew(self, count: int) -> None:
        rows = torch.arange(self.next, self.next + count) % len(self.latents)
        self.latents[rows], self.rows[rows] = self._draw(count)
        self.next = (self.next + count) % len(self.latents)

    def sample(self, count: int) -> tuple[Tensor, Tensor]:
        chosen = torch.from_numpy(self.rng.integers(len(self.latents), size=count))
        return self.latents[chosen].to(DEVICE).float(), self.rows[chosen].to(DEVICE).long()


def load_vae(root: Path) -> Autoencoder:
    """The averaged autoencoder of stage 1."""
    vae, _ = averaged(Autoencoder(comfy.ops.disable_weight_init), root / "vae")
    return vae.to(memory_format=torch.channels_last)


@torch.no_grad()
def latent_scale(vae: Autoencoder) -> float:
    """The factor that gives the latents of 256 fixed scenes unit variance."""
    scenes = Scenes(world.sprites())
    pictures = [scenes(np.random.default_rng([8, i])).picture for i in range(256)]
    return (
        1 / torch.cat([vae.encode(to_tensor(np.stack(pictures[i : i + 32]))) for i in range(0, 256, 32)]).std().item()
    )


def train(root: Path, steps: int, seed: int, stop_at: float = math.inf) -> Stage:
    torch.manual_seed(seed)
    words, vae = Words(), load_vae(root)
    net = Painter(len(words.vocabulary)).to(DEVICE, memory_format=torch.channels_last)
    log.info("%.1f M parameters", sum(p.numel() for p in net.parameters()) / 1e6)
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    average = Average(net, 0.999)
    stage = Stage(root, "diffusion", steps, stop_at)
    stage.keep(net=net, optimizer=optimizer, average=average)
    if stage.over:
        return stage
    rng = stage.randomness(seed, 3)
    made_from = f"{stage.made_from} {checksum([words.vocabulary])} {seed}"
    empty, scale = words([""]).to(DEVICE), latent_scale(vae)
    fit, pool = Fit(net, optimizer, average, empty), None
    for step in stage:
        size = SMALL if step < SMALL_SHARE * steps else world.SIZE
        if pool is None or pool.scenes.size != size:
            pool = Pool(root / f"pool_{size}.pt", made_from, Scenes(world.sprites(), size), vae, words, rng)
        fit.step(pool, scale, LEARNING_RATE * rate(step, steps))
        if step % 100 == 0:
            stage.note(loss=fit.loss)
        if step % 1000 == 0 and step:
            with average.in_use():
                pictures = draw(net, vae, words, scale, list(SHOWN), size)
            show(pictures, stage.folder / f"samples_{step:06}.png")
    return stage


class Fit:
    """Training steps of a painter. loss: the running mean."""

    def __init__(self, net: Painter, optimizer: torch.optim.Optimizer, average: Average, empty: Tensor):
        self.net, self.optimizer, self.average, self.empty = net, optimizer, average, empty
        self.predict, self.signal, self.loss = torch.compile(net), alphas_cumprod(), None
        self.weight = (self.signal / (1 - self.signal)).clamp_max(5.0) * (1 - self.signal) / self.signal

    def step(self, pool: Pool, scale: float, learning_rate: float) -> None:
        """One step on BATCH scenes of the pool, which is renewed a little. scale: gives its latents unit variance."""
        pool.renew(RENEWED)
        x, rows = pool.sample(BATCH)
        x, t = (x * scale).to(memory_format=torch.channels_last), torch.randint(0, 1000, (len(x),), device=DEVICE)
        rows = torch.where(torch.rand(len(x), 1, device=DEVICE) < DROPPED, self.empty, rows)
        noise, a = torch.randn_like(x), self.signal[t].view(-1, 1, 1, 1)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        with mixed_precision(), sdpa_kernel(SDPBackend.MATH):
            predicted = self.predict(a.sqrt() * x + (1 - a).sqrt() * noise, t.float(), rows)
        loss = (self.weight[t] * (predicted.float() - noise).square().mean((1, 2, 3))).mean()
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.average.update()
        self.loss = loss.item() if self.loss is None else 0.99 * self.loss + 0.01 * loss.item()


@torch.no_grad()
def draw(
    net: Painter, vae: Autoencoder, words: Words, scale: float, captions: list[str], size: int, seed: int = 0,
    steps: int = 20, cfg: float = 5.0,
) -> np.ndarray:  # fmt: skip
    """Pictures of captions by DDIM, (B, H, W, 3) uint8."""
    n, signal = len(captions), alphas_cumprod()
    x = torch.randn(n, 4, size // 8, size // 8, generator=torch.Generator().manual_seed(seed)).to(DEVICE)
    times = torch.linspace(999, 0, steps + 1).long().tolist()
    with mixed_precision():
        rows = words(captions + [""] * n).to(DEVICE)
        for now, then in pairwise(times):
            a, b = signal[now], signal[then] if then else torch.ones_like(signal[now])
            e = net(torch.cat([x, x]), torch.full((2 * n,), float(now), device=DEVICE), rows).float()
            e = e[n:] + cfg * (e[:n] - e[n:])
            x = b.sqrt() * (x - (1 - a).sqrt() * e) / a.sqrt() + (1 - b).sqrt() * e
        pictures = vae.decode(x / scale).float()
    return to_bytes(pictures)


def show(pictures: np.ndarray, file: Path, across: int = 5) -> None:
    rows = [np.concatenate(list(pictures[i : i + across]), 1) for i in range(0, len(pictures), across)]
    Image.fromarray(np.concatenate(rows)).save(file)
