"""Names of files as they stand in a workflow, which a stranger may have written."""

from __future__ import annotations

from pathlib import PurePath


def leads_out(name: str, kind: type[PurePath] = PurePath) -> bool:
    """True for what is no plain relative path: absolute, on a drive or another machine, with `..` or a zero byte in it.

    It goes by the letters alone: on Windows, asking the disk about `\\\\server\\share` signs in at that server.
    kind: how paths are written, by default as on this machine.
    """
    path = kind(name)
    return bool(path.anchor) or ".." in path.parts or "\0" in name
