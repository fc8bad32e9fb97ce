"""Release check: says in plain lines what is missing before the pack can be published; exit code 1 if anything is.

    python3 tools/release_check.py [--tag v0.1.0]

Asks the Comfy registry about one thing, the publisher. Needs nothing but Python 3.11.
"""

import argparse
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parents[1]
REGISTRY = "https://api.comfy.org/publishers/"
ADDRESS = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(\.git)?/?")
VERSION = re.compile(r"\d+\.\d+\.\d+")
HEADING = re.compile(r"^## (\S+)(?: \((.*)\))?$", re.M)  # "## 0.1.0 (2026-12-24)"
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
ICON = "docs/icon.svg"
SHIPPED = ("__init__.py", "requirements.txt", "README.md", ".comfyignore", ICON)
OPERATING_SYSTEM = "Operating System :: "

Ask = Callable[[str], int | None]


def registry_status(address: str) -> int | None:
    """The HTTP status of an address; None if nobody answers."""
    try:
        with urllib.request.urlopen(address, timeout=15) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def missing(root: Path, ask: Ask = registry_status, tag: str | None = None) -> list[str]:
    """One line for each thing that is missing in the checkout at `root`; `tag`: what is to be published, such as v0.1.0."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project, comfy = settings.get("project", {}), settings.get("tool", {}).get("comfy", {})
    return [
        *_files(root, project),
        *_version(root, project.get("version", ""), tag),
        *_addresses(project, comfy),
        *_registry(project, comfy, ask),
    ]


def _files(root: Path, project: dict) -> list[str]:
    licence = project.get("license", {})
    name = licence.get("file", "") if isinstance(licence, dict) else ""
    lines = []
    if not name or not _holds_text(root / name):
        lines.append('LICENSE: pyproject.toml needs license = { file = "LICENSE" }, and that file.')
    lines += [f"{file}: is not there, or is empty." for file in SHIPPED if not _holds_text(root / file)]
    return lines


def _holds_text(path: Path) -> bool:
    return path.is_file() and bool(path.read_text(encoding="utf-8").strip())


def _version(root: Path, version: str, tag: str | None) -> list[str]:
    lines = []
    if not VERSION.fullmatch(version):
        lines.append(f'Version: pyproject.toml has "{version}"; the registry wants three numbers, as in 0.1.0.')
    if tag is not None and tag != f"v{version}":
        lines.append(
            f"Tag: it is {tag}, and pyproject.toml's version is {version}. Tag v{version}, or change the version."
        )
    changes = root / "CHANGELOG.md"
    newest = HEADING.search(changes.read_text(encoding="utf-8")) if changes.is_file() else None
    if newest is None:
        return [*lines, f'CHANGELOG.md: it needs a heading for this version, "## {version} (year-month-day)".']
    if newest[1] != version:
        lines.append(f"CHANGELOG.md: its newest version is {newest[1]}, and pyproject.toml's is {version}.")
    if not DAY.fullmatch(newest[2] or ""):
        lines.append(f'CHANGELOG.md: write the day of the release, "## {version} (year-month-day)".')
    return lines


def _addresses(project: dict, comfy: dict) -> list[str]:
    """The repository's address, and the icon's, which lies in it."""
    address = ADDRESS.fullmatch(project.get("urls", {}).get("Repository", ""))
    if not address:
        return [
            'Repository: pyproject.toml needs Repository = "https://github.com/OWNER/NAME" under [project.urls].',
            "Icon: pyproject.toml needs its address under [tool.comfy], once there is a repository.",
        ]
    icon = f"https://raw.githubusercontent.com/{address[1]}/"
    if not (comfy.get("Icon", "").startswith(icon) and comfy["Icon"].endswith(f"/{ICON}")):
        return [f'Icon: pyproject.toml needs Icon = "{icon}main/{ICON}" under [tool.comfy].']
    return []


def _registry(project: dict, comfy: dict, ask: Ask) -> list[str]:
    lines = [
        f"{key}: pyproject.toml needs it under {table}."
        for key, table, given in (
            ("name", "[project]", project.get("name")),
            ("description", "[project]", project.get("description")),
            ("DisplayName", "[tool.comfy]", comfy.get("DisplayName")),
            ("requires-comfyui", "[tool.comfy]", comfy.get("requires-comfyui")),
        )
        if not given
    ]
    if not any(entry.startswith(OPERATING_SYSTEM) for entry in project.get("classifiers", ())):
        lines.append(f'Classifiers: pyproject.toml needs an operating system, "{OPERATING_SYSTEM}OS Independent".')
    return [*lines, *_publisher(comfy.get("PublisherId", ""), ask)]


def _publisher(publisher: str, ask: Ask) -> list[str]:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", publisher):
        return ["PublisherId: pyproject.toml needs that of your publisher at registry.comfy.org, in small letters."]
    status = ask(REGISTRY + publisher)
    if status == 200:
        return []
    if status == 404:
        return [f'PublisherId: registry.comfy.org knows no publisher "{publisher}". Create it there, or name yours.']
    answer = "did not answer" if status is None else f"answered with status {status}"
    return [f'PublisherId: the registry {answer}, so nobody knows whether "{publisher}" is there. Try again later.']


def main(arguments: list[str] | None = None, root: Path = ROOT, ask: Ask = registry_status) -> int:
    parser = argparse.ArgumentParser(description="Say what is missing before the pack can be published.")
    parser.add_argument("--tag", help="the tag to publish, which must be v and pyproject.toml's version")
    lines = missing(root, ask, parser.parse_args(arguments).tag)
    if lines:
        print(f"Missing before this can be published: {len(lines)}", *lines, sep="\n  ")
        return 1
    print("Everything is there. Is the publisher yours, and the secret REGISTRY_ACCESS_TOKEN in the repository?")
    return 0


if __name__ == "__main__":
    sys.exit(main())
