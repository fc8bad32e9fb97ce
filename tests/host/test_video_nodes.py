"""Load Video Frames and Before/After Video inside ComfyUI: its folders, its VIDEO type, its validation and cancel."""

import asyncio
import io
import os
from fractions import Fraction

import av
import comfy.model_management
import execution
import folder_paths
import footage
import nodes as host
import numpy as np
import pytest
import torch
from comfy_api.latest import Input, InputImpl, Types
from PIL import Image

from pack.nodes.video import BeforeAfterVideo, LoadVideoFrames
from pack.videograin.comfyui import input_files

SETTINGS = {"force_rate": 0.0, "skip": 0, "every_nth": 1, "cap": 0, "size": "keep", "width": 64, "height": 64}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """An input folder with a video, one in a subfolder, a folder of images, and ways out of it."""
    root = tmp_path_factory.mktemp("media")
    folder, outside = root / "input", root / "outside"
    (folder / "sub").mkdir(parents=True)
    (folder / "shots").mkdir()
    outside.mkdir()
    sound = np.sin(np.arange(48000) / 20)[None].repeat(2, 0).astype(np.float32)
    footage.write(folder / "clip.mp4", footage.scene(25), "libx264", audio=sound)
    footage.write(folder / "sub" / "clip two.webm", footage.scene(5), "libvpx")
    footage.write(outside / "secret.mp4", footage.scene(2), "libx264")
    for number, array in enumerate(footage.scene(11)):
        Image.fromarray(array).save(folder / "shots" / f"f{number}.png")
    (folder / "notes.txt").write_text("nothing to see")
    (folder / "link.mp4").symlink_to(outside / "secret.mp4")
    (folder / "way").symlink_to(outside)
    (folder / "inner.mp4").symlink_to(folder / "clip.mp4")
    (folder / "circle.mp4").symlink_to(folder / "circle.mp4")
    before = folder_paths.get_input_directory()
    folder_paths.set_input_directory(str(folder))
    yield folder
    folder_paths.set_input_directory(before)


def run(file: str = "", **changes):
    return LoadVideoFrames.execute(file, **(SETTINGS | changes)).result


def saved(frames, fps, audio) -> tuple[float, float | None]:
    """Seconds of picture and of sound in the file that Create Video and Save Video make."""
    from comfy_extras.nodes_video import CreateVideo

    file = io.BytesIO()
    CreateVideo.execute(frames, fps, audio).args[0].save_to(file, Types.VideoContainer.MP4, Types.VideoCodec.H264)
    file.seek(0)
    with av.open(file) as container:
        sound = container.streams.audio
        samples = sum(frame.samples for frame in container.decode(sound[0])) if sound else 0
        heard = samples / sound[0].rate if sound else None
    file.seek(0)
    with av.open(file) as container:
        shown = sum(1 for _ in container.decode(video=0)) / fps
    return shown, heard


def test_create_video_takes_the_sound_along(inputs):
    """As the workflows connect it: as long as the frames, with a codec's last block; none from a clip without."""
    for pick in ({}, {"cap": 16}, {"skip": 5, "every_nth": 2, "cap": 6}):
        frames, fps, audio, *_ = run("clip.mp4", **pick)
        shown, heard = saved(frames, fps, audio)
        assert shown == pytest.approx(len(frames) / fps) and 0 <= heard - shown < 0.06
    frames, fps, audio, *_ = run("shots")
    assert audio is None and saved(frames, fps, audio)[1] is None


def as_bytes(frames: torch.Tensor) -> np.ndarray:
    return (frames * 255).round().to(torch.uint8).numpy()


def test_the_list_has_what_can_be_read_and_the_upload_button(inputs):
    file = LoadVideoFrames.INPUT_TYPES()["required"]["file"][1]
    assert file["options"] == ["clip.mp4", "inner.mp4", "sub/clip two.webm", "shots/", input_files.DEMO]
    assert file["video_upload"] is True
    core = host.NODE_CLASS_MAPPINGS.get("LoadVideo")
    if core is not None:  # in the test process core's extra nodes are not loaded, but the key must stay core's
        assert "video_upload" in core.INPUT_TYPES()["required"]["file"][1]


def test_an_empty_folder_has_the_demo_clip(tmp_path, inputs):
    folder_paths.set_input_directory(str(tmp_path))
    try:
        assert LoadVideoFrames.INPUT_TYPES()["required"]["file"][1]["options"] == [input_files.DEMO]
        frames, fps, sound, *_ = run(input_files.DEMO)
        assert frames.shape == (8, 192, 192, 3) and fps == 8 and sound["waveform"].abs().max() > 0.1
    finally:
        folder_paths.set_input_directory(str(inputs))


def test_every_entry_of_the_list_loads(inputs):
    for name in input_files.listed():
        assert LoadVideoFrames.validate_inputs(name) is True
        frames, fps, _, info, count = run(name)
        assert len(frames) == count > 0 and fps > 0 and info.startswith(name.rstrip("/"))


def test_outputs(inputs):
    frames, fps, audio, info, count = run("clip.mp4", skip=5, every_nth=2, cap=6, size="multiple of 64, cropped")
    assert frames.shape == (6, 64, 128, 3) and frames.dtype == torch.float32
    assert (fps, count) == (12.5, 6)
    assert audio["waveform"].shape == (1, 2, round(6 / 12.5 * 48000)) and audio["sample_rate"] == 48000
    assert "128×64" in info
    assert run("sub/clip two.webm")[2] is None
    assert run("clip.mp4 [input]")[4] == 25


@pytest.mark.parametrize(
    "name",
    [
        "../outside/secret.mp4",
        "link.mp4",
        "way/secret.mp4",
        "/etc/passwd",
        "sub/../../outside/secret.mp4",
        "a\0b",
        "..",
    ],
)
def test_paths_that_leave_the_input_folder_are_refused(inputs, name):
    assert LoadVideoFrames.validate_inputs(name) is not True
    with pytest.raises(ValueError, match=r"`file` may only name|No clip is chosen"):
        run(name)
    assert name not in input_files.listed()


@pytest.mark.parametrize(("name", "said"), [("gone.mp4", "There is no 'gone.mp4'"), ("", "No clip is chosen")])
def test_a_missing_file_is_told_before_the_run(inputs, name, said):
    assert said in LoadVideoFrames.validate_inputs(name)
    with pytest.raises(ValueError, match=said):
        run(name)


def validated(file: str, **links):
    """What the server says to a prompt with this node, its inputs linked to core nodes where told."""
    prompt = {
        "1": {"class_type": "VideoGrainLoadVideoFrames", "inputs": {"file": file, **SETTINGS, **links}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        "3": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
        "4": {"class_type": "CreateVideo", "inputs": {"images": ["3", 0], "fps": 8.0}},
    }
    return asyncio.run(execution.validate_prompt("id", prompt, None))


@pytest.fixture
def registered(monkeypatch):
    from comfy_extras.nodes_video import CreateVideo

    monkeypatch.setitem(host.NODE_CLASS_MAPPINGS, "VideoGrainLoadVideoFrames", LoadVideoFrames)
    monkeypatch.setitem(host.NODE_CLASS_MAPPINGS, "CreateVideo", CreateVideo)


def test_the_server_validates(inputs, registered):
    assert validated("clip.mp4")[0]
    assert validated("shots/")[0]
    ok, _, _, errors = validated("gone.mp4")
    (problem,) = errors["1"]["errors"]  # once, and at the input that is to be changed
    assert not ok and "There is no 'gone.mp4'" in str(problem) and problem["extra_info"]["input_name"] == "file"
    assert validated("gone.mp4", video=["4", 0])[0]  # `file` is ignored while `video` is connected
    ok, _, _, errors = validated("clip.mp4", video=["3", 0])
    assert not ok and "input_type(VIDEO)" in str(errors)
    assert not validated("clip.mp4", cap=-1)[0]


def test_a_changed_file_is_noticed(inputs, tmp_path):
    path = inputs / "later.mp4"
    path.write_bytes((inputs / "clip.mp4").read_bytes())
    try:
        before = LoadVideoFrames.fingerprint_inputs("later.mp4", **SETTINGS)
        assert LoadVideoFrames.fingerprint_inputs("later.mp4", **SETTINGS) == before
        os.utime(path, (1, 1))
        assert LoadVideoFrames.fingerprint_inputs("later.mp4", **SETTINGS) != before
    finally:
        path.unlink()
    folder = LoadVideoFrames.fingerprint_inputs("shots/")
    extra = inputs / "shots" / "f99.png"
    Image.new("RGB", (128, 96)).save(extra)
    changed = LoadVideoFrames.fingerprint_inputs("shots/")
    extra.unlink()
    assert changed != folder == LoadVideoFrames.fingerprint_inputs("shots/")


def test_cores_video_from_a_file_is_read_where_it_lies(inputs):
    video = InputImpl.VideoFromFile(str(inputs / "clip.mp4"))
    assert torch.equal(run(video=video)[0], run("clip.mp4")[0])
    images = video.get_components().images  # core's own reading of the same file
    assert np.abs(as_bytes(run(video=video)[0]).astype(int) - as_bytes(images)).mean() < 2


@pytest.fixture(params=["tells its trim", "tells lengths only"])
def video_type(request, monkeypatch):
    """Core's VIDEO of a file, as it is and as it was before 0.24."""
    if request.param == "tells lengths only":
        for kind in (InputImpl.VideoFromFile, Input.Video):
            monkeypatch.delattr(kind, "get_active_trim_window", raising=False)
    return InputImpl.VideoFromFile


def test_cores_trim_is_respected(inputs, video_type):
    whole, path = run("clip.mp4")[0], str(inputs / "clip.mp4")
    assert torch.equal(run(video=video_type(path, start_time=0.4, duration=0.2))[0], whole[10:15])
    assert torch.equal(run(video=video_type(path, start_time=0.4, duration=9.0))[0], whole[10:])
    assert torch.equal(run(video=video_type(path, duration=0.2))[0], whole[:5])
    twice = video_type(path, start_time=0.2).as_trimmed(0.2, 0.2)
    assert torch.equal(run(video=twice)[0], whole[10:15])
    in_memory = io.BytesIO((inputs / "clip.mp4").read_bytes())
    assert torch.equal(run(video=video_type(in_memory, start_time=0.4, duration=0.2))[0], whole[10:15])
    assert 4 <= len(run(video=video_type(path, start_time=-0.2))[0]) <= 6
    assert torch.equal(run(video=video_type(path, start_time=-5.0))[0], whole)


def test_a_video_of_unknown_length_is_read_whole(tmp_path, video_type):
    path = footage.write(tmp_path / "clip.h264", footage.scene(9), "libx264")
    assert len(run(video=video_type(str(path)))[0]) == 9
    path.write_bytes(b"nothing of a video")
    with pytest.raises(ValueError, match="the video input is not a video that can be read"):
        run(video=video_type(str(path)))


def test_cores_video_of_frames_keeps_every_bit():
    images = torch.rand(6, 40, 48, 3)
    audio = {"waveform": torch.rand(1, 2, 48000), "sample_rate": 48000}
    parts = Types.VideoComponents(images=images, audio=audio, frame_rate=Fraction(6))
    video = InputImpl.VideoFromComponents(parts)
    frames, fps, sound, _, count = run(video=video, skip=1, cap=3)
    assert torch.equal(frames, images[1:4]) and (fps, count) == (6.0, 3)
    assert torch.equal(sound["waveform"], audio["waveform"][..., 8000:32000])


def test_a_typed_ntsc_rate_is_the_exact_one(inputs, tmp_path):
    """As core's Create Video and Save Video hold it, and as a file has it."""
    images = torch.from_numpy(footage.scene(30)).float() / 255
    for typed in (29.97, float(Fraction(30000, 1001))):
        parts = Types.VideoComponents(images=images, audio=None, frame_rate=Fraction(typed))
        frames, fps, *_ = run(video=InputImpl.VideoFromComponents(parts), force_rate=29.97)
        assert torch.equal(frames, images) and fps == 30000 / 1001
    footage.write(tmp_path / "ntsc.mkv", footage.scene(30), "libx264", Fraction(30000, 1001))
    video = InputImpl.VideoFromFile(str(tmp_path / "ntsc.mkv"))
    whole, forced = run(video=video), run(video=video, force_rate=29.97)
    assert torch.equal(forced[0], whole[0]) and forced[1] == whole[1] == 30000 / 1001


def test_what_a_clip_is_stands_on_the_node(inputs, monkeypatch):
    said = []
    monkeypatch.setattr("pack.videograin.comfyui.progress.tell", said.append)
    footage.write(inputs / "pq.mp4", footage.scene(2), "libx264", options={"color_trc": "smpte2084"})
    info = run("pq.mp4")[3]
    (inputs / "pq.mp4").unlink()
    assert said == [info.splitlines()[2]] and said[0].startswith("HDR (PQ)")
    run("clip.mp4")
    assert len(said) == 1


def test_the_outputs_make_a_video_again(inputs, tmp_path):
    from comfy_extras.nodes_video import CreateVideo

    frames, fps, audio, *_ = run("clip.mp4")
    video = CreateVideo.execute(frames, fps, audio).result[0]
    video.save_to(str(tmp_path / "again.mp4"))
    again = run(video=InputImpl.VideoFromFile(str(tmp_path / "again.mp4")))
    assert again[4] == 25 and again[1] == 25.0 and again[2] is not None
    assert (again[0] - frames).abs().mean() < 0.03


def test_cancel_stops_within_a_frame_and_the_next_run_works(inputs, monkeypatch):
    calls = []
    real = comfy.model_management.throw_exception_if_processing_interrupted

    def counting():
        calls.append(1)
        if len(calls) == 4:
            comfy.model_management.interrupt_current_processing(True)
        real()

    monkeypatch.setattr(comfy.model_management, "throw_exception_if_processing_interrupted", counting)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        run("clip.mp4")
    assert len(calls) == 4
    monkeypatch.undo()
    assert run("clip.mp4")[4] == 25


def test_progress_reaches_the_end(inputs, monkeypatch):
    seen = []
    monkeypatch.setattr("comfy.utils.PROGRESS_BAR_HOOK", lambda value, total, preview, node_id=None: seen.append(value))
    run("clip.mp4")
    assert seen == sorted(seen) and seen[-1] == 100 and len(seen) > 1  # core thins them out in time


def test_more_than_the_free_memory_is_refused(inputs, monkeypatch):
    monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda *args, **kwargs: 10 * 96 * 128 * 12 / 0.8)
    with pytest.raises(ValueError, match=r"`cap` to at most 10"):
        run("clip.mp4")


def test_before_after():
    source, edited = torch.zeros(3, 16, 24, 3), torch.ones(3, 16, 24, 3)
    (out,) = BeforeAfterVideo.execute(source, edited, "side by side", 0.5).result
    assert out.shape == (3, 16, 52, 3)
    with pytest.raises(ValueError, match="`source` has 3 frames and `edited` has 2"):
        BeforeAfterVideo.execute(source, edited[:2], "top and bottom", 0.5)


@pytest.mark.parametrize("node", [LoadVideoFrames, BeforeAfterVideo])
def test_every_input_and_output_explains_itself(node):
    schema = node.GET_SCHEMA()
    for socket in (*schema.inputs, *schema.outputs):
        assert socket.tooltip and len(socket.tooltip) > 20
    assert schema.search_aliases and schema.category == "VideoGrain/Start"
