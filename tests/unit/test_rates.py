"""Frame times that containers round: none doubled, none lost, counts and sound alike in every container and time base."""

from fractions import Fraction
from math import ceil
from pathlib import Path

import av
import footage
import numpy as np
import pytest
import torch
from PIL import Image

from pack.videograin.media.in_memory import Frames
from pack.videograin.media.load import load, open_clip
from pack.videograin.media.rates import MILLISECOND, Rhythm, exact_rate, rhythm
from pack.videograin.media.selection import Pick, Trim

COUNT = 120  # frames
PICTURES = footage.scene(COUNT, 16, 4 * COUNT)
FAST = {"deadline": "realtime", "cpu-used": "8"}
TONE = np.sin(np.arange(48_000 * 4 + 9600) ** 1.2 / 60)[None].astype(np.float32)
CODECS = {"webm": "libvpx", "flv": "flv", "avi": "mpeg4", "mpg": "mpeg2video"}
RATES = {"24": Fraction(24), "23.976": Fraction(24000, 1001), "25": Fraction(25), "29.97": Fraction(30000, 1001),
         "30": Fraction(30), "50": Fraction(50), "59.94": Fraction(60000, 1001), "60": Fraction(60)}  # fmt: skip
TIMESCALES = ("600", "1000", "90000", "100")
KINDS = [f"{rate} {name}" for name in ("a.mkv", "a.webm", "a.flv") for rate in ("23.976", "29.97", "30", "60")]
KINDS += ["50 a.mkv", "59.94 a.mkv", "59.94 a.ts", "30 a.ts", "24 a.avi", "29.97 a.mpg", "25 a.mkv"]
KINDS += [f"{rate} a.mp4 {scale}" for scale in TIMESCALES for rate in ("23.976", "29.97", "30")]
KINDS += ["59.94 a.mp4 600", "59.94 a.mp4 1000", "30 copied.mp4", "59.94 copied.mp4"]


def encode(path: Path, rate: Fraction, scale: str = "", **settings) -> Path:
    codec = CODECS.get(path.suffix[1:], "libx264")
    options = FAST if codec == "libvpx" else {"preset": "ultrafast"} if codec == "libx264" else {}
    container = {"video_track_timescale": scale} if scale else {}
    return footage.write(path, PICTURES, codec, rate, options=options, container=container, **settings)


def copied(source: Path, path: Path) -> Path:
    """Another container of the same packets, whose finer times are still those that the first one rounded."""
    with av.open(str(source)) as before, av.open(str(path), "w") as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        for packet in before.demux(before.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                after.mux(packet)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder, clips = tmp_path_factory.mktemp("media"), {}

    def clip(kind: str, audio: np.ndarray | None = None) -> tuple[Path, Fraction]:
        rate, name, *scale = kind.split()
        if kind not in clips:
            path = folder / "_".join([rate, *scale, name])
            if name.startswith("copied"):
                clips[kind] = copied(clip(f"{rate} a.mkv")[0], path)
            else:
                clips[kind] = encode(path, RATES[rate], *scale, audio=audio)
        return clips[kind], RATES[rate]

    return clip


def numbers(frames: torch.Tensor) -> list[int]:
    """Which frames these are: the place of the white bar."""
    return [int(frame.amin(-1).mean(0).reshape(-1, 4).mean(1).argmax()) for frame in frames]


@pytest.mark.parametrize("kind", KINDS)
def test_at_its_own_rate_no_frame_is_doubled_and_none_lost(made, kind):
    path, rate = made(kind)
    source = open_clip(path)
    own = source.facts.rate
    assert own == rate or (kind.endswith(" 100") and abs(own / rate - 1) < 0.002)  # 5 s in 1/100 s can tell no more
    for forced, expected in (
        (Fraction(0), list(range(COUNT))),
        (rate, list(range(COUNT))),
        (rate / 2, list(range(0, COUNT, 2))),
        (rate / 3, list(range(0, COUNT, 3))),
        (rate * 2, [number // 2 for number in range(2 * COUNT)]),
    ):
        pick = Pick(forced)
        clip = load(source, pick)
        assert numbers(clip.frames) == expected, forced
        assert pick.count(source.facts) == len(expected) and clip.fps == float(forced or own)
    assert f"{COUNT} frames, {float(COUNT / rate):.2f} s" in clip.info


@pytest.mark.parametrize(
    "kind", ["30 a.mkv", "23.976 a.webm", "59.94 a.ts", "29.97 a.flv", "29.97 a.mp4 600", "30 copied.mp4"]
)
def test_another_rate_shows_what_is_on_screen_then(made, kind):
    path, rate = made(kind)
    for forced in (Fraction(8), Fraction(10), Fraction(25), exact_rate(29.97)):
        ticks = range(ceil(COUNT / rate * forced))
        assert numbers(load(open_clip(path), Pick(forced)).frames) == [int(i / forced * rate) for i in ticks], forced


@pytest.mark.parametrize("start", [0.033, 0.067, 0.1, 0.5, 1.001, 1.967])
def test_a_start_in_milliseconds_means_the_same_frame_everywhere(made, start):
    first, trim = ceil(start * 30 - 0.015), Trim(Fraction(start).limit_denominator(1000), Fraction(1, 5))
    for kind in ("30 a.mkv", "30 a.webm", "30 a.flv", "30 a.ts", "30 a.mp4 90000", "30 a.mp4 600", "30 copied.mp4"):
        for pick in (Pick(), Pick(Fraction(30)), Pick(Fraction(15)), Pick(Fraction(30), cap=4)):
            clip = load(open_clip(made(kind)[0]), pick, trim=trim)
            assert (
                numbers(clip.frames) == list(range(first, first + 6))[:: 2 if pick.rate == 15 else 1][: pick.cap or 6]
            )
            assert f"from {first / 30:.2f} to" in clip.info


def test_the_window_of_a_video_means_the_same_frames_too(made):
    for kind in ("30 a.mkv", "30 a.mp4 90000", "30 a.flv", "30 copied.mp4"):
        path = made(kind)[0]
        for pick in (Pick(), Pick(Fraction(30))):
            assert numbers(load(open_clip(path, window=Trim.seconds(0.067, 0.2)), pick).frames) == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("name", ["a.mkv", "a.flv", "a.mp4", "a.ts"])
@pytest.mark.parametrize(
    "pick", [Pick(), Pick(skip=1, cap=4), Pick(Fraction(30), 5, 3, 7), Pick(Fraction(15), 1, 1, 9)]
)
def test_the_sound_is_as_long_as_the_frames_and_begins_with_them(made, name, pick):
    clip = load(open_clip(made(f"30 heard_{name}", TONE)[0]), pick)
    seconds = len(clip.frames) * pick.every / (pick.rate or 30)
    waveform, rate = clip.sound
    assert (waveform.shape[-1], rate) == (round(seconds * 48000), 48000)
    first = round(pick.skip / (pick.rate or 30) * 48000)
    heard, expected = waveform[0, 0], torch.from_numpy(TONE[0, first : first + waveform.shape[-1]])
    lags = range(-60, 61, 4)  # FLV and TS round the sound's own times
    inner = slice(200, min(len(heard) - 200, 48_000))
    matches = [torch.corrcoef(torch.stack([heard.roll(lag)[inner], expected[inner]]))[0, 1] for lag in lags]
    assert max(matches) > 0.95


def test_left_out_frames_are_held_and_the_others_keep_their_turns(tmp_path):
    """A screen recording: 30 frames per second, stored in milliseconds, without those that show nothing new."""
    turns = np.flatnonzero(np.random.default_rng(0).random(COUNT) < 0.7)
    turns = np.concatenate([[0], turns[turns > 0]])
    path = footage.write(tmp_path / "a.mkv", PICTURES[: len(turns)], "libx264", 30, times=turns / 30)
    for start in (0, 10):
        clip = load(open_clip(path), Pick(Fraction(30)), trim=Trim(Fraction(int(turns[start]), 30)))
        ticks = np.arange(turns[start], turns[-1] + 1)
        assert numbers(clip.frames)[: len(ticks)] == list(np.searchsorted(turns, ticks, "right") - 1)


def test_one_odd_time_does_not_undo_the_rhythm(tmp_path):
    times = np.arange(40) / 30
    times[20] += 0.007
    path = footage.write(tmp_path / "a.mkv", PICTURES[:40], "libx264", 30, times=times)
    shown = numbers(load(open_clip(path), Pick(Fraction(30))).frames)
    assert shown == [*range(20), 19, *range(21, 40)]  # the odd one is late for its turn


def test_uneven_times_stay_as_they_are():
    times = [Fraction(int(time), 1000) for time in np.cumsum([0, *np.random.default_rng(0).integers(15, 160, 29)])]
    found = rhythm(times, [Fraction(25), Fraction(1000)], MILLISECOND)
    assert found.rate == 0 and [found.exact(time) for time in times] == times


def test_no_time_moves_by_more_than_it_may_have_been_rounded():
    found = Rhythm(Fraction(0), Fraction(30), MILLISECOND)
    assert found.exact(Fraction(33, 1000)) == Fraction(1, 30)
    assert found.exact(Fraction(35, 1000)) == Fraction(35, 1000)


@pytest.mark.parametrize("rate", [Fraction(2000), Fraction(1000), Fraction(240), Fraction(1), Fraction(1, 60)], ids=str)
def test_very_fast_and_very_slow_clips(rate):
    times = [Fraction(round(i / rate * 90000), 90000) for i in range(40)]
    found = rhythm(times, [rate], Fraction(1, 90000))
    assert found.rate == rate and [found.exact(time) for time in times] == [i / rate for i in range(40)]


def test_an_animated_webp_rounds_to_milliseconds(tmp_path):
    pictures = [Image.fromarray(array) for array in PICTURES[:31]]
    durations = np.diff(np.round(np.arange(32) * 1000 / 30)).astype(int).tolist()
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], lossless=True, duration=durations)
    for forced, step in ((Fraction(30), 1), (Fraction(15), 2)):
        clip = load(open_clip(tmp_path / "a.webp"), Pick(forced))
        assert numbers(clip.frames) == list(range(0, 31, step))
    assert load(open_clip(tmp_path / "a.webp")).fps == 30.0


@pytest.mark.parametrize(
    ("typed", "exact"),
    [
        (29.97, Fraction(30000, 1001)),
        (29.97002997002997, Fraction(30000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (119.88, Fraction(120000, 1001)),
        (Fraction(2997, 100), Fraction(30000, 1001)),
        (float(Fraction(15000, 1001)), Fraction(15000, 1001)),  # half of it, over a link
        (0.0, Fraction(0)),
        (24.0, Fraction(24)),
        (30.0, Fraction(30)),
        (29.95, Fraction(599, 20)),
        (12.5, Fraction(25, 2)),
        (7.0, Fraction(7)),
    ],
)
def test_the_rate_that_is_meant(typed, exact):
    assert exact_rate(typed) == exact


def test_frames_in_memory_at_a_typed_rate():
    """What core's Create Video holds after 29.97 was typed there, and here again."""
    images = torch.from_numpy(PICTURES).float() / 255
    source = Frames(images, exact_rate(Fraction(29.97)))
    assert numbers(load(source, Pick(exact_rate(29.97))).frames) == list(range(COUNT))


@pytest.mark.parametrize(
    ("rate", "typed"), [("2997/100", 29.97), ("23976/1000", 23.976), ("30000/1001", 29.97), ("5994/100", 59.94)]
)
def test_a_typed_rate_is_the_clips_own_where_it_is_that(tmp_path, rate, typed):
    """A clip made at "29.97" keeps 2997/100, which is not NTSC's 30000/1001: no frame may come a turn late."""
    path = tmp_path / "a.mp4"
    encode(path, Fraction(rate))
    clip = load(open_clip(path), Pick(exact_rate(typed)))
    assert numbers(clip.frames) == list(range(COUNT)) and clip.fps == float(Fraction(rate))
    assert numbers(load(open_clip(path), Pick(exact_rate(typed), skip=3, cap=4)).frames) == [3, 4, 5, 6]
