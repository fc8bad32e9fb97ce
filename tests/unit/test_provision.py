"""The host's set-up logic on real files and archives, without downloading anything."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from pack.tools import provision as p

PROVISION = Path(p.__file__)
PREFIX = "thing-1.0/vendor/ComfyUI/"
COMFYUI = {
    "main.py": "",
    "nodes.py": "",
    "folder_paths.py": "",
    "comfyui_version.py": '__version__ = "0.30.0"',
    "comfy/ops.py": "x = 1",
    "comfy_api/latest.py": "",
}


def make_archive(path: Path, files: dict[str, str], link: str | None = None) -> str:
    """Writes a .tar.gz and returns its sha256."""
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def comfyui_archive(path: Path, extra: dict[str, str] | None = None) -> str:
    return make_archive(path, {**{PREFIX + name: text for name, text in COMFYUI.items()}, **(extra or {})})


def comfyui_folder(path: Path, **replaced: str) -> Path:
    for name, text in {**COMFYUI, **replaced}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def test_tree_holds_the_vendored_files_only(tmp_path):
    sha256 = comfyui_archive(tmp_path / "a.tar.gz", {"thing-1.0/README.md": "no", "thing-1.0/vendor/other.py": "no"})
    p.build_tree(tmp_path / "tree", sha256, lambda _: tmp_path / "a.tar.gz")
    found = {str(f.relative_to(tmp_path / "tree/ComfyUI")) for f in tmp_path.glob("tree/**/*") if f.is_file()}
    assert found == set(COMFYUI)
    assert (tmp_path / "tree/ComfyUI/comfy/ops.py").read_text() == "x = 1"


def test_corrupt_download_is_refused_and_leaves_nothing(tmp_path):
    archive = tmp_path / "a.tar.gz"
    sha256 = comfyui_archive(archive)
    archive.write_bytes(archive.read_bytes()[:-9] + b"corrupted")
    with pytest.raises(p.SetupError, match=f"expected {sha256}"):
        p.build_tree(tmp_path / "tree", sha256, lambda _: archive)
    assert [f.name for f in tmp_path.iterdir()] == ["a.tar.gz"]


def test_interrupted_extraction_leaves_no_tree_and_the_next_run_completes_it(tmp_path):
    archive = tmp_path / "a.tar.gz"
    sha256 = comfyui_archive(archive)

    def interrupted(_: Path) -> Path:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        p.build_tree(tmp_path / "tree", sha256, interrupted)
    assert not (tmp_path / "tree").exists()
    p.build_tree(tmp_path / "tree", sha256, lambda _: archive)
    assert (tmp_path / "tree/ComfyUI/main.py").exists()


@pytest.mark.parametrize("name", [PREFIX + "../../../../escaped.py", PREFIX + "a/../../b.py"])
def test_path_traversal_is_refused(tmp_path, name):
    archive = tmp_path / "cache/a.tar.gz"
    archive.parent.mkdir()
    sha256 = comfyui_archive(archive, {name: "evil"})
    with pytest.raises(p.SetupError, match="unsafe entry"):
        p.build_tree(tmp_path / "cache/tree", sha256, lambda _: archive)
    assert [f for f in tmp_path.rglob("*") if f.is_file()] == [archive]


def test_links_are_refused(tmp_path):
    make_archive(tmp_path / "a.tar.gz", {PREFIX + "main.py": ""}, link=PREFIX + "comfy")
    with pytest.raises(p.SetupError, match="unsafe entry"):
        p.extract_comfyui(tmp_path / "a.tar.gz", tmp_path / "out")


def test_archive_without_comfyui_is_refused(tmp_path):
    sha256 = make_archive(tmp_path / "a.tar.gz", {PREFIX + "main.py": ""})
    with pytest.raises(p.SetupError, match=r"has no nodes\.py"):
        p.build_tree(tmp_path / "tree", sha256, lambda _: tmp_path / "a.tar.gz")
    assert not (tmp_path / "tree").exists()


def test_environment_is_keyed_by_the_lock_files_content(tmp_path):
    lock, other = tmp_path / "one.lock", tmp_path / "other.lock"
    lock.write_text("a==1\n")
    other.write_text("a==1\n")
    first = p.environment_folder(tmp_path, lock)
    assert p.environment_folder(tmp_path, other) == first
    lock.write_text("a==2\n")
    assert p.environment_folder(tmp_path, lock) != first


def test_interrupted_environment_is_built_again_and_a_complete_one_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(p, "SPACE_NEEDED", 0)
    lock = tmp_path / "packages.txt"
    lock.write_text("# an environment of nothing but pip\n")
    folder = p.environment_folder(tmp_path, lock)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").write_text("half written")  # as a killed run leaves it: no marker
    python = p.environment(tmp_path, lock)
    asked = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == str(folder)
    (folder / "kept").touch()
    assert p.environment(tmp_path, lock) == python and (folder / "kept").exists()


def test_a_failed_installation_is_told_and_not_marked_complete(tmp_path, monkeypatch):
    monkeypatch.setattr(p, "SPACE_NEEDED", 0)
    lock = tmp_path / "packages.txt"
    lock.write_text(f"{tmp_path}/no-such-package.whl\n")
    with pytest.raises(p.SetupError, match=r"no-such-package.*pip\.log"):
        p.environment(tmp_path, lock)
    assert not (p.environment_folder(tmp_path, lock) / ".complete").exists()


def test_opencvs_other_build_stands_beside_the_environment_whole_or_not_at_all(tmp_path, monkeypatch):
    lock = tmp_path / "headless.lock"
    lock.write_text("opencv-python-headless==1\n")

    def failing(*arguments):
        Path(arguments[-1]).mkdir()
        raise p.SetupError("no network")

    monkeypatch.setattr(p, "pip", failing)
    with pytest.raises(p.SetupError, match="no network"):
        p.overlay(tmp_path, Path("python"), "headless-opencv", lock)
    assert not list(tmp_path.glob("*opencv*")) and not list(tmp_path.glob("tmp-*"))
    monkeypatch.setattr(p, "pip", lambda *arguments: (Path(arguments[-1]) / "cv2").mkdir(parents=True))
    folder = p.overlay(tmp_path, Path("python"), "headless-opencv", lock)
    assert (folder / "cv2").is_dir() and not (tmp_path / "env-").exists()
    monkeypatch.setattr(p, "pip", failing)
    assert p.overlay(tmp_path, Path("python"), "headless-opencv", lock) == folder  # no second installation


def test_too_little_disk_space_is_told_before_anything_is_built(tmp_path, monkeypatch):
    monkeypatch.setattr(p, "SPACE_NEEDED", 2**60)
    with pytest.raises(p.SetupError, match="VIDEOGRAIN_CACHE"):
        p.environment(tmp_path)
    assert not p.environment_folder(tmp_path).exists()


def test_leftovers_of_killed_runs_are_removed(tmp_path):
    (tmp_path / "tmp-killed").mkdir()
    with p.exclusive(tmp_path):
        assert not (tmp_path / "tmp-killed").exists()


def test_the_lock_keeps_a_second_set_up_waiting(tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(PROVISION.parent)!r}); import provision as p; from pathlib import Path\n"
    )
    code += f"with p.exclusive(Path({str(tmp_path)!r})): print('entered', flush=True)"
    with p.exclusive(tmp_path):
        second = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert "waiting" in second.stderr.readline()
        assert second.poll() is None
    assert "entered" in second.communicate(timeout=30)[0]


def run_provision(**variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, PROVISION], env={**os.environ, **variables}, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (lambda path: path, "has no main.py"),
        (lambda path: comfyui_folder(path, **{"comfyui_version.py": '__version__ = "0.3.75"'}), "version 0.3.75"),
    ],
)
def test_unfit_existing_installation_is_told_in_one_paragraph(tmp_path, prepare, told):
    prepare(tmp_path)
    done = run_provision(VIDEOGRAIN_COMFYUI=str(tmp_path))
    assert done.returncode == 1 and done.stdout == ""
    assert told in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


def test_existing_installation_is_used_with_its_own_python(tmp_path, monkeypatch):
    comfyui_folder(tmp_path)
    own = tmp_path / ".venv/bin/python"
    own.parent.mkdir(parents=True)
    own.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    own.chmod(0o755)
    monkeypatch.setenv("VIDEOGRAIN_COMFYUI", str(tmp_path))
    assert p.provision() == (own, tmp_path)


def test_existing_installation_without_the_packs_requirements_names_them(tmp_path, monkeypatch):
    comfyui_folder(tmp_path)
    monkeypatch.setattr(p, "MODULES", ("numpy", "no_such_module"))
    with pytest.raises(p.SetupError, match=r"lacks these modules: no_such_module\. .*pip install"):
        p.existing_installation(tmp_path)


def test_unknown_version_names_the_known_ones(tmp_path):
    with pytest.raises(p.SetupError, match=r"0\.9.*0\.30\.0, .*0\.16\.3"):
        p.comfyui_tree(tmp_path, "0.9", Path(sys.executable))


def test_the_matrix_is_every_version_that_can_be_provisioned():
    makefile = (PROVISION.parents[1] / "Makefile").read_text(encoding="utf-8")
    values = dict(re.findall(r"^([A-Z]+) := (.*)$", makefile, re.M))
    matrix = re.sub(r"\$\((\w+)\)", lambda name: values[name[1]], values["MATRIX"]).split()
    assert matrix == sorted(json.loads(p.SOURCES.read_text()), key=p.as_numbers)
    assert {"0.18.2", "0.26.0"} < set(matrix) and (matrix[0], matrix[-1]) == (p.OLDEST, p.NEWEST)


@pytest.mark.parametrize("name", [name for name in p.OVERLAYS if name.startswith("newest")])
def test_an_overlay_of_the_newest_is_newer_than_the_environment_and_sealed(name):
    pin = re.compile(r"^([\w-]+)==([\d.]+)", re.M)
    own = {package.replace("_", "-"): version for package, version in pin.findall(p.LOCK.read_text())}
    text = p.OVERLAYS[name].read_text()
    for package, version in pin.findall(text):
        assert p.as_numbers(version) > p.as_numbers(own[package])
        assert re.search(rf"^{package}==\S+( \\\n    --hash=sha256:[0-9a-f]{{64}})+$", text, re.M)
