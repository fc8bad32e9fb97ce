"""The CUDA kernel in Triton's interpreter on the CPU, against the dense equations; and compiled for real cards."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from equations import dense, dense_recipe, padded, problem, relative

pytest.importorskip("triton", reason="the kernel is optional: PyTorch's CUDA builds for Linux bring Triton along")

from pack.videograin.core import st_layout_triton
from pack.videograin.core.regions import same_membership, share_any
from pack.videograin.core.score_range import sampled_keys
from pack.videograin.core.st_layout import Modulation, modulated_attention


@pytest.mark.parametrize("d", [40, 64, 80, 128, 160])
@pytest.mark.parametrize("pairs", [share_any, same_membership])
def test_equals_the_dense_equations(d, pairs):
    q, k, v, strength, labels, table = problem(3.0, frames=3, height=10, width=6, d=d)  # 180 tokens: a masked tail
    positive = pairs(table, table)
    truth = dense(q, k, v, strength, positive[labels[:, :, None], labels[:, None, :]])
    modulation = Modulation(strength.float(), labels, labels, positive)
    assert relative(st_layout_triton.attention(q.float(), k.float(), v.float(), modulation), truth) < 3e-6


@pytest.fixture
def bfloat16_products(monkeypatch):
    """Triton's interpreter holds bfloat16 as bits and multiplies those (triton-lang/triton#11584): here as numbers."""
    from triton.runtime import interpreter

    dot = interpreter.InterpreterBuilder.create_dot

    def numbers(x):
        if x.dtype.scalar != interpreter.tl.bfloat16:
            return x
        return interpreter.TensorHandle((x.data.astype(np.uint32) << 16).view(np.float32), interpreter.tl.float32)

    monkeypatch.setattr(
        interpreter.InterpreterBuilder, "create_dot", lambda self, a, b, *more: dot(self, numbers(a), numbers(b), *more)
    )


@pytest.mark.usefixtures("bfloat16_products")
@pytest.mark.parametrize("std", [1.0, 6.0])
@pytest.mark.parametrize("half, share", [(torch.float16, 0.6), (torch.bfloat16, 1.0)])
def test_no_worse_than_the_dense_recipe_in_half_precision(std, half, share):
    q, k, v, strength, labels, table = problem(std, frames=4, height=8, width=8)
    q, k, v = (x.to(half) for x in (q, k, v))
    positive = share_any(table, table)
    pairs = positive[labels[:, :, None], labels[:, None, :]]
    truth = dense(q.double(), k.double(), v.double(), strength, pairs)
    ours = st_layout_triton.attention(q, k, v, Modulation(strength.float(), labels, labels, positive))
    assert ours.dtype == half
    assert relative(ours, truth) <= share * relative(dense_recipe(q, k, v, strength.float(), pairs), truth)


def test_rectangular_pairs_batches_and_strided_heads():
    g = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(2, n, 3, 32, generator=g).transpose(1, 2) for n in (50, 77, 77))  # as (b n (h d)) gives it
    labels, words = torch.randint(4, (2, 50), generator=g), torch.randint(3, (2, 77), generator=g)
    strength = torch.rand(2, 50, generator=g)
    positive = torch.tensor([[0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]).bool()  # row 0: positive with nothing
    truth = dense(*(x.double() for x in (q, k, v, strength)), positive[labels[:, :, None], words[:, None, :]])
    assert relative(st_layout_triton.attention(q, k, v, Modulation(strength, labels, words, positive)), truth) < 3e-6


@pytest.mark.parametrize("d", [32, 128])
def test_padding_counts_as_one_token(d):
    tensors, modulation, truth = padded(d=d)
    float32 = modulation._replace(strength=modulation.strength.float(), log_count=modulation.log_count.float())
    assert relative(st_layout_triton.attention(*(x.float() for x in tensors), float32), truth) < 3e-6


def test_the_span_may_be_told_by_some_of_the_keys():
    q, k, v, strength, labels, table = problem(3.0, frames=5, height=16, width=10)
    q, k, v = (x.float() for x in (q, k, v))
    modulation = Modulation(strength.float(), labels, labels, share_any(table, table))
    some = sampled_keys(k)
    truth = modulated_attention(q, k, v, modulation, spanned=some)
    assert relative(st_layout_triton.attention(q, k, v, modulation, spanned=some), truth) < 3e-6
    assert relative(st_layout_triton.attention(q, k, v, modulation), truth) > 1e-4


def test_many_patterns_fit_and_more_are_refused():
    q, k, v, *_ = problem(1.0, frames=1, height=8, width=9)
    labels = torch.arange(72)[None] % st_layout_triton.PATTERNS
    positive = torch.rand(st_layout_triton.PATTERNS, st_layout_triton.PATTERNS) < 0.3
    strength = torch.full((1, 72), 0.5)
    truth = dense(q, k, v, strength.double(), positive[labels[:, :, None], labels[:, None, :]])
    assert (
        relative(
            st_layout_triton.attention(q.float(), k.float(), v.float(), Modulation(strength, labels, labels, positive)),
            truth,
        )
        < 3e-6
    )
    assert not st_layout_triton.usable(q.half(), torch.ones(64, 64, dtype=torch.bool))


def test_logits_of_stable_diffusion_2_do_not_overflow():
    q, k, v, strength, labels, table = problem(3.0, frames=2, d=64)
    q, k = ((x * 30).half() for x in (q, k))
    positive = share_any(table, table)
    ours = st_layout_triton.attention(q, k, v.half(), Modulation(strength.float(), labels, labels, positive))
    truth = dense(q.double(), k.double(), v, strength, positive[labels[:, :, None], labels[:, None, :]])
    assert (q @ k.transpose(-1, -2)).isinf().any()
    assert ours.isfinite().all() and relative(ours, truth) < 0.3  # nearly one-hot: rounding picks the key


def test_huge_scores_stay_finite():
    q, k, v, strength, labels, table = problem(1.0)
    q, k = (q * 60).half(), (k * 60).half()  # q·k up to 1e6, far above the largest half
    assert (
        st_layout_triton.attention(
            q, k, v.half(), Modulation(strength.float(), labels, labels, share_any(table, table))
        )
        .isfinite()
        .all()
    )


@pytest.mark.parametrize("architecture", [80, 90])
def test_compiles_for_real_cards_without_one(architecture):
    """Every head size of SD 1, 2 and XL, and Wan's with padding, in both half precisions; on-chip memory must suffice."""
    script = Path(__file__).parents[1] / "support" / "compile_fused.py"
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, script, str(architecture)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("fits") == 12
