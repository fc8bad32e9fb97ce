"""Cost of Track Regions by the frame, as a share of one pass of the network: on the demo model and on an SD 1.5-size network.

Import it after ComfyUI (tools/inprocess.py).
"""

from __future__ import annotations

import nodes as host
import torch

from ...videograin.comfyui.validate import noise_level
from ...videograin.core.label_propagation import Settings
from ...videograin.core.token_likeness import Tokens, colours
from ...videograin.jobs import demo_model
from ...videograin.jobs.track_regions import NOISY, Known, Shown, followed, look
from . import machine
from .network import prompts, random_unet
from .rows import DEMO, SD, Row

SIDES = {DEMO: 384, SD: 512}  # pixels a side, as the network is shown them


def follow(case: str, frames: int, device: torch.device) -> list[Row]:
    """Seconds a frame of a plain pass, of the look and of following two regions from one mask each; and the peak memory."""
    side = SIDES[case]
    if case == DEMO:
        model, clip, _ = demo_model.load()
        words = clip.encode_from_tokens_scheduled(clip.tokenize("a cat on grass"))
    else:
        model, words = random_unet(device.type == "cuda"), prompts(1, side)[0]
    latents = torch.randn(frames, 4, side // 8, side // 8, generator=torch.Generator().manual_seed(2))
    pictures = torch.rand(frames, side, side, 3, generator=torch.Generator().manual_seed(3))
    shown = Shown(latents, noise_level(model.get_model_object("model_sampling"), NOISY), "Track Regions")
    boxes = torch.zeros(2, side, side)
    boxes[0, side // 4 : side // 2, side // 8 : side // 3], boxes[1, side // 2 :, side // 2 : side * 3 // 4] = 1, 1

    def plain() -> None:
        host.common_ksampler(model, 0, 1, 1.0, "euler", "normal", words, words, {"samples": latents})

    def whole() -> tuple[float, float]:
        found = []
        looking = machine.seconds(lambda: found.append(look(model, shown, words)), device)
        keys, grid = found[0]
        tokens = Tokens(keys, colours(pictures, grid), (0,))
        marks = Known([{0: box} for box in boxes])
        return looking, machine.seconds(
            lambda: followed(tokens, grid, pictures, marks, Settings(), model.load_device), device
        )

    plain()  # weights in place, threads started
    one_pass = machine.seconds(plain, device)
    spent: list[tuple[float, float]] = []
    peak, _ = machine.peak_mb(lambda: spent.append(whole()), device)
    return [
        {
            "bench": "follow",
            "case": f"{case}: {part}",
            "frames": frames,
            "size": side,
            "seconds": seconds / frames,
            "ratio_to_pass": seconds / one_pass,
            "peak_mb": peak,
        }
        for part, seconds in zip(("looking", "following"), spent[0], strict=True)
    ]
