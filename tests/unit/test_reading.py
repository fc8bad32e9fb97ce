"""No more of a long file is read than what was asked for is in; and what is asked for is the same as when all is read."""

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import footage
import numpy as np
import pytest
import torch

from pack.videograin.media import sound
from pack.videograin.media.load import Clip, load, open_clip
from pack.videograin.media.selection import Pick, Trim

COUNT, RATE = 600, 30  # 20 seconds
FORMATS = {"a.mkv": "libx264", "a.mp4": "libx264", "a.webm": "libvpx", "a.avi": "mpeg4", "a.ts": "libx264"}
INDEXED = [name for name in FORMATS if name[2:] in ("mkv", "mp4", "webm")]  # where reading can begin late


class Counted(BytesIO):
    """A file in memory that counts the bytes that are read from it."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Films of about 5 MB: noise under a bar that tells the frame, a key frame every second, B-frames, sound."""
    folder, films = tmp_path_factory.mktemp("media"), {}
    noise = np.random.default_rng(0).integers(0, 256, (COUNT, 48, 80, 3), dtype=np.uint8)
    for number, picture in enumerate(noise):
        picture[:8] = 0
        for bit in range(10):  # the frame's number in black and white
            picture[:8, 8 * bit : 8 * bit + 8] = 255 * (number >> bit & 1)
    tone = np.sin(np.arange(48_000 * COUNT // RATE) ** 1.1 / 30)[None].astype(np.float32)

    def film(name: str) -> Path:
        if name not in films:
            options = {"g": "30", "b": "2000000", "bf": "2"}
            if FORMATS[name] == "libvpx":
                options = {"g": "30", "b": "2000000", "deadline": "realtime", "cpu-used": "8"}
            films[name] = footage.write(folder / name, noise, FORMATS[name], RATE, audio=tone, options=options)
        return films[name]

    return film


@pytest.fixture(scope="module")
def whole(long):
    """All of a film, read to its end."""
    clips = {}

    def clip(name: str) -> Clip:
        if name not in clips:
            source = open_clip(long(name))
            clips[name] = load(source)
            assert source.facts.header == "" and len(source.facts.starts) == COUNT
        return clips[name]

    return clip


def numbers(frames: torch.Tensor) -> list[int]:
    bits = frames[:, 2:6].mean((1, 3)).reshape(-1, 10, 8).mean(-1) > 0.5
    return (bits * 2 ** torch.arange(10)).sum(1).tolist()


def taken(path: Path, pick: Pick, trim: Trim):
    """(clip, share of the file that was read for it)"""
    file = Counted(path.read_bytes())
    clip = load(open_clip(file), pick, trim=trim)
    return clip, file.taken / len(file.getbuffer())


ASKED = {
    "cap": (Pick(cap=4), Trim(), range(4)),
    "cap at a rate": (Pick(Fraction(15), 2, 2, 4), Trim(), range(4, 20, 4)),
    "cap in groups": (Pick(cap=7, group=4), Trim(), range(5)),
    "duration in groups": (Pick(group=4), Trim(duration=Fraction(1, 5)), range(5)),
    "duration": (Pick(), Trim(duration=Fraction(1, 5)), range(6)),
    "duration at a rate": (Pick(Fraction(10)), Trim(Fraction(1, 10), Fraction(1, 2)), range(3, 18, 3)),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("asked", ASKED)
def test_reading_stops_when_it_has_what_was_asked(long, name, asked):
    pick, trim, expected = ASKED[asked]
    clip, share = taken(long(name), pick, trim)
    assert numbers(clip.frames) == list(expected)
    assert share < 0.7, f"{share:.2f} of the file was read"


@pytest.mark.parametrize(
    ("cap", "kept", "said"),
    [(7, 5, "2 frames at the end"), (6, 5, "1 frame at"), (5, 5, ""), (3, 1, "2 frames"), (1, 1, "")],
)
def test_frames_that_would_not_fill_a_group_are_left_out_and_told(long, cap, kept, said):
    """With the sound of what is left."""
    clip = load(open_clip(long("a.mkv")), Pick(cap=cap, group=4))
    assert len(clip.frames) == kept and clip.sound.waveform.shape[-1] == round(kept / clip.fps * 48000)
    assert ("left out: the count is 1 and a multiple of 4" in clip.info) == bool(said) and said in clip.info


@pytest.mark.parametrize("name", INDEXED)
@pytest.mark.parametrize("start", [10.0, 18.033])
@pytest.mark.parametrize("pick", [Pick(cap=4), Pick(Fraction(10), 1, 2, 4), Pick(Fraction(0), 3, 2, 5)], ids=str)
def test_reading_begins_near_a_late_start(long, whole, name, start, pick):
    trim = Trim(Fraction(start).limit_denominator(1000))
    clip, share = taken(long(name), pick, trim)
    assert share < 0.6, f"{share:.2f} of the file was read"
    step = RATE // int(pick.rate or RATE)
    first = round(start * RATE) + pick.skip * step
    chosen = slice(first, first + pick.cap * pick.every * step, pick.every * step)
    assert numbers(clip.frames) == list(range(COUNT))[chosen]
    frames, _, sound, *_ = whole(name)
    assert torch.equal(clip.frames, frames[chosen])
    assert clip.sound.waveform.shape[-1] == round(len(clip.frames) / clip.fps * 48000)
    heard, at = clip.sound.waveform[0, 0, 48:-48], round(first / RATE * 48000) + 48
    shifted = [sound.waveform[0, 0, at + shift :][: len(heard)] for shift in range(-48, 49)]  # WebM rounds both to 1 ms
    assert max(float(torch.corrcoef(torch.stack([heard, other]))[0, 1]) for other in shifted) > 0.99


@pytest.mark.parametrize("name", FORMATS)
def test_a_late_part_is_the_same_in_every_container(long, name):
    for start in (0.5, 9.967, 19.9):
        clip = load(open_clip(long(name)), Pick(cap=3), trim=Trim(Fraction(start).limit_denominator(1000)))
        assert numbers(clip.frames) == list(range(round(start * RATE), round(start * RATE) + 3))


def test_a_cap_that_is_never_reached_reads_all(long, whole):
    for trim, count in ((Trim(), COUNT), (Trim(Fraction(15)), COUNT - 450)):
        clip = load(open_clip(long("a.mkv")), Pick(cap=COUNT + 1), trim=trim)
        assert numbers(clip.frames) == list(range(COUNT - count, COUNT))
    assert "600 frames, 20.00 s, audio" in whole("a.mkv").info


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_info_says_where_the_length_was_not_counted(long, name):
    info = load(open_clip(long(name)), Pick(cap=4)).info
    assert "30 fps, 600 frames, 20.00 s by its header, audio" in info
    assert "from 0.00 to 0.13 s, 0.13 s of sound" in info


def test_a_video_of_another_node_is_read_near_its_window_only(long):
    for window, expected in (((12.0, 0.2), range(360, 366)), ((0.0, 0.1), range(3)), ((19.9, 0.0), range(597, 600))):
        file = Counted(long("a.mp4").read_bytes())
        clip = load(open_clip(file, window=Trim.seconds(*window)))
        assert numbers(clip.frames) == list(expected)
        assert file.taken < 0.6 * len(file.getbuffer())
        assert clip.sound.waveform.shape[-1] == len(expected) * 1600


def test_sound_that_is_over_is_not_looked_for_to_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(sound, "APART", Fraction(1))
    noise = np.random.default_rng(0).integers(0, 256, (300, 48, 80, 3), dtype=np.uint8)
    path = footage.write(tmp_path / "a.mkv", noise, "libx264", RATE, audio=np.ones((1, 9600), np.float32) / 2)
    clip, share = taken(path, Pick(cap=12), Trim())
    assert clip.sound.waveform.shape[-1] == 19_200 and share < 0.8
    assert clip.sound.waveform[0, 0, 4000:8000].min() > 0.3 and (clip.sound.waveform[0, 0, 12_000:] == 0).all()


def test_one_source_can_be_asked_for_more(long):
    source = open_clip(long("a.mkv"))
    for pick, expected in ((Pick(cap=2), range(2)), (Pick(skip=300, cap=2), range(300, 302)), (Pick(), range(COUNT))):
        assert numbers(load(source, pick).frames) == list(expected)
    late = Trim(Fraction(10))
    source = open_clip(long("a.mp4"))
    for trim, expected in ((late, range(300, 303)), (Trim(), range(3)), (late, range(300, 303))):
        assert numbers(load(source, Pick(cap=3), trim=trim).frames) == list(expected)
    assert len(source.facts.starts) == COUNT


def test_an_uneven_clips_rate_is_that_of_the_frames_loaded(tmp_path):
    """Ten frames a second for 3 s, then uneven ones: the first are even, and play with their sound."""
    times = [*np.arange(30) / 10, *(3 + np.cumsum(np.random.default_rng(0).integers(15, 160, 60)) / 1000)]
    path = footage.write(tmp_path / "a.mkv", footage.scene(90, 16, 64), "libx264", times=times)
    clip = load(open_clip(path), Pick(cap=8))
    assert clip.fps == pytest.approx(10, abs=0.01) and "not evenly" not in clip.info
    assert load(open_clip(path)).fps == pytest.approx(89 / times[-1], abs=0.1)
