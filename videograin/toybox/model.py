"""The demo model without ComfyUI: its files, the shapes of its networks, its autoencoder, and the words it knows.

UNet, text encoder and ControlNet are ComfyUI's own classes at a small size (jobs/demo_model.py).
"""

import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

FOLDER = Path(__file__).parent
PAINTER, AUTOENCODER = "painter.safetensors", "vae.safetensors"  # UNet, text encoder and preview; VAE
CONTROL = "depth_control.safetensors"
UNET = {  # three attention levels: at 192 px 24², 12² and 6² tokens
    "image_size": 24,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 64,
    "channel_mult": [1, 2, 3],
    "num_res_blocks": [1, 1, 1],
    "transformer_depth": [1, 1, 1],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1],
    "transformer_depth_middle": 1,
    "num_head_channels": 32,
    "context_dim": 192,
    "use_spatial_transformer": True,
    "legacy": False,
}
TEXT = {  # CLIP's text model
    "hidden_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "intermediate_size": 768,
    "hidden_act": "quick_gelu",
    "max_position_embeddings": 77,
    "eos_token_id": 49407,
}
VOCABULARY = 49408  # CLIP's tokenizer


def embedding_table(tokens: Tensor, rows: Tensor) -> Tensor:
    """The token embeddings, (VOCABULARY, d) float16: `rows` (n, d) at `tokens`, which the captions have, else zeros."""
    table = torch.zeros(VOCABULARY, rows.shape[1], dtype=torch.float16)
    table[tokens.long()] = rows
    return table


def whole_words(pieces: Iterable[str]) -> list[str]:
    """The whole words among pieces of CLIP's vocabulary, each once, in order."""
    text = " ".join(pieces)
    return list(dict.fromkeys(re.findall(r"\w+", text.replace(" ", "").replace("</w>", " "))))


class ResBlock(nn.Module):
    def __init__(self, width: int, operations: type | ModuleType):
        super().__init__()
        self.n1, self.c1 = operations.GroupNorm(8, width), operations.Conv2d(width, width, 3, padding=1)
        self.n2, self.c2 = operations.GroupNorm(8, width), operations.Conv2d(width, width, 3, padding=1)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.c2(self.act(self.n2(self.c1(self.act(self.n1(x))))))


class Autoencoder(nn.Module):
    """The autoencoder: (B, 3, 8h, 8w) in [-1, 1] <-> (B, 4, h, w), deterministic, no attention.

    operations: torch.nn, or ComfyUI's layers of the same names.
    """

    def __init__(self, operations: type | ModuleType = nn):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            operations.Conv2d(48, 128, 3, padding=1),
            ResBlock(128, operations),
            operations.Conv2d(128, 192, 3, stride=2, padding=1),
            ResBlock(192, operations),
            ResBlock(192, operations),
            operations.GroupNorm(8, 192),
            nn.SiLU(),
            operations.Conv2d(192, 4, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            operations.Conv2d(4, 192, 3, padding=1),
            ResBlock(192, operations),
            ResBlock(192, operations),
            ResBlock(192, operations),
            operations.Conv2d(192, 512, 3, padding=1),
            nn.PixelShuffle(2),
            ResBlock(128, operations),
            ResBlock(128, operations),
            operations.GroupNorm(8, 128),
            nn.SiLU(),
            operations.Conv2d(128, 48, 3, padding=1),
            nn.PixelShuffle(4),
        )

    def encode(self, image: Tensor) -> Tensor:
        return self.encoder(image)

    def decode(self, latent: Tensor) -> Tensor:
        return self.decoder(latent)


def shipped_autoencoder() -> Autoencoder:
    """The shipped autoencoder in float32 on the CPU, without ComfyUI, not to be trained."""
    vae = Autoencoder()
    vae.load_state_dict({k.removeprefix("vae."): v.float() for k, v in load_file(FOLDER / AUTOENCODER).items()})
    return vae.eval().requires_grad_(False)


def to_bytes(pictures: Tensor) -> np.ndarray:
    """Decoded pictures, (B, 3, H, W) around [-1, 1], as (B, H, W, 3) uint8."""
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
