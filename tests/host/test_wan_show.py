"""Show Attention on Wan: what it shows, latent frame by latent frame, is what the network does."""

import math

import pytest
import tiny_wan
import torch
import wan_oracle
from wan_oracle import prompt, st_layout

from pack.nodes.inversion import DDIMInversion
from pack.nodes.show import ShowAttention
from pack.videograin.core.attention_clusters import AttentionRows
from pack.videograin.core.phrase_tokens import KEY
from pack.videograin.jobs.attention_clusters import Observer, observe
from pack.videograin.jobs.show_attention import ShowSettings, show_attention

pytestmark = pytest.mark.usefixtures("inference_mode")
POINT = "20, 13, 6"  # in the second latent frame but one


class Recorder(wan_oracle.Truth):
    """The equations, keeping what each query makes of each key: before and after, meant over heads."""

    def __init__(self, *args):
        super().__init__(*args)
        self.kept = {"own": [], "text": []}

    def own(self, q, k, v):
        self.keep("own", super().own, q, k)
        return super().own(q, k, v)

    def text(self, q, k, v):
        self.keep("text", super().text, q, k)
        return super().text(q, k, v)

    def keep(self, kind, attend, q, k):
        """An identity for values gives the probabilities; padding has been put together as its first token."""
        identity = torch.eye(k.shape[1], dtype=q.dtype).expand(len(k), -1, -1)
        after = attend(q, k, identity)[0].unflatten(-1, (len(k), -1)).mean(1)
        before = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1).mean(0)
        self.kept[kind].append(torch.stack([before, after]))


def setting(wan, height, width):
    source = tiny_wan.clip(3, height, width, seed=4)
    positive = prompt(source)
    inversion = DDIMInversion.execute(wan, tiny_wan.text(3), {"samples": source}, 4, "simple", 0).args[1]
    return positive, inversion, torch.rand(9, 8 * height, 8 * width, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def wan():
    with torch.inference_mode():
        return tiny_wan.model(layers=2)


@pytest.mark.parametrize("size", [(6, 8), (7, 5)], ids=str)
def test_maps_are_the_networks_own_probabilities(wan, size):
    positive, inversion, frames = setting(wan, *size)
    shown = show_attention(st_layout(wan), inversion, positive, frames, ShowSettings(0.0, 1.0, 1, POINT))
    spied, recorder = wan.clone(), Recorder(positive, size)
    spied.model_options["transformer_options"]["optimized_attention_override"] = recorder
    observe(spied, inversion, positive, 1, Observer(1, "all", AttentionRows(), None))
    grid = tuple(-(-side // 2) for side in size)
    tokens = grid[0] * grid[1]

    text = torch.stack(recorder.kept["text"]).mean(0)  # (2, tokens of the clip, words)
    for number, column in enumerate(shown.phrases):
        share = text[..., positive[0][1][KEY].tokens[number]].sum(-1).view(2, 3, *grid)
        assert (column.maps - share).abs().max() < 1e-5

    ((column,), own) = shown.points, torch.stack(recorder.kept["own"]).mean(0)
    query = 2 * tokens + (13 // 16) * grid[1] + 20 // 16  # frame 6 lies in latent frame 2
    assert (column.maps - own[:, query].view(2, 3, *grid)).abs().max() < 1e-5
    assert column.point.frame == 2 and "(20, 13, 6)" in shown.text


def test_the_share_inside_a_region_counts_each_latent_frame_once(wan):
    positive, inversion, frames = setting(wan, 6, 8)
    shown = show_attention(st_layout(wan), inversion, positive, frames, ShowSettings(0.0, 1.0, 1))
    mask = positive[0][1][KEY].regions[0].mask
    groups = torch.stack([mask[:1].mean(0), mask[1:5].mean(0), mask[5:9].mean(0)])
    cover = torch.nn.functional.avg_pool2d(groups, 16)
    maps = shown.phrases[0].maps[1]
    assert shown.phrases[0].inside()[1] == pytest.approx(float((maps * cover).sum() / maps.sum()), abs=1e-5)


def test_there_is_a_sheet_for_each_latent_frame(wan):
    positive, inversion, frames = setting(wan, 6, 8)
    phrases, points, text = ShowAttention.execute(st_layout(wan), inversion, positive, frames, 0.0, 0.3, 1).args
    assert len(phrases) == len(points) == 3 and "Cross-attention" in text


@pytest.mark.parametrize("count", [1, 3, 8])
def test_frames_of_another_clip_are_refused(wan, count):
    positive, inversion, frames = setting(wan, 6, 8)
    with pytest.raises(ValueError, match=f"has {count} frames, but the inversion's clip has 9"):
        ShowAttention.execute(st_layout(wan), inversion, positive, frames[:count], 0.0, 0.3, 1)
