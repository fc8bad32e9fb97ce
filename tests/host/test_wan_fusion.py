"""Self-Attention Fusion on Wan: the edit attends with the source's queries and keys, everywhere or outside the regions."""

import pytest
import rig
import tiny_umt5
import tiny_wan
import torch
import wan_oracle
from wan_oracle import bound, covered, regions

from pack.nodes.fusion import SelfAttentionFusion
from pack.nodes.inversion import DDIMInversion

pytestmark = pytest.mark.usefixtures("inference_mode")
FRAMES, HEIGHT, WIDTH = 3, 6, 7


@pytest.fixture(scope="module")
def wan():
    with torch.inference_mode():
        return tiny_wan.model()


@pytest.fixture(scope="module")
def inverted(wan):
    with torch.inference_mode():
        source = {"samples": tiny_wan.clip(FRAMES, HEIGHT, WIDTH, seed=4)}
        return DDIMInversion.execute(wan, tiny_wan.text(3), source, 4, "simple", 1).args


class Sources:
    """An attention override: what the network makes of the source in self-attention, then that in the edit's place."""

    def __init__(self, inside=None):
        self.kept, self.calls, self.editing, self.inside = [], 0, False, inside

    def __call__(self, attention, q, k, v, heads, **rest):
        block, turn = divmod(self.calls, 2)
        self.calls += 1
        if turn:
            return attention(q, k, v, heads, **rest)
        if not self.editing:
            self.kept.append((q, k))
            return attention(q, k, v, heads, **rest)
        out = attention(q, k, v, heads, **rest)
        for row, which in enumerate(rest["transformer_options"]["cond_or_uncond"]):
            if which == 0:
                one = slice(row, row + 1)
                theirs = attention(*self.kept[block], v[one], heads, **rest)
                out[one] = theirs if self.inside is None else torch.where(self.inside[None, :, None], out[one], theirs)
        return out


def edited(model, positive, noise, sigmas):
    return rig.sample(model, positive, tiny_wan.text(9, 7), noise["samples"], sigmas=sigmas[[0, -1]], cfg=3.0)


@pytest.mark.parametrize("where", ["everywhere", "outside regions"])
def test_the_edit_follows_the_source(wan, inverted, where):
    noise, inversion, sigmas = inverted
    found = regions(FRAMES, HEIGHT, WIDTH)[:1]
    positive = bound(tiny_wan.text(5), regions(FRAMES, HEIGHT, WIDTH))
    positive[0][1][wan_oracle.KEY] = wan_oracle.Binding(found, positive[0][1][wan_oracle.KEY].tokens[:1])
    model = SelfAttentionFusion.execute(
        wan, inversion, tiny_wan.text(3), "custom", where, start_percent=0.0, end_percent=1.0, levels="all"
    ).args[0]
    ours = edited(model, positive, noise, sigmas)

    spied = wan.clone()
    spy = Sources(None if where == "everywhere" else covered(found, (HEIGHT, WIDTH)).flatten())
    spied.model_options["transformer_options"]["optimized_attention_override"] = spy
    rig.sample(spied, tiny_wan.text(3), tiny_wan.text(9, 7), noise["samples"], sigmas=sigmas[[0, -1]], cfg=1.0)
    spy.calls, spy.editing = 0, True
    expected = edited(spied, positive, noise, sigmas)
    assert rig.rms(expected - edited(wan, positive, noise, sigmas)) > 1e-2 * rig.rms(expected)
    assert rig.rms(ours - expected) < 1e-5 * rig.rms(expected)


def test_below_full_resolution_there_is_nothing(wan, inverted):
    with pytest.raises(ValueError, match="Set Self-Attention Fusion's `levels` to “all”"):
        SelfAttentionFusion.execute(wan, inverted[1], tiny_wan.text(3))


def test_words_are_not_looked_for(wan, inverted):
    with pytest.raises(
        ValueError, match=r"Self-Attention Fusion needs frames side by side .* Take Self-Attention Fusion out"
    ):
        SelfAttentionFusion.execute(
            wan, inverted[1], tiny_wan.text(3, 12, 512), where="outside words", clip=tiny_umt5.clip(tiny_wan.TEXT),
            source_prompt="a truck", words="truck", levels="all",
        )  # fmt: skip
