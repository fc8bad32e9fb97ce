"""The release check on checkouts made here, and on this one."""

from pathlib import Path

import pytest

from pack.tools import release_check as r

ROOT = Path(__file__).parents[2]
READY = """
[project]
name = "videograin"
version = "1.2.3"
description = "Edits clips."
license = { file = "LICENSE" }
classifiers = ["Operating System :: OS Independent"]
[project.urls]
Repository = "https://github.com/someone/something"
[tool.comfy]
PublisherId = "someone"
DisplayName = "VideoGrain"
Icon = "https://raw.githubusercontent.com/someone/something/main/docs/icon.svg"
requires-comfyui = ">=0.16.3"
"""


def known(_: str) -> int:
    return 200


@pytest.fixture
def checkout(tmp_path):
    for name in (*r.SHIPPED, "LICENSE"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n## 1.2.3 (2026-12-24)\n\n- New.\n\n## 1.2.2 (2026-12-01)\n")
    (tmp_path / "pyproject.toml").write_text(READY)
    return tmp_path


def test_a_complete_checkout_misses_nothing(checkout, capsys):
    assert r.missing(checkout, known) == r.missing(checkout, known, "v1.2.3") == []
    assert r.main([], checkout, known) == 0
    assert "Everything is there" in capsys.readouterr().out


@pytest.mark.parametrize("name", [*r.SHIPPED, "LICENSE"])
@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text(" \n")], ids=["gone", "empty"])
def test_a_file_is_missing(name, spoil, checkout):
    spoil(checkout / name)
    (line,) = r.missing(checkout, known)
    assert line.startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("old", "new", "starts"),
    [
        ('version = "1.2.3"', 'version = "1.2.4"', ["CHANGELOG.md: its newest version is 1.2.3"]),
        ('version = "1.2.3"', 'version = "1.2"', ["Version: ", "CHANGELOG.md: "]),
        ('license = { file = "LICENSE" }\n', "", ["LICENSE: "]),
        ('Repository = "https://github.com/someone/something"', "", ["Repository: ", "Icon: "]),
        ("https://github.com/someone/something", "", ["Repository: ", "Icon: "]),
        ("https://github.com/someone/something", "https://github.com/another/something", ["Icon: "]),
        ('Icon = "https://raw.githubusercontent.com/someone/something/main/docs/icon.svg"', "", ["Icon: "]),
        ('PublisherId = "someone"', "", ["PublisherId: "]),
        ('PublisherId = "someone"', 'PublisherId = "Some One"', ["PublisherId: "]),
        ("Operating System :: OS Independent", "Topic :: Multimedia :: Video", ["Classifiers: "]),
        ('DisplayName = "VideoGrain"', "", ["DisplayName: "]),
        ('requires-comfyui = ">=0.16.3"', "", ["requires-comfyui: "]),
        ('description = "Edits clips."', "", ["description: "]),
    ],
)
def test_a_setting_is_missing(old, new, starts, checkout):
    assert old in READY
    (checkout / "pyproject.toml").write_text(READY.replace(old, new))
    lines = r.missing(checkout, known)
    assert len(lines) == len(starts) and all(line.startswith(start) for line, start in zip(lines, starts, strict=True))


@pytest.mark.parametrize("text", ["# Changes\n", "## 1.2.3\n", "## 1.2.3 (unreleased)\n"])
def test_the_changelog_lacks_the_version_or_its_day(text, checkout):
    (checkout / "CHANGELOG.md").write_text(text)
    (line,) = r.missing(checkout, known)
    assert line.startswith("CHANGELOG.md: ") and "## 1.2.3 (year-month-day)" in line


def test_a_tag_is_that_of_the_version(checkout):
    (line,) = r.missing(checkout, known, "v1.2.4")
    assert line.startswith("Tag: it is v1.2.4")


@pytest.mark.parametrize(("status", "says"), [(404, "knows no"), (500, "status 500"), (None, "did not answer")])
def test_the_registry_is_asked_for_the_publisher(status, says, checkout, capsys):
    asked = []
    assert r.main([], checkout, lambda address: asked.append(address) or status) == 1
    assert asked == ["https://api.comfy.org/publishers/someone"]
    printed = capsys.readouterr().out
    assert "PublisherId: " in printed and says in printed and "published: 1\n" in printed


def test_this_checkout_misses_nothing_but_what_its_owner_must_decide():
    lines = r.missing(ROOT, known)
    assert {line.partition(":")[0] for line in lines} <= {"Repository", "Icon", "CHANGELOG.md"}
    assert not [line for line in lines if "its newest version" in line]
