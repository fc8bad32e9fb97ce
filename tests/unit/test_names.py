"""Which names lead out of a folder, as Windows and others read them, by the letters alone."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest

from pack.videograin.media.safe_names import leads_out, not_portable

PLAIN = [
    "clip.safetensors",
    "runs/two_00001_.safetensors",
    "a..b/c",
    "...",
    "%2e%2e/x",
    "~/x",
    "ä ö/\u65e5\u672c.safetensors",
]
BOTH = ["..", "../x", "a/../../x", "a/..", "/etc/passwd", "//server/share/x", "a\0b", "/", "half a letter \ud800"]
WINDOWS = [
    "C:\\x",
    "C:x",
    "c:/x",
    "\\\\server\\share\\x",
    "\\\\?\\C:\\x",
    "\\\\.\\pipe\\x",
    "\\x",
    "a\\..\\..\\x",
    "..\\x",
]


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("kind", [PurePosixPath, PureWindowsPath])
def test_plain_names_stay(name, kind):
    assert not leads_out(name, kind)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("kind", [PurePosixPath, PureWindowsPath])
def test_names_that_lead_out_everywhere(name, kind):
    assert leads_out(name, kind)


@pytest.mark.parametrize("name", WINDOWS)
def test_names_that_lead_out_on_windows(name):
    assert leads_out(name, PureWindowsPath)
    assert not leads_out(name, PurePosixPath)  # where they are letters like any others


@pytest.mark.parametrize("name", ["clip", "runs/two", "ä ö/\u65e5\u672c", "console/aux_1", "a.b-c_d (2)", "x" * 200])
def test_names_that_every_system_can_have(name):
    assert not not_portable(name)


@pytest.mark.parametrize(
    "name", ["a:b", "what?", "<b>", "a|b", "con", "runs/NUL", "Aux.x", "a\nb", "x" * 201, "a/" * 200 + "b", "\ud800"]
)
def test_names_that_some_system_cannot_have(name):
    assert not_portable(name)
