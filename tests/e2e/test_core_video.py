"""A video file through core's own nodes, in and out: Load Video, Get Video Components, Create Video, Save Video."""

import av
import numpy as np

from pack.demo.world import clip


def write_video(path, frames, rate=8):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "12"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def graph() -> dict:
    def node(kind, **inputs):
        return {"class_type": kind, "inputs": inputs}

    return {
        "load": node("LoadVideo", file="clip.mp4"),
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
    write_video(server.base / "input" / "clip.mp4", frames)
    history = server.run(graph())
    (path,) = server.output_files(history)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == 8
        edited = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert edited.shape == frames.shape
    assert "the masks are resized to fit" in server.log_tail(200)
