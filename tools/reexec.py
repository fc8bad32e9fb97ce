"""Restart of a script in the Python that has ComfyUI's packages, from whatever Python it was started with."""

import os
import sys
from pathlib import Path

from .provision import Host, existing_installation, provision

ENTERED = "VIDEOGRAIN_ENTERED"  # environment variable: the Python that this process was restarted in


def enter_environment(tree: Path | None = None) -> Host:
    """Returns the host (the ComfyUI folder `tree`, or as `provision` finds one) once this process is its Python.

    Otherwise the process is replaced by the same command in that Python. Raises SetupError as `provision` does.
    """
    host = existing_installation(tree) if tree else provision()
    python = str(host.python)
    if python not in (sys.executable, os.environ.pop(ENTERED, "")):
        os.environ[ENTERED] = python
        sys.stdout.flush()
        os.execv(python, [python, *sys.argv])
    return host
