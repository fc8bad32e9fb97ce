"""Loading clips: every container, times, sizes, sound and colour, on files that PyAV encodes here."""

import subprocess
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import footage
import numpy as np
import peak
import pytest
import torch
from PIL import Image

from pack.videograin.media.clip import Sound
from pack.videograin.media.in_memory import Frames
from pack.videograin.media.load import Clip, load, open_clip
from pack.videograin.media.resize import EXACT, KEEP, MODES, Fit
from pack.videograin.media.selection import Pick, Trim

CONTAINERS = {
    "clip.mp4": "libx264",
    "clip.mov": "mpeg4",
    "clip.mkv": "libx264",
    "clip.webm": "libvpx-vp9",
    "vp8.webm": "libvpx",
    "clip.avi": "mpeg4",
    "clip.mpg": "mpeg2video",
    "clip.ts": "libx264",
    "clip.flv": "flv",
    "clip.gif": "gif",
}
FAST = {"libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}, "libvpx": {"deadline": "realtime", "cpu-used": "8"}}


def encode(path: Path, count: int = 20, codec: str = "", **settings) -> Path:
    codec = codec or CONTAINERS.get(path.name, "libx264")
    pixels = settings.pop("pixels", "rgb8" if codec == "gif" else "yuv420p")
    return footage.write(path, footage.scene(count), codec, pixels=pixels, options=FAST.get(codec), **settings)


def read(path: Path, pick: Pick | None = None, fit: Fit | None = None) -> Clip:
    pick = pick or Pick()
    return load(open_clip(path, pick.rate), pick, fit or Fit())


def numbers(frames: torch.Tensor) -> list[int]:
    """Which frames of a scene of 128 pixels' width these are: the place of the white bar."""
    return [int(frame.amin(-1).mean(0).reshape(-1, 4).mean(1).argmax()) for frame in frames]


def as_bytes(frames: torch.Tensor) -> np.ndarray:
    return (frames * 255).round().to(torch.uint8).numpy()


@footage.needs_ffmpeg
@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_ffmpegs_frames_in_order(tmp_path, name):
    path = encode(tmp_path / name)
    clip = read(path)
    expected = footage.ffmpeg_frames(path, 96, 128)
    assert clip.frames.shape == (20, 96, 128, 3) and clip.frames.dtype == torch.float32
    assert np.abs(as_bytes(clip.frames).astype(int) - expected).max() <= 1
    assert numbers(clip.frames) == list(range(20))
    assert clip.fps == 25.0
    assert f"{name}: " in clip.info and "20 frames" in clip.info


@footage.needs_ffmpeg
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("colour", [(1, 1), (1, 2), (5, 1), (5, 2), (9, 1)], ids=str)
def test_colour_is_ffmpegs_own_conversion(tmp_path, colour, pixels):
    path = encode(tmp_path / "clip.mp4", 3, colour=colour, pixels=pixels)
    difference = as_bytes(read(path).frames).astype(int) - footage.ffmpeg_frames(path, 96, 128)
    assert np.abs(difference).max() <= 2


def test_the_colour_matrix_in_the_file_is_used(tmp_path):
    """Two files whose samples differ, being written by different matrices, show the same picture."""
    tags = [read(encode(tmp_path / f"{tag}.mp4", 1, colour=(tag, 1))).frames for tag in (1, 5)]
    truth = torch.from_numpy(footage.scene(1)).float() / 255
    for frames in tags:
        assert (frames - truth).abs().mean() < 0.012  # 0.007 with the right matrix, 0.019 with the other


@footage.needs_ffmpeg
@pytest.mark.parametrize("rate", [Fraction(5), Fraction(12), Fraction(30), Fraction(2997, 100)], ids=str)
def test_forced_rate_shows_what_is_on_screen_at_that_time(tmp_path, rate):
    """Uneven times: ffmpeg's fps filter that rounds times up holds each frame until the next, as we do."""
    times = np.cumsum([0, *np.random.default_rng(0).integers(15, 160, 29)]) / 1000
    path = encode(tmp_path / "clip.mkv", 30, times=times)
    clip = read(path, Pick(rate))
    ticks = np.arange(len(clip.frames)) / float(rate)
    assert numbers(clip.frames) == list(np.searchsorted(times, ticks + 1e-9) - 1)
    expected = footage.ffmpeg_frames(path, 96, 128, "-vf", f"fps={rate}:round=up")
    assert len(expected) - 1 <= len(clip.frames) <= len(expected) + 1  # how long the last frame lasts is a guess
    shared = min(len(expected), len(clip.frames))
    assert (as_bytes(clip.frames)[:shared] == expected[:shared]).all()
    assert clip.fps == pytest.approx(float(rate))


def test_uneven_times_are_told(tmp_path, caplog):
    times = [0, 0.04, 0.08, 1.0, 1.04, 1.08, 1.12]
    clip = read(encode(tmp_path / "clip.mkv", 7, times=times))
    assert "not evenly spaced" in clip.info
    assert "force_rate" in caplog.text


def test_order_of_choice_is_rate_skip_every_cap(tmp_path):
    path = encode(tmp_path / "clip.mp4", 20)
    at_12_5 = [round(i * 2) for i in range(10)]  # 25 fps halved
    assert numbers(read(path, Pick(Fraction(25, 2))).frames) == at_12_5
    clip = read(path, Pick(Fraction(25, 2), skip=1, every=3, cap=2))
    assert numbers(clip.frames) == at_12_5[1::3][:2] == [2, 8]
    assert clip.fps == pytest.approx(12.5 / 3)
    assert numbers(read(path, Pick(skip=3, every=4)).frames) == [3, 7, 11, 15, 19]
    assert numbers(read(path, Pick(skip=19)).frames) == [19]


@pytest.mark.parametrize(("count", "rate"), [(7, 0), (7, 10), (23, 24)])
def test_the_count_known_before_reading_is_the_count_read(tmp_path, count, rate):
    source = open_clip(encode(tmp_path / "clip.mp4", count))
    for skip in (0, 2):
        for every in (1, 2, 3):
            for cap in (0, 2, 50):
                pick = Pick(Fraction(rate), skip, every, cap)
                assert len(load(source, pick).frames) == pick.count(source.facts)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("codec", ["ffv1", "libx264rgb"])
def test_sizes(tmp_path, mode, codec):
    scene = footage.scene(2, 97, 131)  # odd on both sides
    pixels = "rgb24" if codec == "libx264rgb" else "bgr0"
    path = footage.write(
        tmp_path / "odd.mkv", scene, codec, pixels=pixels, options={"crf": "0"} if pixels == "rgb24" else {}
    )
    frames = read(path, fit=Fit(mode, 64, 80)).frames
    expected = {
        KEEP: (97, 131),
        EXACT: (80, 64),
        "multiple of 8, cropped": (96, 128),
        "multiple of 64, cropped": (64, 128),
        "multiple of 8, padded": (104, 136),
        "multiple of 64, padded": (128, 192),
    }[mode]
    assert frames.shape[1:3] == expected
    whole = torch.from_numpy(scene).float() / 255
    if "cropped" in mode:
        top, left = (97 - expected[0]) // 2, (131 - expected[1]) // 2
        assert torch.equal(frames, whole[:, top : top + expected[0], left : left + expected[1]])
    if "padded" in mode:
        top, left = (expected[0] - 97 + 1) // 2, (expected[1] - 131 + 1) // 2
        assert torch.equal(frames[:, top : top + 97, left : left + 131], whole)
        assert torch.equal(frames[:, 0, left : left + 131], whole[:, 0])  # the edge, repeated
    if mode == EXACT:  # 97×131 is cut to 97×78 (aspect 64:80) before it is resized
        cut = Image.fromarray(scene[0, :, 26:104]).resize((64, 80), Image.Resampling.BICUBIC)
        assert np.abs(as_bytes(frames)[0].astype(int) - np.asarray(cut)).mean() < 1


def test_gif_with_transparency_is_white_there(tmp_path):
    pictures = []
    for i in range(3):
        picture = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
        picture.paste((200, 30, 30, 255), (10 * i, 5, 10 * i + 10, 25))
        pictures.append(picture)
    pictures[0].save(
        tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=[100, 200, 300], disposal=2
    )
    clip = read(tmp_path / "a.gif")
    assert clip.frames.shape == (3, 30, 40, 3)
    assert (clip.frames[:, 0] == 1).all()
    assert torch.allclose(clip.frames[1, 10, 15], torch.tensor([200, 30, 30]) / 255, atol=0.02)
    assert numbers_of_red(read(tmp_path / "a.gif", Pick(Fraction(10))).frames) == [0, 1, 1, 2, 2, 2]


def numbers_of_red(frames: torch.Tensor) -> list[int]:
    return [int((1 - frame[10, ::10, 1]).argmax()) for frame in frames]


def test_animated_webp_plays_by_its_own_times(tmp_path):
    scene = footage.scene(4)
    pictures = [Image.fromarray(array) for array in scene]
    pictures[0].save(
        tmp_path / "a.webp", save_all=True, append_images=pictures[1:], lossless=True, duration=[100, 50, 200, 50]
    )
    clip = read(tmp_path / "a.webp")
    assert torch.equal(clip.frames, torch.from_numpy(scene).float() / 255)
    assert clip.sound is None
    at_20 = read(tmp_path / "a.webp", Pick(Fraction(20)))
    assert numbers(at_20.frames) == [0, 0, 1, 2, 2, 2, 2, 3]


def test_a_folder_is_sorted_naturally(tmp_path):
    scene = footage.scene(12)
    for i, array in enumerate(scene):
        Image.fromarray(array).save(tmp_path / f"frame{i}.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    clip = read(tmp_path)
    assert numbers(clip.frames) == list(range(12))
    assert clip.fps == 24.0
    assert read(tmp_path, Pick(Fraction(8), every=2)).fps == 4.0
    assert len(read(tmp_path, Pick(Fraction(8))).frames) == 12  # the rate says how fast it plays, not how many


def test_pictures_of_every_mode(tmp_path):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    Image.fromarray(ramp.astype(np.uint16) * 257).save(tmp_path / "b.png")  # 16 bits of grey
    Image.fromarray(ramp).convert("P").save(tmp_path / "c.png")
    Image.fromarray(ramp).convert("RGBA").save(tmp_path / "d.png")
    frames = read(tmp_path).frames
    for frame in frames:
        assert torch.equal(frame, torch.from_numpy(ramp)[..., None].expand(-1, -1, 3) / 255)


def test_a_phones_video_stands_upright(tmp_path):
    """A quarter turn stored beside the picture, as ffmpeg applies it."""
    path = encode(tmp_path / "clip.mp4", 2)
    turned = tmp_path / "turned.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-display_rotation", "90", "-i", path, "-c", "copy", turned], check=False)
    if not turned.exists():  # ffmpeg before 6
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", path, "-c", "copy", "-metadata:s:v", "rotate=270", turned], check=True
        )
    frames = read(turned).frames
    assert frames.shape == (2, 128, 96, 3)
    assert (as_bytes(frames) == footage.ffmpeg_frames(turned, 128, 96)).all()


def tone(seconds: float) -> np.ndarray:
    """(2, samples): two rising tones, so that every moment sounds different."""
    t = np.arange(int(48000 * seconds)) / 48000
    return np.stack([0.5 * np.sin(2 * np.pi * (200 + pitch * t) * t) for pitch in (150, 300)]).astype(np.float32)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.webm", "clip.mov"])
@pytest.mark.parametrize("pick", [Pick(), Pick(skip=10, every=3, cap=5), Pick(Fraction(10), skip=3, cap=9)], ids=str)
def test_sound_is_cut_to_the_frames_time(tmp_path, name, pick):
    source = tone(2.0)
    clip = read(encode(tmp_path / name, 50, audio=source), pick)
    waveform, rate = clip.sound
    seconds = len(clip.frames) / clip.fps
    assert waveform.shape == (1, 2, round(seconds * rate)) and waveform.dtype == torch.float32 and rate == 48000
    first = round(pick.skip / (float(pick.rate) or 25) * 48000)
    expected = source[:, first : first + waveform.shape[-1]]
    heard = waveform[0, :, : expected.shape[1]].numpy()
    inner = slice(2000, -4000)
    assert np.corrcoef(heard[0, inner], expected[0, inner])[0, 1] > 0.98
    assert f"{seconds:.2f} s of sound" in clip.info


def test_without_sound_there_is_none(tmp_path):
    assert read(encode(tmp_path / "clip.mp4", 3)).sound is None


def test_frames_in_memory_are_chosen_alike():
    images = torch.rand(10, 24, 32, 3)
    sound = Sound(torch.rand(1, 2, 48000), 48000)
    clip = load(Frames(images, Fraction(10), sound), Pick(skip=2, every=2, cap=3))
    assert torch.equal(clip.frames, images[[2, 4, 6]])
    assert torch.equal(clip.sound.waveform, sound.waveform[..., 9600 : 9600 + 28800])
    assert torch.equal(load(Frames(images, Fraction(10))).frames, images)


def test_a_file_in_memory_and_a_window_of_it(tmp_path):
    data = BytesIO(encode(tmp_path / "clip.mp4", 25).read_bytes())
    assert len(load(open_clip(data)).frames) == 25
    clip = load(open_clip(data, window=Trim.seconds(0.4, 0.2)))
    assert numbers(clip.frames) == [10, 11, 12, 13, 14]


def test_progress_ends_at_one_and_a_cancel_stops_within_a_frame(tmp_path):
    source = open_clip(encode(tmp_path / "clip.mp4", 20))
    seen = []
    load(source, watch=seen.append)
    assert seen == sorted(seen) and len(seen) == 20 and seen[-1] == 1.0
    with pytest.raises(KeyboardInterrupt):
        load(source, Pick(Fraction(1)), watch=cancel_at(5))


def cancel_at(frame: int):
    calls = iter(range(frame))

    def watch(done: float) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt

    return watch


LOADED = """
from pathlib import Path
from pack.videograin.media.resize import Fit
from pack.videograin.media.selection import Pick
from pack.videograin.media.load import load, open_clip

def work(count):
    return load(open_clip(Path({path!r})), Pick(cap=count), {fit}).frames.nbytes
"""


@peak.needs_linux
@pytest.mark.parametrize("fit,size", [("Fit()", (240, 320)), ("Fit('exact', 400, 300)", (300, 400))])
def test_peak_memory_is_the_frames_and_a_constant(tmp_path, fit, size):
    path = footage.write(
        tmp_path / "long.mp4", footage.scene(200, 240, 320), "libx264", options={"preset": "ultrafast"}
    )
    returned, most = peak.grown(LOADED.format(path=str(path), fit=fit), 2, 200, tmp_path)
    assert returned == 200 * size[0] * size[1] * 3 * 4
    assert most < returned + 16 * 2**20, f"{most / 2**20:.1f} MiB for {returned / 2**20:.1f} MiB of frames"
