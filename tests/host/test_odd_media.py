"""Broken and odd clips into Load Video Frames: a clear error or the right frames, at once, in little memory."""

import time
from fractions import Fraction
from pathlib import Path

import folder_paths
import footage
import numpy as np
import odd_media as odd
import pytest
import torch
from comfy_api.latest import InputImpl, Types
from compatibility import REFUSED, WORKS, claim

from pack.benchmarks.timing import machine
from pack.nodes.video import LoadVideoFrames
from pack.videograin.media import limits

pytestmark = pytest.mark.once

SETTINGS = {"force_rate": 0.0, "skip": 0, "every_nth": 1, "cap": 0, "size": "keep", "width": 64, "height": 64}
SECONDS, MEGABYTES = 5.0, 200.0  # that refusing a file may take


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path))
    return tmp_path


def run(path: Path, **changes):
    name = path.relative_to(folder_paths.get_input_directory()).as_posix()
    return LoadVideoFrames.execute(name, **(SETTINGS | changes)).result


def as_bytes(frames: torch.Tensor) -> np.ndarray:
    return (frames * 255).round().to(torch.uint8).numpy()


NO_VIDEO = r"{name} is not a video that can be read \(.+\): it is damaged, cut off before its index, or something else"
EMPTY = r"{name} is empty \(0 bytes\)\. Copy"
LARGE = r"{name} says it is .+ pixels, but Load Video Frames reads at most 67,108,864 pixels a frame \(LARGEST_FRAME"
NOISE = np.random.default_rng(0).bytes(20_000)
REFUSALS = {
    "A video of 0 bytes": (odd.holding("clip.mp4", b""), EMPTY),
    "A GIF of 0 bytes": (odd.holding("clip.gif", b""), EMPTY),
    "Text called .mp4": (odd.holding("clip.mp4", b"<html>404 Not Found</html>"), NO_VIDEO),
    "UTF-16 text called .mp4": (odd.holding("clip.mp4", "not found".encode("utf-16")), NO_VIDEO),
    "Random bytes called .mp4": (odd.holding("clip.mp4", NOISE), NO_VIDEO),
    "Random bytes called .webp": (odd.holding("clip.webp", NOISE), NO_VIDEO),
    "A ZIP archive called .mp4": (odd.archive, NO_VIDEO),
    "A video cut off before its index": (odd.changed(odd.clip, lambda data: data[:600]), NO_VIDEO),
    "A video cut off in the middle": (
        odd.changed(odd.index_first, lambda data: data[: len(data) // 2]),
        r"{name} is cut off: \d+ frames .* can be read, .* set Load Video Frames' `cap` to \d+ or less",
    ),
    "A GIF cut off in its header": (odd.changed(odd.picture("clip.gif"), lambda data: data[:20]), "{name}: not one|{name} is"),
    "A WebP cut off in the middle": (
        odd.changed(odd.picture("clip.webp"), lambda data: data[: len(data) // 2]), "{name} is (damaged|not)",
    ),
    "A file with sound and no video": (odd.sound_only, "{name} has no video stream: it holds audio aac"),
    "A named pipe": (odd.pipe, "There is no file or folder {name}"),
    "A PNG of 60000×60000 pixels by its header": (odd.changed(odd.picture("clip.png"), odd.png_header), LARGE),
    "An animated WebP of 60000×60000 pixels by its header": (
        odd.changed(odd.picture("clip.webp", lossless=True), odd.webp_canvas), LARGE,
    ),
    "A BMP of 60000×60000 pixels by its header": (odd.changed(odd.picture("clip.bmp"), odd.bmp_header), LARGE),
    "A GIF of 16000×16000 pixels by its header": (odd.changed(odd.picture("clip.gif"), odd.gif_screen), LARGE),
    "A MOV of 16000×16000 pixels by its header": (
        odd.changed(lambda folder: odd.glass(folder, "clip.mov", "qtrle", "argb"), odd.mov_sample_entry), LARGE,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(name, id=name, marks=claim("bad input", name, REFUSED)) for name in REFUSALS]
)
def test_refused(folder, name):
    make, said = REFUSALS[name]
    path = make(folder)
    assert LoadVideoFrames.validate_inputs(path.name) is True  # which looks at no content
    with pytest.raises(ValueError, match=said.format(name=path.name)) as told:
        run(path)
    assert str(folder) not in str(told.value)  # a file's name tells enough


@pytest.mark.parametrize("name", [name for name in REFUSALS if "by its header" in name])
def test_a_decompression_bomb_takes_neither_memory_nor_time(folder, name):
    path, began = REFUSALS[name][0](folder), time.perf_counter()

    def refused():
        with pytest.raises(ValueError, match="LARGEST_FRAME"):
            run(path)

    _, grown = machine.peak_mb(refused, torch.device("cpu"))
    assert grown < MEGABYTES and time.perf_counter() - began < SECONDS


@claim("bad input", "More frames than the limit", REFUSED)
@pytest.mark.parametrize("kind", ["video", "animated WebP", "folder"])
def test_too_many_frames(folder, monkeypatch, kind):
    colours = [(i, i, i) for i in range(10)]
    make = {"video": odd.clip, "animated WebP": odd.picture("clip.webp"), "folder": lambda f: odd.sequence(f, *colours)}
    path = make[kind](folder)
    monkeypatch.setattr(limits, "MOST_FRAMES", 2)
    with pytest.raises(ValueError, match=r"holds more than 2 frames, .* \(MOST_FRAMES\)\. Cut it"):
        run(path)


@claim("bad input", "Times that leap by years", REFUSED)
def test_sound_of_years(folder):
    tone = np.zeros((1, 48000), np.float32)
    path = odd.clip(folder, "leap.mkv", 3, times=[0, 0.04, 2_000_000], audio=tone)
    with pytest.raises(
        ValueError, match=r"leap\.mkv: the sound of 2000\d\d\d s at 48000 Hz takes .* GB.*`duration` or"
    ):
        run(path)
    assert run(path, duration=1.0)[0].shape == (2, 48, 64, 3)  # what the message says


@claim("bad input", "A picture too large among a folder's", REFUSED)
def test_a_bomb_in_a_folder(folder):
    path = odd.sequence(folder, (1, 2, 3), (4, 5, 6))
    odd.changed(odd.picture("f9.png"), odd.png_header)(path)
    with pytest.raises(ValueError, match=r"f9\.png says it is .*LARGEST_FRAME"):
        run(path)


# ---- odd, and right -------------------------------------------------------------------------------------------------


def odd_size(folder: Path) -> Path:
    return footage.write(folder / "odd.mp4", footage.scene(3, 47, 61), "libx264", pixels="yuv444p")


ODDITIES = {
    "A video of one frame": (lambda folder: odd.clip(folder, count=1), (1, 48, 64)),
    "A GIF of one frame": (lambda folder: odd.clip(folder, "one.gif", 1, "gif", pixels="rgb8"), (1, 48, 64)),
    "Sides of odd length": (odd_size, (3, 47, 61)),
    "10 bits a colour": (lambda folder: odd.clip(folder, count=3, pixels="yuv420p10le"), (3, 48, 64)),
    "Frames at uneven times": (lambda folder: odd.clip(folder, "v.mkv", 3, times=[0, 0.04, 0.9]), (3, 48, 64)),
    "A video called .png": (lambda folder: odd.clip(folder).rename(folder / "clip.png"), (10, 48, 64)),
    "A picture called .mp4": (lambda folder: odd.picture("still.png")(folder).rename(folder / "a.mp4"), (1, 48, 64)),
    "Images in a folder's folder": (lambda folder: odd.sequence(folder, (9, 9, 9), (90, 90, 90)), (2, 48, 64)),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, id=name, marks=claim("bad input", name, WORKS)) for name in ODDITIES]
)
def test_odd_and_right(folder, name):
    make, shape = ODDITIES[name]
    frames = run(make(folder))[0]
    assert frames.shape == (*shape, 3) and frames.min() >= 0 and frames.max() <= 1
    assert frames.std() > 0.1 or "image" in name.lower() or "picture" in name  # those are of one colour


# A display matrix and what it does to a picture (H, W, 3). ffmpeg turns frames alike.
TURNS = {
    "0": ((1, 0, 0, 1), lambda p: p),
    "90": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "180": ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
    "270": ((0, -1, 1, 0), lambda p: np.rot90(p, 1)),
    "mirrored": ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda p: p[::-1]),
    "transposed": ((0, 1, 1, 0), lambda p: p.swapaxes(0, 1)),
    "transposed and turned": ((0, -1, -1, 0), lambda p: np.rot90(p.swapaxes(0, 1), 2)),
}


@claim("bad input", "A phone's video, turned or mirrored by its header", WORKS)
@pytest.mark.parametrize("name", TURNS)
def test_a_phones_video_is_upright(folder, name):
    matrix, expected = TURNS[name]
    upright = as_bytes(run(odd.clip(folder, count=2))[0])
    path = odd.turned(matrix)(folder)
    frames = as_bytes(run(path)[0])
    assert (frames == np.stack([expected(picture) for picture in upright])).all()
    if footage.shutil.which("ffmpeg"):
        assert (frames == footage.ffmpeg_frames(path, *frames.shape[1:3])).all()


REALTIME = {"deadline": "realtime", "cpu-used": "8"}
GLASS = {
    "vp9.webm": lambda f: odd.glass(f, "vp9.webm", "libvpx-vp9", "yuva420p", **REALTIME),
    "vp8.webm": lambda f: odd.glass(f, "vp8.webm", "libvpx", "yuva420p", **REALTIME, **{"auto-alt-ref": "0"}),
    "prores.mov": lambda f: odd.glass(f, "prores.mov", "prores_ks", "yuva444p10le"),
    "qtrle.mov": lambda f: odd.glass(f, "qtrle.mov", "qtrle", "argb"),
    "ffv1.mkv": lambda f: odd.glass(f, "ffv1.mkv", "ffv1", "bgra"),
    "a.apng": lambda f: odd.glass(f, "a.apng", "apng", "rgba"),
    "a.gif": lambda f: odd.moving_glass(f, "a.gif"),
    "a.webp": lambda f: odd.moving_glass(f, "a.webp"),
    "a.png": lambda f: odd.moving_glass(f, "a.png"),
}


@claim("bad input", "Transparency in WebM, MOV, MKV, GIF, APNG and WebP", WORKS)
@pytest.mark.parametrize("name", GLASS)
def test_transparent_parts_show_the_background(folder, name):
    path = GLASS[name](folder)
    for text, colour in (
        ("#ffffff", (255,) * 3),
        ("#000000", (0,) * 3),
        ("#0040ff", (0, 64, 255)),
        ("lime", (0, 255, 0)),
    ):
        frames = as_bytes(run(path, background=text)[0]).astype(int)
        assert frames.shape == (4, 48, 96, 3)
        red, ground = np.array([200, 0, 0]), np.array(colour)
        middle = ground if name == "a.gif" else (128 * red + 127 * ground) / 255
        for columns, truth in ((slice(4, 28), red), (slice(36, 60), middle), (slice(68, 92), ground)):
            assert np.abs(frames[:, 4:-4, columns] - truth).max() <= (2 if name[-4:] in ("apng", ".gif", "webp") else 9)
    assert torch.equal(run(path)[0], run(path, background="white")[0])


def test_transparent_frames_of_another_node(folder):
    images = torch.rand(3, 8, 8, 4)
    video = InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=None, frame_rate=Fraction(6)))
    frames = LoadVideoFrames.execute("", **SETTINGS, video=video, background="#ff0000").result[0]
    alpha = images[..., 3:]
    assert torch.allclose(frames, images[..., :3] * alpha + torch.tensor([1.0, 0, 0]) * (1 - alpha), atol=1e-6)


@claim("bad input", "A background that is no colour", REFUSED)
@pytest.mark.parametrize("text", ["", "image", "#12", "rgb(", "\0"])
def test_no_colour(folder, text):
    with pytest.raises(ValueError, match=r"Load Video Frames' `background` is .* but must be a colour: #RRGGBB"):
        run(odd.clip(folder, count=1), background=text)
