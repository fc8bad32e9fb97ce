"""ComfyUI's side of reading clips: its input folder, its VIDEO type, its free memory."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import comfy.model_management
import folder_paths
import torch
from comfy_api.latest import Input, InputImpl

from ..media.backdrop import Colour
from ..media.clip import NODE, Sound, Source
from ..media.images import SUFFIXES as IMAGE_SUFFIXES
from ..media.images import images_in
from ..media.in_memory import Frames
from ..media.load import open_clip
from ..media.rates import exact_rate
from ..media.safe_names import leads_out
from ..media.selection import Trim

CLIP_SUFFIXES = frozenset(
    ".3gp .apng .asf .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .webm .webp .wmv".split()
)
DEMO = "VideoGrain demo clip.mp4 [temp]"  # the pack's own clip, as core writes a file in its temporary folder
DEMO_FILE = Path(__file__).parents[1] / "toybox" / "demo_clip.mp4"
MEMORY_SHARE = 0.8  # of the memory that is free: the nodes after the loader need some too


def listed() -> list[str]:
    """Names of the clips under ComfyUI's input folder, as paths in it: video files, folders of images, the demo clip."""
    root = Path(folder_paths.get_input_directory())
    files, folders = [], []
    for parent, names, here in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        place = Path(parent).relative_to(root)
        suffixes = {name: Path(name).suffix.lower() for name in here if not name.startswith(".")}
        files += [(place / name).as_posix() for name, suffix in suffixes.items() if suffix in CLIP_SUFFIXES]
        if place.parts and IMAGE_SUFFIXES & set(suffixes.values()):
            folders.append(place.as_posix() + "/")
    return [name for name in sorted(files) + sorted(folders) if leads_inside(root, name)] + [DEMO]


def show_demo() -> None:
    """Puts the demo clip where the browser can read it: the pictures on nodes show it before any run."""
    folder = Path(folder_paths.get_temp_directory())
    with suppress(OSError):  # then those pictures are missing, and the node loads it all the same
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DEMO_FILE, folder / DEMO.removesuffix(" [temp]"))


def leads_inside(root: Path, name: str) -> bool:
    """True if a name, links followed, leads to a place in the folder. One that leads out by its letters is not looked up."""
    if leads_out(name):
        return False
    with suppress(OSError, RuntimeError):  # too long a name, links in a circle
        return inside(root, root / name)
    return False


def inside(root: Path, path: Path) -> bool:
    """True if a path, links followed, lies in the folder."""
    return path.resolve().is_relative_to(root.resolve())


def resolve(name: str) -> Path:
    """The path of a clip under ComfyUI's input folder, or of the demo clip.

    Raises ValueError if it is not there, or leads elsewhere.
    """
    root = Path(folder_paths.get_input_directory())
    if name == DEMO:
        return DEMO_FILE
    if not isinstance(name, str):
        raise ValueError(f"`file` is {name!r}, but must be the name of a clip.")
    name = name.removesuffix(" [input]")
    if not name.strip("/. "):
        raise ValueError(
            f"No clip is chosen. Upload one with {NODE}' button, put files or folders of images into ComfyUI's input folder, or connect "
            "`video`."
        )
    safe = found = False
    with suppress(OSError):  # too long a name
        if leads_inside(root, name):
            safe, found = True, (root / name).exists()
    if not safe:
        raise ValueError(f"`file` may only name what lies in ComfyUI's input folder, but {name!r} leads elsewhere.")
    if not found:
        raise ValueError(f"There is no {name!r} in ComfyUI's input folder. Choose another `file`, or upload it.")
    return root / name


def fingerprint(path: Path) -> str:
    """Changes when a file, or an image of a folder, is replaced or changed."""
    files = images_in(path) if path.is_dir() else [path]
    stats = ((file.name, file.stat()) for file in files)
    return str([(name, stat.st_mtime_ns, stat.st_size) for name, stat in stats])


def from_input(name: str, rate: Fraction, background: Colour) -> Source:
    """Opens a clip under ComfyUI's input folder."""
    return open_clip(resolve(name), rate, name.removesuffix(" [input]").rstrip("/"), background=background)


def from_video(video: Input.Video, background: Colour) -> Source:
    """Reads core's VIDEO where it lies: its file, within its trim, or its frames in memory."""
    if isinstance(video, InputImpl.VideoFromComponents):
        parts = video.get_components()
        audio = parts.audio and Sound(parts.audio["waveform"], parts.audio["sample_rate"])
        return Frames(parts.images, exact_rate(parts.frame_rate), audio, background=background)
    file = video.get_stream_source()
    path = Path(file) if isinstance(file, str) else file
    return open_clip(path, name="the video input", window=Trim.seconds(*trim(video)), background=background)


def trim(video: Input.Video) -> tuple[float, float]:
    """(start, duration) in seconds of a VIDEO that Trim Video has shortened; (0, 0) for all of it."""
    if hasattr(video, "get_active_trim_window"):
        return video.get_active_trim_window()
    if not isinstance(video, InputImpl.VideoFromFile):
        return 0.0, 0.0
    # Before 0.24 lengths tell the trim: of the whole file, of what follows the start (as_trimmed drops the duration, not
    # the start) and of the part itself.
    try:
        whole = InputImpl.VideoFromFile(video.get_stream_source()).get_duration()
        rest = video.as_trimmed(0.0, 0.0, strict_duration=False).get_duration()
        part = video.get_duration()
    except (
        ValueError,
        av.error.FFmpegError,
    ):  # a file of unknown length, which Trim Video refuses, or an unreadable one
        return 0.0, 0.0
    return whole - rest, part if part < rest else 0.0


def memory_limit() -> int:
    """Bytes that a clip's frames may take."""
    return int(comfy.model_management.get_free_memory(torch.device("cpu")) * MEMORY_SHARE)
