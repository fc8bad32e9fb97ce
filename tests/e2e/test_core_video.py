"""Video files in and out: through core's own nodes, and real footage through Load Video Frames."""

import importlib.util
import shutil
from pathlib import Path

import av
import footage
import numpy as np

from pack.videograin.toybox.clips import clip


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def graph() -> dict:
    return {
        "load": node("LoadVideo", file="walk.mp4"),
        "parts": node("GetVideoComponents", video=["load", 0]),
        "demo": node("VideoGrainLoadDemoModel"),
        "latent": node("VAEEncode", pixels=["parts", 0], vae=["demo", 2]),
        "model": node("VideoGrainFullFrameAttention", model=["demo", 0], key_set="first + previous"),
        "source": node("CLIPTextEncode", clip=["demo", 1], text="a car on sand"),
        "negative": node("CLIPTextEncode", clip=["demo", 1], text=""),
        "inversion": node(
            "VideoGrainDDIMInversion", model=["model", 0], conditioning=["source", 0], latent=["latent", 0],
            steps=4, scheduler="normal", refinements=0,
        ),
        "mask": node("SolidMask", value=1.0, width=64, height=128),  # narrower than the frames: resized with a warning
        "region": node("VideoGrainRegionPrompt", mask=["mask", 0], phrase="taxi"),
        "bound": node("VideoGrainBindRegionPrompts", clip=["demo", 1], prompt="a taxi on sand", regions=["region", 0]),
        "regional": node(
            "VideoGrainSTLayoutAttention", model=["model", 0], mode="reference", self_strength=0.3, cross_strength=1.0,
            end_percent=0.5,
        ),
        "blend": node("VideoGrainLatentBlend", model=["regional", 0], mode="inversion", inversion=["inversion", 1]),
        "guider": node("CFGGuider", model=["blend", 0], positive=["bound", 0], negative=["negative", 0], cfg=4.0),
        "quiet": node("DisableNoise"),
        "euler": node("KSamplerSelect", sampler_name="euler"),
        "sample": node(
            "SamplerCustomAdvanced", noise=["quiet", 0], guider=["guider", 0], sampler=["euler", 0],
            sigmas=["inversion", 2], latent_image=["inversion", 0],
        ),
        "frames": node("VAEDecode", samples=["sample", 0], vae=["demo", 2]),
        "video": node("CreateVideo", images=["frames", 0], fps=["parts", 2], audio=["parts", 1]),
        "save": node("SaveVideo", video=["video", 0], filename_prefix="edited", format="auto", codec="auto"),
    }  # fmt: skip


def test_a_file_goes_in_and_comes_out_at_its_own_rate_and_length(server):
    frames = clip(("car", "bus"), "sand", frames=9).frames
    footage.write(server.base / "input" / "walk.mp4", frames, "libx264", 8)
    history = server.run(graph())
    (path,) = server.output_files(history)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == 8
        edited = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert edited.shape == frames.shape
    assert "the masks are resized to fit" in server.log_tail(200)


def test_real_footage_is_encoded_inverted_edited_and_decoded(server):
    """Two runners from ComfyUI's own template clips: the regions come from the clip's attention, the rest is core's."""
    package = importlib.util.find_spec("comfyui_workflow_templates_media_video")
    (runners,) = Path(package.submodule_search_locations[0]).rglob("api_vidu_q3_image_to_video-1.webp")
    shutil.copy(runners, server.base / "input" / runners.name)
    prompt = graph()
    prompt["load"] = node(
        "VideoGrainLoadVideoFrames", file=runners.name, force_rate=8.0, skip=4, every_nth=1, cap=5, size="exact",
        width=192, height=128,
    )  # fmt: skip
    del prompt["parts"]
    prompt["latent"]["inputs"]["pixels"] = ["load", 0]
    prompt["layout"] = node(
        "VideoGrainAttentionLayout", model=["model", 0], inversion=["inversion", 1], conditioning=["source", 0],
        clusters=4, steps=2, feature="attention rows", scope="whole clip",
    )  # fmt: skip
    prompt["mask"] = node("VideoGrainClustersToMask", layout=["layout", 0], clusters="0, 1")
    prompt["both"] = node(
        "VideoGrainBeforeAfterVideo", source=["load", 0], edited=["frames", 0], mode="side by side", position=0.5
    )
    prompt["video"]["inputs"] = {"images": ["both", 0], "fps": ["load", 1]}
    (path,) = server.output_files(server.run(prompt))
    with av.open(str(path)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert frames.shape == (5, 128, 192 * 2 + 4, 3)
    before, after = frames[:, :, :192].astype(int), frames[:, :, -192:].astype(int)
    assert before.std() > 20 and 2 < np.abs(before - after).mean() < 120
