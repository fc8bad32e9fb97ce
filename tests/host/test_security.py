"""What SECURITY.md promises, where it takes a host to see: no network, and no path out of ComfyUI's folders."""

import socket
import sys
from pathlib import Path

import pytest
import torch
from prompts import SIDE, STEPS, Runner, editing, inverting, node, opening, register, write_clip

from pack.nodes.inversion_file import LoadInversion, SaveInversion
from pack.nodes.video import LoadVideoFrames
from pack.videograin.comfyui import inversion_files
from pack.videograin.core.inversion_record import Inversion

NETWORK = ("socket.__new__", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request")
pytestmark = pytest.mark.usefixtures("private_folders")


class Refusal:
    """An audit hook, which sees every socket that Python opens, however it is imported.

    asked: what was asked for while sockets are refused; None: they are not, since a hook can never be removed.
    """

    def __init__(self):
        self.asked: list | None = None
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple) -> None:
        if self.asked is None or event not in NETWORK:
            return
        if event == "socket.__new__" and args[1] == getattr(socket, "AF_UNIX", None):
            return  # asyncio wakes itself through a pair of these
        self.asked.append((event, args[1:]))
        raise PermissionError(f"no network: {event}")


@pytest.fixture(scope="module")
def refusal():
    refusal = Refusal()
    yield refusal
    refusal.asked = None


def test_a_whole_edit_opens_no_socket(monkeypatch, refusal):
    register(monkeypatch)
    runner, clip = Runner(), write_clip("clip")
    first = {
        **opening(clip),
        **inverting(),
        "layout": node("VideoGrainAttentionLayout", model=["full", 0], inversion=["invert", 1], conditioning=["source", 0],
                       clusters=2, steps=1, feature="attention rows", scope="whole clip", seed=0, clip=["demo", 1],
                       prompt="a cat on grass"),
        "clusters": node("VideoGrainClustersToMask", layout=["layout", 0], clusters="0", frames=["load", 0]),
        **editing(),
        "compare": node("VideoGrainBeforeAfterVideo", source=["load", 0], edited=["decode", 0], mode="side by side",
                        position=0.5),
        "save": node("VideoGrainSaveInversion", inversion=["invert", 1], noise=["invert", 0], filename_prefix="clip",
                     precision="fp32"),
    }  # fmt: skip
    first["region"]["inputs"]["mask"] = ["clusters", 0]
    saved = "output/inversions/clip_00001_.safetensors"
    second = {
        **{name: part for name, part in first.items() if name not in ("invert", "save")},
        "layout": {**first["layout"], "inputs": {**first["layout"]["inputs"], "inversion": ["reload", 1]}},
        "reload": node("VideoGrainLoadInversion", file=saved, model=["full", 0], latent=["latent", 0]),
        **editing("reload"),
        "show": node("VideoGrainShowAttention", model=["modulate", 0], inversion=["reload", 1], conditioning=["bind", 0],
                     frames=["load", 0], start_percent=0.0, end_percent=0.5, steps=1),
        "chunks": node("VideoGrainEditInChunks", model=["modulate", 0], vae=["demo", 2], frames=["load", 0],
                       source=["source", 0], positive=["bind", 0], negative=["negative", 0], steps=STEPS, cfg=4.0,
                       sampler_name="euler", scheduler="ddim_uniform", seed=0, chunk_length=1, overlap=0, anchors=1,
                       blend="inversion"),
        "long": node("Digest", images=["chunks", 0]),
    }  # fmt: skip
    refusal.asked = []
    edited = runner.run(first)
    again = runner.run(second)
    assert refusal.asked == []
    with pytest.raises(PermissionError, match="no network"):
        socket.create_connection(("127.0.0.1", 9))
    assert again["result"] == edited["result"] and again["long"]


OUT = [
    "../secret", "a/../../secret", "..", "/etc/passwd", "//server/share/secret", "a\0b", "sub/../../../secret", "link/secret",
    "secret", "circle/secret", "x" * 5000,
]  # fmt: skip
ODD = ["..%2fsecret", "%2e%2e/secret", "%252e%252e%252fsecret", "..\\secret", "C:\\secret", "C:secret", "\\\\server\\share\\x",
       "file:///etc/passwd", "http://127.0.0.1:9/x", "~/secret", "$HOME/secret", "NUL", "a:b", "\uff0e\uff0e\uff0fsecret"]  # fmt: skip


@pytest.fixture
def secret(tmp_path):
    """A folder with a file beside ComfyUI's own, and links in them that lead there."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for folder in (tmp_path / "input", tmp_path / "output" / "inversions", tmp_path / "input" / "inversions"):
        folder.mkdir(exist_ok=True, parents=True)
        (folder / "link").symlink_to(outside)
        (folder / "circle").symlink_to(folder / "circle")
        for suffix in ("", ".safetensors", ".mp4"):
            (folder / f"secret{suffix}").symlink_to(outside / f"secret{suffix}")
    for suffix in ("", ".safetensors", ".mp4"):
        (outside / f"secret{suffix}").write_bytes(b"secret")
    return outside


def everything(folder: Path) -> dict[str, bytes]:
    """All below a folder as it is, links not followed."""
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.is_symlink()}


SETTINGS = {"force_rate": 0.0, "skip": 0, "every_nth": 1, "cap": 0, "size": "keep", "width": SIDE, "height": SIDE}


@pytest.mark.parametrize("name", [*OUT, *ODD])
@pytest.mark.parametrize("suffix", ["", ".safetensors", ".mp4"])
def test_no_name_leads_a_reading_node_out_of_its_folder(secret, name, suffix):
    assert isinstance(LoadVideoFrames.validate_inputs(f"{name}{suffix}"), str)
    with pytest.raises(ValueError, match=r"may only name|There is no|No clip is chosen"):
        LoadVideoFrames.execute(f"{name}{suffix}", **SETTINGS)
    for root in inversion_files.roots():
        assert isinstance(LoadInversion.validate_inputs(f"{root}/{name}{suffix}"), str)
        with pytest.raises(ValueError, match=r"may only name|There is no"):
            LoadInversion.execute(f"{root}/{name}{suffix}")
        assert LoadInversion.fingerprint_inputs(f"{root}/{name}{suffix}") == ""


def an_inversion() -> tuple[Inversion, dict]:
    latents = torch.randn(3, 2, 4, 2, 2)
    return Inversion(latents, torch.tensor([2.0, 1.0, 0.0]), latents[2].clone(), "own", "0", "x"), {
        "samples": latents[0] * 2
    }


@pytest.mark.parametrize("prefix", [*OUT, *ODD])
def test_no_prefix_leads_save_inversion_out_of_its_folder(secret, tmp_path, prefix):
    """What is refused writes nothing; what is taken, as a name with strange letters in it, lies in the folder."""
    before = everything(tmp_path)
    try:
        name = SaveInversion.execute(*an_inversion(), prefix).args[0]
    except ValueError as error:
        told = "may only name" in str(error) or "not every system can have" in str(error)
        assert told and everything(tmp_path) == before
    else:
        assert prefix in (*ODD, "secret")  # "secret_00001_" is a name like any other
        (new,) = everything(tmp_path).keys() - before.keys()
        assert new.startswith(str(tmp_path / "output" / "inversions")) and LoadInversion.validate_inputs(name) is True
