"""ComfyUI's own executor in this process, with the cost of each node. Import it after ComfyUI."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import io
import signal
import time
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import comfy.model_management
import execution
import nodes
import torch
from comfy_api.latest import io as comfy_io

from .. import comfy_entrypoint
from .graph import Prompt

REMEMBERED = 150  # node outputs in the host's cache: several edits of one clip
EXTRAS = ("nodes_latent.py", "nodes_mask.py", "nodes_post_processing.py")  # in the order in which core loads them


class Stopped(Exception):
    """The user pressed Ctrl-C."""


class Cost(NamedTuple):
    seconds: dict[str, float]  # by node; none for those whose output was in the cache
    peak_mb: float  # process memory, or PyTorch's memory on a GPU
    cpu_seconds: dict[str, float]  # the process's, by node, as `seconds`
    spans: dict[str, tuple[float, float]]  # begin and end of each node, of time.perf_counter()


class Client:
    """A stand-in for the web server: it receives the executor's messages to a browser."""

    client_id, last_node_id, last_prompt_id = "videograin", None, None

    def __init__(self):
        self.sockets_metadata: dict[str, Any] = {}
        self.started: list[tuple[str, float, float]] = []  # node, time, time of the process

    def send_sync(self, event: str | int, data: Any, sid: str | None = None) -> None:
        if event == "executing" and data.get("node") is not None:
            self.started.append((data["node"], time.perf_counter(), time.process_time()))


class Host:
    """ComfyUI's executor with its LRU cache, for the pack's nodes, the stock nodes and a few more.

    more: further files of stock nodes.
    """

    def __init__(self, own: list[type[comfy_io.ComfyNode]], more: tuple[str, ...] = ()):
        self.client = Client()
        sizes = {"lru": REMEMBERED, "ram": 0.0, "ram_inactive": 0.0}
        self.executor = execution.PromptExecutor(self.client, execution.CacheType.LRU, sizes)
        self.stopped = False
        asyncio.run(_register(own, (*EXTRAS, *more)))

    def stop_on_signals(self) -> None:
        """Makes Ctrl-C end the running node at its next step, as the Stop button of the web page does."""

        def stop(number: int, frame: FrameType | None) -> None:
            self.stopped = True
            comfy.model_management.interrupt_current_processing()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)

    def run(self, prompt: Prompt) -> Cost:
        """Runs a graph. Raises Stopped after a signal, RuntimeError for a graph that is refused or fails."""
        if self.stopped:
            raise Stopped
        return asyncio.run(self._run(prompt))

    async def _run(self, prompt: Prompt) -> Cost:
        valid, error, outputs, node_errors = await execution.validate_prompt(Client.client_id, prompt, None)
        if not valid:
            raise RuntimeError(f"ComfyUI refuses the graph: {error} {node_errors}")
        self.client.started = []
        _forget_peak()
        with contextlib.redirect_stderr(io.StringIO()):  # the samplers' progress bars
            await self.executor.execute_async(prompt, Client.client_id, {"client_id": self.client.client_id}, outputs)
        ended = "", time.perf_counter(), time.process_time()
        for event, data in self.executor.status_messages:
            if event == "execution_interrupted":
                raise Stopped
            if event == "execution_error":
                raise RuntimeError(f"{data['node_type']}: {data['exception_message']}{''.join(data['traceback'])}")
        steps = list(pairwise([*self.client.started, ended]))
        spans = {node: (begun, after) for (node, begun, _), (_, after, _) in steps}
        seconds = {node: after - begun for node, (begun, after) in spans.items()}
        return Cost(seconds, _peak_mb(), {node: after - begun for (node, _, begun), (_, _, after) in steps}, spans)


async def _register(own: list[type[comfy_io.ComfyNode]], files: tuple[str, ...]) -> None:
    folder = Path(nodes.__file__).parent / "comfy_extras"
    for name in files:
        await nodes.load_custom_node(str(folder / name), module_parent="comfy_extras")
    extension = await comfy_entrypoint()
    for node in [*await extension.get_node_list(), *own]:
        nodes.NODE_CLASS_MAPPINGS[node.GET_SCHEMA().node_id] = node


def _on_gpu() -> bool:
    return comfy.model_management.get_torch_device().type == "cuda"


def _forget_peak() -> None:
    if _on_gpu():
        torch.cuda.reset_peak_memory_stats()
    elif Path("/proc/self/clear_refs").exists():  # Linux
        gc.collect()
        getattr(ctypes.CDLL(None), "malloc_trim", int)(0)  # free heap of earlier edits would hide new peaks
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    if _on_gpu():
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
