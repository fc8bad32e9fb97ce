"""The part of a clip by seconds: the same frames and sound as the whole clip has there, and all settings within it."""

from fractions import Fraction
from pathlib import Path

import footage
import numpy as np
import pytest
import torch
from PIL import Image

from pack.videograin.media.clip import Sound
from pack.videograin.media.in_memory import Frames
from pack.videograin.media.load import load, open_clip
from pack.videograin.media.resize import Fit
from pack.videograin.media.selection import Pick, Trim

TONE = np.sin(np.arange(96_000) ** 1.2 / 60)[None].astype(np.float32)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """50 frames in 2 seconds, with sound."""
    path = tmp_path_factory.mktemp("media") / "clip.mkv"
    return footage.write(path, footage.scene(50, 48, 256), "libx264", audio=TONE)


@pytest.mark.parametrize(
    ("trim", "first", "last"),
    [
        (Trim.seconds(0.4), 10, 50),
        (Trim.seconds(0.4, 0.2), 10, 15),
        (Trim.seconds(0, 0.2), 0, 5),
        (Trim.seconds(0.39, 0.05), 10, 11),  # a frame counts from when it appears
        (Trim.seconds(1.96), 49, 50),
        (Trim.seconds(0, 1_000_000), 0, 50),
    ],
)
def test_frames_and_sound_are_the_whole_clips(clip, trim, first, last):
    whole, part = load(open_clip(clip)), load(open_clip(clip), trim=trim)
    assert torch.equal(part.frames, whole.frames[first:last])
    heard = whole.sound.waveform[..., first * 1920 : last * 1920]
    assert part.sound.waveform.shape == heard.shape
    assert torch.allclose(part.sound.waveform, heard, atol=1e-3)  # a codec begins with what came before
    assert part.fps == whole.fps
    assert f"from {first / 25:.2f} to {last / 25:.2f} s" in part.info and "50 frames, 2.00 s" in part.info


def test_without_a_trim_nothing_changes(clip):
    assert load(open_clip(clip)).info == load(open_clip(clip), trim=Trim()).info
    facts = open_clip(clip).facts
    assert Trim().facts(facts) is facts


@footage.needs_ffmpeg
@pytest.mark.parametrize(("start", "end"), [(0.5, 1.0), (1.0, 9.0), (0.1, 0.35)])
def test_agrees_with_ffmpegs_trim_filter_at_uneven_times(tmp_path, start, end):
    times = np.cumsum([0, *np.random.default_rng(0).integers(15, 160, 29)]) / 1000
    path = footage.write(tmp_path / "clip.mkv", footage.scene(30), "libx264", times=times)
    part = load(open_clip(path), trim=Trim.seconds(start, end - start))
    cut = f"trim=start={start}:end={end},setpts=PTS-STARTPTS"
    expected = footage.ffmpeg_frames(path, 96, 128, "-vf", cut, "-vsync", "passthrough")
    assert ((part.frames * 255).round().byte().numpy() == expected).all()


@pytest.mark.parametrize("pick", [Pick(Fraction(10)), Pick(Fraction(10), 2, 3, 4), Pick(Fraction(0), 3, 2, 5)], ids=str)
def test_rate_skip_every_and_cap_count_within_the_part(clip, pick):
    source, trim = open_clip(clip), Trim.seconds(0.4, 1.2)
    inner = Frames(load(source).frames[10:40], Fraction(25))  # the part as a clip of its own
    part = load(source, pick, trim=trim)
    assert torch.equal(part.frames, load(inner, pick).frames)
    assert len(part.frames) == pick.count(trim.facts(source.facts)) and part.fps == load(inner, pick).fps


def test_every_kind_of_clip(tmp_path):
    folder, pictures = tmp_path / "shots", [Image.fromarray(array) for array in footage.scene(6, 48, 64)]
    folder.mkdir()
    for number, picture in enumerate(pictures):
        picture.save(folder / f"f{number}.png")
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=100, lossless=True)
    sound = Sound(torch.rand(1, 2, 4800), 8000)
    expected = torch.stack([torch.from_numpy(np.array(picture)) for picture in pictures]).float() / 255
    for source in (
        open_clip(folder, Fraction(10)),
        open_clip(tmp_path / "a.webp"),
        Frames(expected, Fraction(10), sound),
    ):
        part = load(source, trim=Trim.seconds(0.2, 0.3))
        assert torch.equal(part.frames, expected[2:5])
        assert part.sound is None or torch.equal(part.sound.waveform, sound.waveform[..., 1600:4000])


def test_a_part_of_a_part(clip):
    """A VIDEO's own trim comes first."""
    source = open_clip(clip, window=Trim.seconds(0.4, 1.0))
    assert torch.equal(load(source, trim=Trim.seconds(0.2, 0.2)).frames, load(open_clip(clip)).frames[15:20])


@pytest.mark.parametrize(
    ("trim", "fix"), [(Trim.seconds(2), "`start_time`."), (Trim.seconds(0.01, 0.02), "or raise `duration`")]
)
def test_nothing_in_the_part(clip, trim, fix):
    with pytest.raises(
        ValueError, match=r"No frame of clip\.mkv appears from .* lasts 2\.00 s, .* at 1\.960 s"
    ) as told:
        load(open_clip(clip), trim=trim)
    assert fix in str(told.value)


def test_messages_name_the_part(clip):
    with pytest.raises(ValueError, match=r"clip\.mkv \(from 1 s on for 0\.4 s\) has 10 frames.*`skip` to at most 9"):
        load(open_clip(clip), Pick(skip=10), trim=Trim.seconds(1, 0.4))


def test_the_whole_part_of_a_file_that_is_cut_off_later(tmp_path):
    noisy = np.random.default_rng(0).integers(0, 256, (50, 48, 64, 3), dtype=np.uint8)
    path = footage.write(tmp_path / "cut.mp4", noisy, "libx264", container={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    with pytest.raises(ValueError, match="is cut off"):
        load(open_clip(path), trim=Trim.seconds(0.2))
    assert len(load(open_clip(path), trim=Trim.seconds(0.2, 0.4)).frames) == 10


def test_what_comes_before_can_be_cancelled_and_shows_progress(clip):
    seen = []
    load(open_clip(clip), Pick(cap=2), Fit(), watch=seen.append, trim=Trim.seconds(1.0))
    assert len(seen) > 25 and seen == sorted(seen) and seen[0] < 0.1 and seen[-1] == 1.0
