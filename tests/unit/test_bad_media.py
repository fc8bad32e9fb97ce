"""Bad media: each fails with what was found and what to change, or works where a person would expect it to."""

from fractions import Fraction
from pathlib import Path

import av
import footage
import numpy as np
import odd_media
import pytest
from PIL import Image

from pack.videograin.media.load import load, open_clip
from pack.videograin.media.resize import EXACT, Fit
from pack.videograin.media.selection import Pick

TONE = np.sin(np.arange(24_000) / 20)[None].astype(np.float32)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """100 frames, index first, so that a cut file still opens."""
    noisy = footage.scene(100) ^ np.random.default_rng(0).integers(0, 32, (100, 96, 128, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    return footage.write(path, noisy, "libx264", container={"movflags": "faststart"})


def cut(clip: Path, path: Path, share: float) -> Path:
    data = clip.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def test_no_file(tmp_path):
    with pytest.raises(ValueError, match=r"no file or folder gone\.mp4.*`file`"):
        open_clip(tmp_path / "gone.mp4")


@pytest.mark.parametrize("name", ["zero.mp4", "zero.webp", "zero"])
def test_zero_bytes(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match=rf"{name} is empty \(0 bytes\)"):
        open_clip(tmp_path / name)


@pytest.mark.parametrize("name", ["noise.mp4", "noise.webp", "noise.png"])
def test_corrupt(tmp_path, name):
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(20_000))
    with pytest.raises(ValueError, match=rf"{name} is not a video that can be read"):
        load(open_clip(tmp_path / name))


def test_cut_off_before_its_index(tmp_path, clip):
    with pytest.raises(ValueError, match="cut off before its index"):
        open_clip(cut(clip, tmp_path / "head.mp4", 0.01))


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.webm", "cut.avi", "cut.mov"])
def test_truncated_says_how_many_frames_can_be_read_and_how_to_go_on(tmp_path, name):
    codec = {".webm": "libvpx", ".avi": "mpeg4"}.get(Path(name).suffix, "libx264")
    noisy = footage.scene(100) ^ np.random.default_rng(0).integers(0, 32, (100, 96, 128, 3), dtype=np.uint8)
    index_first = {"movflags": "faststart"} if name.endswith(("mp4", "mov")) else {}
    whole = footage.write(tmp_path / f"whole{name}", noisy, codec, container=index_first)
    assert len(load(open_clip(whole)).frames) == 100
    source = open_clip(cut(whole, tmp_path / name, 0.6))
    readable = len(source.facts.starts)
    assert 10 < readable < 90
    with pytest.raises(ValueError, match=rf"{name} is cut off: {readable} frames.*`cap` to {readable} or less"):
        load(source)
    loaded = load(source, Pick(cap=readable))  # what the message says
    assert readable - 4 <= len(loaded.frames) <= readable
    assert "cut off" in loaded.info
    with pytest.raises(ValueError, match=r"frames at 5 frames per second.*`cap`"):
        load(source, Pick(Fraction(5)))


def test_damage_in_the_middle_is_left_out_with_a_warning(tmp_path, clip, caplog):
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    (tmp_path / "hurt.mp4").write_bytes(data)
    frames = load(open_clip(tmp_path / "hurt.mp4")).frames
    assert 60 < len(frames) < 100
    assert "hurt.mp4 is damaged" in caplog.text


@pytest.mark.parametrize("name", ["clip.txt", "clip.png", "clip", "clip.webp", "clip.mp3"])
def test_a_wrong_extension_does_not_matter(tmp_path, clip, name):
    (tmp_path / name).write_bytes(clip.read_bytes())
    assert len(load(open_clip(tmp_path / name)).frames) == 100


def test_a_picture_called_mp4_is_a_clip_of_one_frame(tmp_path):
    Image.fromarray(footage.scene(1)[0]).save(tmp_path / "still.png")
    (tmp_path / "still.png").rename(tmp_path / "still.mp4")
    assert load(open_clip(tmp_path / "still.mp4")).frames.shape == (1, 96, 128, 3)


@pytest.mark.parametrize(
    "listing", ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n"]
)
def test_a_playlist_cannot_open_other_files(tmp_path, clip, listing):
    for padding in ("", "\0" * 2000):
        (tmp_path / "list.mp4").write_text(listing.format(clip) + padding)
        with pytest.raises(ValueError, match=r"list\.mp4 is not a video that can be read \(it is text"):
            open_clip(tmp_path / "list.mp4")


def test_no_video_stream(tmp_path):
    with av.open(str(tmp_path / "song.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), "fltp", "mono")
        frame.sample_rate = 48000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with pytest.raises(ValueError, match=r"song\.mp4 has no video stream: it holds audio aac"):
        open_clip(tmp_path / "song.mp4")


@pytest.mark.parametrize("name", ["one.mp4", "one.gif", "one.webm", "one.avi"])
def test_one_frame_works(tmp_path, name):
    codec = {"one.mp4": "libx264", "one.gif": "gif", "one.webm": "libvpx", "one.avi": "mpeg4"}[name]
    path = footage.write(tmp_path / name, footage.scene(1), codec, pixels="rgb8" if codec == "gif" else "yuv420p")
    clip = load(open_clip(path))
    assert clip.frames.shape == (1, 96, 128, 3)
    assert clip.fps > 0


def test_an_odd_size_works(tmp_path):
    path = footage.write(tmp_path / "odd.mp4", footage.scene(2, 99, 131), "libx264", pixels="yuv444p")
    assert load(open_clip(path)).frames.shape == (2, 99, 131, 3)
    assert load(open_clip(path), fit=Fit("multiple of 8, cropped")).frames.shape == (2, 96, 128, 3)


def test_an_empty_folder(tmp_path):
    (tmp_path / "readme.txt").write_text("no pictures here")
    with pytest.raises(ValueError, match=rf"The folder {tmp_path.name} holds no images.*`file`"):
        open_clip(tmp_path)


def test_sound_whose_channels_change_falls_silent_with_a_warning(tmp_path, caplog):
    waveform = load(open_clip(odd_media.mono_then_stereo(tmp_path))).sound.waveform
    assert waveform.shape == (1, 1, 96_000)
    assert (waveform[0, 0, 4_000:40_000] > 0.2).all() and (waveform[0, 0, 52_000:] == 0).all()
    assert "its channels change in the middle" in caplog.text


REMARKS = {
    "pq.mp4": ("libx264", {"color_trc": "smpte2084"}, "HDR (PQ)"),
    "hlg.mkv": ("libx264", {"color_trc": "arib-std-b67"}, "HDR (HLG)"),
    "pq.webm": ("libvpx-vp9", {"color_trc": "smpte2084", "deadline": "realtime"}, "HDR (PQ)"),
    "fields.mp4": ("libx264", {"flags": "+ildct+ilme"}, "interlaced"),
    "fields.mkv": ("libx264", {"x264-params": "tff=1"}, "interlaced"),
    "fields.mpg": ("mpeg2video", {"flags": "+ildct+ilme"}, "interlaced"),
    "plain.mp4": ("libx264", {"color_trc": "bt709"}, ""),
    "plain.mpg": ("mpeg2video", {}, ""),
}


@pytest.mark.parametrize("name", REMARKS)
def test_hdr_and_interlaced_clips_are_named(tmp_path, name):
    codec, options, said = REMARKS[name]
    path = footage.write(tmp_path / name, footage.scene(3, 48, 64), codec, options=options)
    clip = load(open_clip(path), Pick(cap=2))
    notes = clip.info.splitlines()[2:]
    assert tuple(notes) == clip.notes and len(notes) == bool(said)
    assert not said or notes[0].startswith(said)


@pytest.mark.parametrize("name", ["later.mkv", "later.webm", "later.mp4", "later.ts"])
def test_a_clip_that_begins_late_is_not_cut_off(tmp_path, name):
    """As `ffmpeg -copyts` leaves it: the first frame is at 2 s."""
    codec = {"webm": "libvpx-vp9"}.get(name.partition(".")[2], "libx264")  # WebM takes no H.264
    times = [2 + Fraction(number, 10) for number in range(12)]
    path = odd_media.clip(tmp_path, name, 12, times=times, codec=codec)
    clip = load(open_clip(path))
    assert len(clip.frames) == 12 and clip.notes == ()


def test_a_whole_long_clip_is_told_with_its_memory(tmp_path):
    path = footage.write(tmp_path / "long.mkv", footage.scene(60, 48, 64), "ffv1", pixels="bgr0")
    (note,) = load(open_clip(path)).notes
    assert note.startswith("all 60 frames are loaded: 0.0 GB at 64×48") and "`cap` to 16" in note
    assert load(open_clip(path), Pick(cap=60)).notes == ()  # asked for


def test_a_size_that_cannot_be_saved_is_named(tmp_path):
    path = footage.write(tmp_path / "odd.mkv", footage.scene(3, 47, 63), "ffv1", pixels="bgr0")
    assert load(open_clip(path)).notes[0].startswith("63×47 is odd, and Save Video needs even sides")
    assert load(open_clip(path), fit=Fit("multiple of 8, padded")).notes == ()


# Every kind of file, and what damages it: most of the bytes that are changed lie in a video's frames.
KINDS = {
    "a.mp4": lambda f: odd_media.clip(f, "a.mp4", audio=TONE, container={"movflags": "faststart"}),
    "a.mkv": lambda f: odd_media.clip(f, "a.mkv", audio=TONE),
    "a.webm": lambda f: odd_media.glass(f, "a.webm", "libvpx-vp9", "yuva420p", deadline="realtime"),
    "a.ts": lambda f: odd_media.clip(f, "a.ts", audio=TONE),
    "a.flv": lambda f: odd_media.clip(f, "a.flv", codec="flv"),
    "a.mov": lambda f: odd_media.glass(f, "a.mov", "prores_ks", "yuva444p10le"),
    "a.gif": odd_media.picture("a.gif"),
    "a.webp": odd_media.picture("a.webp"),
    "a.png": odd_media.picture("a.png"),
    "a.jpg": odd_media.picture("a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"),
    "a.tif": odd_media.picture("a.tif"),
    "a.bmp": odd_media.picture("a.bmp"),
}


@pytest.mark.filterwarnings("ignore")  # Pillow's, about what it finds
@pytest.mark.parametrize("name", KINDS)
def test_whatever_bytes_change_there_are_frames_or_an_error_of_ours(tmp_path, name):
    path = KINDS[name](tmp_path)
    whole, random = path.read_bytes(), np.random.default_rng(len(name))
    outcomes = set()
    for trial in range(25):
        data = bytearray(whole)
        for place in random.integers(0, len(data) if trial % 2 else min(len(data), 200), random.integers(1, 9)):
            data[place] = random.integers(256)
        path.write_bytes(data[: random.integers(1, len(data))] if trial % 5 == 0 else data)
        try:
            assert len(load(open_clip(path), Pick(Fraction(trial % 3)), limit=2 * 10**8).frames)
            outcomes.add("frames")
        except ValueError as error:
            assert name in str(error) or "Load Video Frames" in str(error)
            outcomes.add("error")
    assert "frames" in outcomes


def test_mixed_sizes_in_a_folder_name_the_first_two_that_differ(tmp_path):
    for number, width in enumerate((64, 64, 80, 96)):
        Image.new("RGB", (width, 48)).save(tmp_path / f"f{number}.png")
    with pytest.raises(ValueError, match=r"f0\.png is 64×48 pixels, but f2\.png is 80×48.*`size`"):
        load(open_clip(tmp_path))
    assert load(open_clip(tmp_path), fit=Fit(EXACT, 32, 32)).frames.shape == (4, 32, 32, 3)  # what the message says


def test_a_damaged_picture_in_a_folder_is_named(tmp_path):
    for number in range(3):
        Image.fromarray(footage.scene(1)[0]).save(tmp_path / f"f{number}.png")
    cut(tmp_path / "f1.png", tmp_path / "f1.png", 0.5)
    with pytest.raises(ValueError, match=r"f1\.png is damaged"):
        load(open_clip(tmp_path))


def test_skipping_everything(clip):
    with pytest.raises(ValueError, match=r"`skip` is 100, but clip\.mp4 has 100 frames.*at most 99"):
        load(open_clip(clip), Pick(skip=100))


def test_more_frames_than_fit(clip):
    one = 96 * 128 * 3 * 4
    with pytest.raises(ValueError, match=r"100 frames of 128×96 pixels.*`cap` to at most 40, raise `every_nth`"):
        load(open_clip(clip), limit=40 * one)
    assert len(load(open_clip(clip), Pick(cap=40), limit=40 * one).frames) == 40


def test_smaller_than_a_snap(clip, tmp_path):
    path = footage.write(tmp_path / "small.mp4", footage.scene(2, 48, 128), "libx264")
    with pytest.raises(ValueError, match=r"128×48, under 64 pixels.*padded"):
        load(open_clip(path), fit=Fit("multiple of 64, cropped"))


@pytest.mark.parametrize("name", ["cut.webp", "cut.png", "cut.jpg"])
def test_a_truncated_picture(tmp_path, name):
    pictures = [Image.fromarray(array) for array in footage.scene(10)]
    moving = {"save_all": True, "append_images": pictures[1:], "lossless": True} if name == "cut.webp" else {}
    pictures[0].save(tmp_path / name, **moving)
    with pytest.raises(ValueError, match=rf"{name} is (damaged|not)"):
        load(open_clip(cut(tmp_path / name, tmp_path / name, 0.5)))
