"""The work of `make demo`: the first workflow in a real ComfyUI, its measures, and its pictures."""

import copy
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..tools.provision import Host
from ..tools.server import Progress, Prompt, Server
from ..videograin.toybox.judge import Judge

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
GRAPH = HERE / "instance_edit.api.json"
RESULTS = ("source.mp4", "edit.mp4", "before_after.png", "report.json")
SHOWN = 6  # frames across the picture
THERE = 0.25  # least certainty of a word, else its region is empty: bare places are below 0.01, objects above 0.85
LEFT_COLOUR, RIGHT_COLOUR = (255, 140, 0), (0, 120, 255)

Link = list  # [node id, index of its output]


class DemoFailed(RuntimeError):
    """The demo ran, but did not give the promised result."""


# ---- the graph ------------------------------------------------------------------------------------------------------


def titled(prompt: Prompt, title: str) -> str:
    """The id of the node with this title."""
    return next(node_id for node_id, node in prompt.items() if node["_meta"]["title"] == title)


def measured(prompt: Prompt) -> Prompt:
    """The committed graph with the nodes that the report needs: the reconstruction, and lossless frames."""
    graph = copy.deepcopy(prompt)
    edit = graph[titled(graph, "KSampler (Advanced), edit")]["inputs"]
    paste = graph[titled(graph, "Paste over the source")]["inputs"]
    clip, inversion = titled(graph, "Demo Clip"), graph[titled(graph, "DDIM Inversion (Unsample)")]["inputs"]
    vae = graph[titled(graph, "VAE Encode")]["inputs"]["vae"]

    def add(node_id: str, class_type: str, **inputs: Any) -> Link:
        graph[node_id] = {"class_type": class_type, "inputs": inputs, "_meta": {"title": node_id}}
        return [node_id, 0]

    def save(name: str, images: Link) -> None:
        add(f"save {name}", "SaveImage", images=images, filename_prefix=f"demo/{name}")

    source = {"model": inversion["model"], "positive": inversion["conditioning"], "cfg": 1.0}
    rebuilt = add("KSampler (Advanced), source again", "KSamplerAdvanced", **{**edit, **source})
    save("rebuilt", add("decode rebuilt", "VAEDecode", samples=rebuilt, vae=vae))
    save("vae", add("decode source", "VAEDecode", samples=inversion["latent"], vae=vae))
    save("source", paste["source"])
    save("edit", [titled(graph, "Paste over the source"), 0])
    save("edit_unpasted", paste["edited"])
    save("left_mask", add("left mask", "MaskToImage", mask=[clip, 1]))
    save("right_mask", add("right mask", "MaskToImage", mask=[clip, 2]))
    return graph


def asked(prompt: Prompt) -> dict[str, str]:
    """The object that each region should become: the last word of its phrase."""
    sides = ("left", "right")
    return {side: prompt[titled(prompt, f"Region Prompt ({side})")]["inputs"]["phrase"].split()[-1] for side in sides}


# ---- running it -----------------------------------------------------------------------------------------------------


class ProgressLine:
    """The running node and its progress: one line that rewrites itself, or one line per node without a terminal."""

    def __init__(self, prompt: Prompt):
        self.prompt, self.live, self.started = prompt, sys.stdout.isatty(), time.monotonic()

    def __call__(self, step: Progress) -> None:
        if step.text or (not self.live and step.maximum):
            return
        title = self.prompt[step.node_id]["_meta"]["title"]
        counted = f"  {step.value}/{step.maximum}" if step.maximum else ""
        self.show(f"{title}{counted}")

    def show(self, text: str) -> None:
        line = f"[{time.monotonic() - self.started:4.0f} s] {text}"
        print(f"\r\x1b[K{line}" if self.live else line, end="" if self.live else "\n", flush=True)

    def end(self) -> None:
        if self.live:
            print("\r\x1b[K", end="")


def run_graph(server: Server, graph: Prompt, line: ProgressLine) -> dict[str, list[Path]]:
    """Runs the graph; returns the files that each save node wrote, by the node's title."""
    history = server.run(graph, on_progress=line)
    files = {
        graph[node_id]["_meta"]["title"]: server.output_files({"outputs": {node_id: outputs}})
        for node_id, outputs in history["outputs"].items()
    }
    missing = [str(path) for paths in files.values() for path in paths if not path.exists()]
    if missing:
        raise DemoFailed(f"ComfyUI reported files that are not there: {', '.join(missing)}")
    return files


def pictures(paths: list[Path]) -> np.ndarray:
    """The pictures in some files, (F, H, W, 3) uint8."""
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


# ---- measuring it ---------------------------------------------------------------------------------------------------


def psnr(a: np.ndarray, b: np.ndarray, where: np.ndarray | None = None) -> float:
    """PSNR of 8-bit pictures in dB, over the pixels of `where` (F, H, W) bool; at most 99."""
    error = (a.astype(np.float64) - b) ** 2
    mean = (error if where is None else error[where]).mean()
    return round(float(min(99.0, 10 * np.log10(255**2 / max(mean, 1e-9)))), 2)


def measure(frames: dict[str, np.ndarray], prompt: Prompt) -> dict[str, Any]:
    """The report's numbers; `left_word` and `right_word` are the objects that the middle frame shows."""
    source, middle = frames["source"], len(frames["source"]) // 2
    masks = {side: frames[f"{side}_mask"][..., 0] > 127 for side in ("left", "right")}
    background = ~(masks["left"] | masks["right"])
    judge = Judge.load()
    words = {side: judge.names(frames["edit"][[middle]], mask[[middle]])[0] for side, mask in masks.items()}
    return {
        "frames": len(source),
        "steps": prompt[titled(prompt, "DDIM Inversion (Unsample)")]["inputs"]["steps"],
        "reconstruction_psnr": psnr(frames["rebuilt"], source),
        "reconstruction_psnr_worst_frame": min(map(psnr, frames["rebuilt"], source)),
        "vae_psnr": psnr(frames["vae"], source),
        "background_psnr": {
            "with_composite": psnr(frames["edit"], source, background),
            "without_composite": psnr(frames["edit_unpasted"], source, background),
        },
        "background_identical": round(
            float((frames["edit"] == source).all(-1)[background].mean()), 3
        ),  # share of pixels
        "left_word": words["left"].name,
        "right_word": words["right"].name,
        "certainty": {side: round(word.certainty, 3) for side, word in words.items()},
        "asked": asked(prompt),
    }


# ---- showing it -----------------------------------------------------------------------------------------------------


def before_after(frames: dict[str, np.ndarray], prompt: Prompt) -> Image.Image:
    """Rows: source, masks, edit; frames spread over the clip from left to right; a label above each row."""
    words = asked(prompt)
    clip = prompt[titled(prompt, "Demo Clip")]["inputs"]
    left, right = frames["left_mask"][..., :1] > 127, frames["right_mask"][..., :1] > 127
    masks = np.where(left, LEFT_COLOUR, np.where(right, RIGHT_COLOUR, frames["source"] // 2)).astype(np.uint8)
    rows = [
        (f"source: {clip['left']} and {clip['right']}", frames["source"]),
        (f"masks: left to become “{words['left']}”, right “{words['right']}”", masks),
        ("edit", frames["edit"]),
    ]
    count, height, width, _ = frames["source"].shape
    chosen = np.linspace(0, count - 1, min(SHOWN, count)).round().astype(int)
    strip, font = 28, ImageFont.load_default(18)
    sheet = Image.new("RGB", (len(chosen) * width, len(rows) * (height + strip)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (label, shown) in enumerate(rows):
        y = row * (height + strip)
        draw.text((6, y + 2), label, "black", font)
        across = Image.fromarray(np.concatenate(list(shown[chosen]), 1))
        sheet.paste(across, (0, y + strip))
    return sheet


def write(
    out: Path, files: dict[str, list[Path]], frames: dict[str, np.ndarray], report: dict[str, Any], prompt: Prompt
) -> None:
    """Writes all results into the folder; results of an earlier run are removed first."""
    for name in RESULTS:
        (out / name).unlink(missing_ok=True)
    shutil.copy(files["Save the source"][0], out / "source.mp4")
    shutil.copy(files["Save the edit"][0], out / "edit.mp4")
    before_after(frames, prompt).save(out / "before_after.png", optimize=True)
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")


def require_shown(report: dict[str, Any]) -> None:
    """Check that each region shows its object; raises DemoFailed."""
    for side, word in report["asked"].items():
        seen, certainty = report[f"{side}_word"], report["certainty"][side]
        if seen != word or certainty < THERE:
            raise DemoFailed(
                f"the edit does not show what was asked: on the {side} {word!r} with a certainty of {THERE} or more; "
                f"seen: {seen!r} with {certainty}"
            )


def demo(host: Host, out: Path) -> dict[str, Any]:
    """Runs everything, fills `out`, returns the report. Raises ServerError, PromptError, DemoFailed or OSError."""
    started = time.monotonic()
    prompt = json.loads(GRAPH.read_text())
    graph = measured(prompt)
    line = ProgressLine(graph)
    line.show("starting ComfyUI")
    with Server(host.python, host.comfyui, ROOT) as server:
        files = run_graph(server, graph, line)
        line.end()
        frames = {title.removeprefix("save "): pictures(paths) for title, paths in files.items() if "save " in title}
        report = {"seconds": 0.0, "peak_rss_mb": round(server.peak_rss_mb()), **measure(frames, prompt)}
        report["seconds"] = round(time.monotonic() - started, 1)
        write(out, files, frames, report, prompt)
    require_shown(report)
    return report
