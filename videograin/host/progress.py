"""What a node says while it works: its progress bar, phase and step as text on the node; and cancel."""

from __future__ import annotations

import sys
from collections.abc import Callable

import comfy.model_management
import comfy.utils
from comfy_execution.utils import get_executing_context


def tell(text: str) -> None:
    """Shows a text on the node at work, for work of several phases or minutes: the node grows a line.

    Raises InterruptProcessingException if the user has cancelled.
    """
    comfy.model_management.throw_exception_if_processing_interrupted()
    context, server = get_executing_context(), sys.modules.get("server")  # not loaded where there is no web page
    page = getattr(getattr(server, "PromptServer", None), "instance", None)
    if context is not None and page is not None:
        page.send_progress_text(text, context.node_id, page.client_id)


def watcher() -> Callable[[float], None]:
    """Moves the node's progress bar, 0 to 1; ends the work when the user cancels."""
    bar = comfy.utils.ProgressBar(100)
    shown = 0

    def watch(done: float) -> None:
        nonlocal shown
        comfy.model_management.throw_exception_if_processing_interrupted()
        if int(done * 100) > shown:
            shown = int(done * 100)
            bar.update_absolute(shown)

    return watch
