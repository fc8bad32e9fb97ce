"""SPEED.md, from the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...tools.proof_tables import NOBODY, marked
from .rows import MODES, Row, growth, kind

Column = tuple[str, Callable[[Row], str]]

INTRO = """\
# Speed and memory

In short: regions cost little on top of attention over all frames (a step of 16 frames a fifth more, below), and neither
holds the tables of tokens × tokens that the released code does; memory grows with frames and pixels in proportion. No GPU
was at hand. What a run of yours needs is in ComfyUI's console when it samples. The rest is for those who want to know how.

`make bench` measures all of this again and writes it here. Within a table everything was measured in one run on one
machine: ratios travel better to other machines than seconds do, so most of a CPU's are in out/speed.json only. Peak memory is that of
a fresh process per case (resident set) on a CPU, and what PyTorch allocated on a GPU. ComfyUI runs with
`--use-pytorch-cross-attention`: its own choice on a CPU is several times slower within a frame, for the plain network
too. What sees several frames takes PyTorch's attention on a CPU whatever the choice."""
ATTENTION = """\
## Self-attention

8 heads, q, k and v as a network has them, four regions; medians. The dense recipe is the released code's: tokens ×
tokens matrices, head by head. Extra memory is what a call holds beyond plain SDPA's, as a share of q + k + v.
`fast` estimates \u0394 from an eighth of the keys; its error is that of the result, root mean square, with logits of std 3.
Grouped keys are another exact form: one call for each pattern of keys, merged by log-sum-exp. It is a little faster on a
CPU and not in use, since it holds more memory than the bar allows.
Bars: ST-Layout ÷ SDPA at most 2.0 on a CPU and 1.6 on CUDA; dense ÷ ST-Layout at 16,384 tokens at least 4 and 8; extra
memory at 16,384 tokens at most 15 %: it holds for ST-Layout, and is missed a little by `fast`. The dense recipe is left
out where its matrices do not fit into the memory that is free. Four patterns are what two or three regions make; each
pattern is a channel of the keys, so with 64 of them (many overlapping regions) the ratio passes 2, and beyond 63 the fused
kernel of a GPU gives way to this portable form."""
NETWORK = """\
## One step of an SD 1.5-size network

Random weights, one step with guidance; medians of so many turns, all cases taking turns. A ratio means no more than the
spread of the turns it is made of. Bars: ST-Layout ÷ full frame at most 1.3 on a CPU and 1.25 on CUDA; memory grows
linearly with frames."""
END_TO_END = """\
## A whole edit

VAE encode, inversion without refinements, ST-Layout and Latent Blend, VAE decode; random weights. The paper reports
3.83 min and 15.94 GB on an A6000 for 16 frames of 512×512 and 50 steps. Wanted, not measured, on an H200-class card: 45 s
and 10 GB."""
PATHS = """\
## Flow-guided attention, before sampling

Once for each clip; tokens of the finest level, an eighth of the pixels a side."""
LONG = """\
## Long clips

*Edit in Chunks* on the demo model, 192×192 pixels, 2 steps, chunks of 16 frames that share 4, and 4 anchors in each:
inversion, edit, blend, VAE. A frame of several chunks costs more than one of a single chunk by the shared frames and the anchors,
which are worked on again in each; the next chunks cost no more than these. Peak memory is what is held beyond the clip and the result."""
FOLLOW = """\
## Following regions

*Track Regions*, two regions marked in the first frame, by the frame: showing it to the network, and comparing its tokens
with those of the marked frame and of the last three. Encoding is not in it."""
TOY = """\
## The demo's edit

The demo's own graph through ComfyUI's executor, loading included."""
PROOF = """\
## Real clips, on a GPU

Stable Diffusion 1.5's own weights, three ways to make the same edit: what people sent who ran `proof/`. `make proof-tables`
writes it. Memory is PyTorch's peak, weights included; loading the model and finding the masks is not in the seconds."""
UNMEASURED = (
    "*Not measured: this needs a CUDA GPU, and none was at hand. `make bench` fills it in on a machine with one.*"
)


def number(name: str, form: str = "{:.2f}") -> Callable[[Row], str]:
    return lambda row: form.format(row[name]) if row.get(name) is not None else "–"


COLUMNS: dict[str, list[Column]] = {
    "attention": [
        ("tokens", number("tokens", "{:,}")),
        ("head size", number("d", "{}")),
        ("dtype", number("dtype", "{}")),
        ("form", number("case", "{}")),
        ("seconds", number("seconds", "{:.3g}")),
        ("÷ SDPA", number("ratio_to_sdpa")),
        ("dense ÷ ours", number("dense_over_ours", "{:.1f}")),
        ("error", number("error", "{:.1%}")),
        ("peak MiB beyond inputs", number("peak_mb", "{:.0f}")),
        ("extra memory", number("extra_memory", "{:.1%}")),
    ],
    "network": [
        ("frames", number("frames", "{}")),
        ("pixels", number("size", "{0}×{0}")),
        ("mode", number("case", "{}")),
        ("seconds", number("seconds", "{:.3g}")),
        ("÷ per frame", number("ratio_to_per_frame")),
        ("÷ full frame", number("ratio_to_sdpa")),
        ("turns", number("turns", "{}")),
        ("spread", number("spread", "{:.0%}")),
        ("peak MiB", number("peak_mb", "{:.0f}")),
    ],
    "end to end": [
        ("frames", number("frames", "{}")),
        ("pixels", number("size", "{0}×{0}")),
        ("case", number("case", "{}")),
        ("seconds", number("seconds", "{:.1f}")),
        ("peak MiB", number("peak_mb", "{:.0f}")),
    ],
    "paths": [
        ("frames", number("frames", "{}")),
        ("pixels", number("size", "{0}×{0}")),
        ("part", number("case", "{}")),
        ("seconds", number("seconds", "{:.3g}")),
        ("÷ optical flow", number("ratio_to_flow")),
    ],
    "long": [
        ("frames", number("frames", "{}")),
        ("in", number("case", "{}")),
        ("seconds a frame, ÷ one chunk", number("ratio_to_one_chunk")),
        ("seconds", number("seconds", "{:.3g}")),
        ("peak MiB", number("peak_mb", "{:.0f}")),
    ],
    "follow": [
        ("frames", number("frames", "{}")),
        ("part", number("case", "{}")),
        ("seconds a frame", number("seconds", "{:.3g}")),
        ("÷ one pass of the network", number("ratio_to_pass")),
        ("peak MiB", number("peak_mb", "{:.0f}")),
    ],
    "toy": [
        ("part", number("case", "{}")),
        ("seconds", number("seconds", "{:.2f}")),
        ("seconds a step", number("seconds_per_step", "{:.3f}")),
        ("share", number("share", "{:.1%}")),
    ],
}
SECTIONS = {
    "attention": ATTENTION,
    "network": NETWORK,
    "end to end": END_TO_END,
    "long": LONG,
    "paths": PATHS,
    "follow": FOLLOW,
    "toy": TOY,
}
KINDS = {
    "attention": ("CPU", "CUDA"),
    "network": ("CPU", "CUDA"),
    "end to end": ("CUDA",),
    "long": ("CPU",),
    "paths": ("CPU",),
    "follow": ("CPU", "CUDA"),
    "toy": ("CPU",),
}


def columns(bench: str, device: str) -> list[Column]:
    """The columns. On a CPU without seconds, which differ from CPU to CPU; the shares of a step's time stay."""
    hidden = ("seconds", "seconds a frame") if device == "CPU" and bench != "toy" else ()
    return [column for column in COLUMNS[bench] if column[0] not in hidden]


def table(columns: list[Column], rows: Iterable[Row]) -> str:
    lines = ["| " + " | ".join(title for title, _ in columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(show(row) for _, show in columns) + " |" for row in rows]
    return "\n".join(lines)


def page(rows: list[Row]) -> str:
    """SPEED.md: every benchmark on each of its kinds of device, or the note that it is missing; an empty part for proof/."""
    parts = [INTRO]
    for bench, text in SECTIONS.items():
        parts.append(text)
        for wanted in KINDS[bench]:
            mine = [row for row in rows if row["bench"] == bench and kind(row) == wanted]
            if not mine:
                missing = UNMEASURED if wanted == "CUDA" else "*Not measured yet.*"
                parts.append(f"**{wanted}** {missing}")
                continue
            parts += [f"**{wanted}**: {mine[0]['device']}", table(columns(bench, wanted), mine)]
            if bench == "network":
                parts += grown(mine)
    parts += [PROOF, marked(NOBODY)]
    return "\n\n".join(parts) + "\n"


def grown(rows: list[Row]) -> list[str]:
    """The growth of memory with frames, for cases with three frame counts."""
    rates = {mode: rate for mode in MODES if (rate := growth(rows, mode)) is not None}
    if not rates:
        return []
    told = ", ".join(f"{mode} {rate:.2f}" for mode, rate in rates.items())
    return [f"MiB per added frame, upper half ÷ lower half (1 is linear growth): {told}."]
