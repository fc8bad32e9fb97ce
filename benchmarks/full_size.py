"""A full-size SD 1.5 UNet with random weights through inversion, ST-Layout and blend: does it run, in how much memory?

Every case runs in a process of its own, since only then is the peak its own. Times are ratios to the plain per-frame
model in the same run. `python benchmarks/full_size.py` writes out/full_size.json and FULL_SIZE.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CASES = {
    "plain": "per-frame model, one guided step",
    "full frame": "+ Full-Frame Attention",
    "st-layout": "+ ST-Layout Attention (paper: all levels)",
    "edit": "inversion (2 steps) → ST-Layout + Latent Blend (2 steps)",
}
FRAMES, SIZE = 4, 256


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def full_size_unet(gpu: bool = False):
    """SD 1.5's UNet, 860 M parameters, seeded random weights: float32, or float16 where ComfyUI puts models on a GPU."""
    import comfy.model_base
    import comfy.model_management
    import comfy.model_patcher
    import comfy.supported_models
    import torch

    dtype = torch.float16 if gpu else torch.float32
    config = comfy.supported_models.SD15(
        {
            "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 320, "channel_mult": [1, 2, 4, 4],
            "num_res_blocks": [2, 2, 2, 2], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
            "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], "transformer_depth_middle": 1,
            "context_dim": 768, "use_spatial_transformer": True, "legacy": False, "dtype": dtype,
        }
    )  # fmt: skip
    config.set_inference_dtype(dtype, None)
    model = comfy.model_base.BaseModel(config, device="cpu")
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.diffusion_model.named_parameters():
        if weight.ndim > 1:
            weight.data.normal_(0, weight[0].numel() ** -0.5, generator=generator)
        else:
            weight.data.fill_(float(name.endswith("weight")))
    device = comfy.model_management.get_torch_device() if gpu else torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(model, load_device=device, offload_device=torch.device("cpu"))


def run_case(case: str, tree: Path) -> dict:
    sys.path.insert(0, str(HERE.parent / "demo" / "host"))
    from inprocess import enter_host, import_pack

    with tempfile.TemporaryDirectory() as base:
        enter_host(tree, Path(base), "--use-pytorch-cross-attention")
        import_pack()
        import torch

        torch.set_num_threads(os.cpu_count())
        with torch.inference_mode():
            return measure(case, full_size_unet())


def measure(case: str, model) -> dict:
    import nodes as host
    import torch

    from pack.nodes.attention import FullFrameAttention, STLayoutAttention
    from pack.nodes.blend import LatentBlend
    from pack.nodes.inversion import DDIMInversion
    from pack.videograin.binding import Binding
    from pack.videograin.host.conditioning import KEY
    from pack.videograin.regions import Region

    cells, generator = SIZE // 8, torch.Generator().manual_seed(1)
    latent = {"samples": torch.randn(FRAMES, 4, cells, cells, generator=generator)}
    text, negative = ([[torch.randn(1, 77, 768, generator=generator), {}]] for _ in range(2))
    masks = torch.zeros(2, FRAMES, SIZE, SIZE)
    masks[0, :, 64:, :96], masks[1, :, 64:, 128:224] = 1, 1
    tokens = torch.zeros(2, 77, dtype=torch.bool)
    tokens[0, 1:3], tokens[1, 4:6] = True, True
    regions = (Region(masks[0], "left"), Region(masks[1], "right"))
    positive = [[text[0][0], {KEY: Binding(regions, tokens)}]]

    host.common_ksampler(model, 0, 1, 7.5, "euler", "normal", positive, negative, latent)  # warm-up: pages, threads
    steps = 1
    if case != "plain":
        model = FullFrameAttention.execute(model, "all frames").result[0]
    start, noise_free = latent, False
    begin = time.perf_counter()
    if case == "edit":
        steps, noise_free = 2, True
        start, inversion, _ = DDIMInversion.execute(model, text, latent, steps, "normal", 0).result
        model = LatentBlend.execute(model, "inversion", inversion).result[0]
    if case in ("st-layout", "edit"):
        model = STLayoutAttention.execute(model, "paper", 0.3, 1.0, 1.0).result[0]
    out = host.common_ksampler(
        model, 0, steps, 7.5, "euler", "normal", positive, negative, start, disable_noise=noise_free
    )[0]["samples"]
    seconds = time.perf_counter() - begin
    if not torch.isfinite(out).all():
        raise RuntimeError(f"{case}: the result is not finite")
    return {"case": case, "seconds": seconds, "peak_mb": peak_mb()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, default=os.environ.get("VIDEOGRAIN_COMFYUI_TREE"), help="ComfyUI's folder")
    parser.add_argument("--case", choices=list(CASES), help="run one case in this process and print its row")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(run_case(arguments.case, Path(arguments.tree).resolve())))
        return
    rows = []
    for case in CASES:
        command = [sys.executable, __file__, "--tree", str(arguments.tree), "--case", case]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(rows[-1], file=sys.stderr)
    plain = rows[0]["seconds"]
    for row in rows:
        row["ratio_to_plain"] = row.pop("seconds") / plain
    write(rows)


def write(rows: list[dict]) -> None:
    (HERE / "out").mkdir(exist_ok=True)
    (HERE / "out" / "full_size.json").write_text(
        json.dumps({"frames": FRAMES, "size": SIZE, "rows": rows}, indent=2) + "\n"
    )
    lines = [
        f"# Full-size SD 1.5 UNet, {FRAMES} frames at {SIZE}×{SIZE}, float32 on a 2-core CPU",
        "",
        "Random weights: this shows that it runs and what it needs, not what it draws. The weights alone are 3,278 MB.",
        "Time is one run of the case ÷ one run of the plain per-frame model, after a warm-up step.",
        "",
        "| case | time ÷ plain | peak memory of the process (MB) |",
        "|---|---|---|",
        *(f"| {CASES[row['case']]} | {row['ratio_to_plain']:.2f} | {row['peak_mb']:.0f} |" for row in rows),
    ]
    (HERE / "FULL_SIZE.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
