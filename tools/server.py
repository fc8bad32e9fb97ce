"""An unmodified ComfyUI server with this pack in `custom_nodes`, for the demo and the end-to-end tests.

    with Server(python, comfyui, pack) as server:
        history = server.run(json.load(open("graph_api.json")), on_progress=print)
        print(server.output_files(history))

The server gets a folder of its own (models, input, output, user, custom_nodes) and a free port on this machine only.
"""

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

FOLDERS = ("custom_nodes", "input", "models", "output", "temp", "user")
LOG_LINES_SHOWN = 40
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no http_proxy for local ports
TEXT = 3  # kind of the binary messages that carry text

Prompt = dict[str, dict[str, Any]]  # API form: node id -> {"class_type", "inputs"}


class ServerError(RuntimeError):
    """The server did not start, died, or does not answer."""


class PromptError(RuntimeError):
    """The server refused a graph, or a node of it failed."""


class Interrupted(PromptError):
    """The graph was interrupted before it ended."""


class Progress(NamedTuple):
    """One step of one node: `value` of `maximum` steps are done; both are 0 when the node starts or shows a text."""

    node_id: str
    node_type: str
    value: int
    maximum: int
    text: str = ""


class Server:
    """A ComfyUI server as a context: started on entry, ended on exit with everything that it started."""

    def __init__(
        self,
        python: Path,
        comfyui: Path,
        pack: Path | None,
        *,
        others: tuple[Path, ...] = (),
        base: Path | None = None,
        options: tuple[str, ...] = (),
        start_timeout: float = 300,
    ):
        """
        Args: python, the interpreter that has ComfyUI's packages; comfyui, its folder; pack, this repository, or None
            for a ComfyUI without it; others, packs beside it; base, an existing folder to keep models, inputs and outputs in (default: a
            temporary one); options, further ComfyUI command-line options; start_timeout in seconds.
        """
        self.python, self.comfyui, self.pack = Path(python), Path(comfyui), pack and Path(pack)
        self._temporary = None if base else tempfile.TemporaryDirectory(prefix="videograin-host-")
        self.base = Path(base or self._temporary.name)
        self.log_path = self.base / "server.log"
        self.others = others
        self._options, self._start_timeout = options, start_timeout
        self._peak_rss = 0.0

    # ---- life -------------------------------------------------------------------------------------------------------

    def __enter__(self) -> "Server":
        for folder in FOLDERS:
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        for name, pack in {"videograin": self.pack, **{pack.name: pack for pack in self.others}}.items():
            link = self.base / "custom_nodes" / name
            link.unlink(missing_ok=True)
            if pack:
                link.symlink_to(pack.resolve(), target_is_directory=True)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._start()
        return self

    def _start(self) -> None:
        try:
            with self.log_path.open("wb") as log:
                self.process = subprocess.Popen(
                    self._command(), cwd=self.base, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise

    def restart(self) -> None:
        """Ends it and starts it again at the same address, with the same files but for the temporary ones."""
        _end_group(self.process)
        self._start()

    def _command(self) -> list[str]:
        database = f"sqlite:///{(self.base / 'user' / 'comfyui.db').resolve()}"
        # ComfyUI's own choice of attention on a CPU takes about twice as long.
        fixed = ["--cpu", "--use-pytorch-cross-attention", "--disable-auto-launch", "--disable-api-nodes"]
        fixed += ["--database-url", database]
        place = ["--listen", "127.0.0.1", "--port", str(self.port), "--base-directory", str(self.base)]
        return [str(self.python), str(self.comfyui / "main.py"), *fixed, *place, *self._options]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._start_timeout
        while time.monotonic() < deadline:
            self._require_alive()
            try:
                self.get("/system_stats")
                return
            except ServerError:
                time.sleep(0.2)
        raise ServerError(
            f"ComfyUI did not answer within {self._start_timeout:.0f} s. Its log ends:\n{self.log_tail()}"
        )

    def __exit__(self, *_: object) -> None:
        process = getattr(self, "process", None)
        if process:
            self.peak_rss_mb()
            _end_group(process)
        if self._temporary:
            self._temporary.cleanup()

    def _require_alive(self) -> None:
        if self.process.poll() is not None:
            raise ServerError(f"ComfyUI ended with code {self.process.returncode}. Its log ends:\n{self.log_tail()}")

    def log_tail(self, lines: int = LOG_LINES_SHOWN) -> str:
        """The last lines the server printed."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def peak_rss_mb(self) -> float:
        """The peak memory of the server process so far, in MiB; also available after its end."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            self._peak_rss = int(status.split("VmHWM:")[1].split()[0]) / 1024
        except (OSError, IndexError):  # it has ended
            pass
        return self._peak_rss

    # ---- HTTP API ---------------------------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """The JSON answer to a GET request, such as `/queue` or `/history`."""
        return self._request(path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer to a POST request; None if it has no body."""
        return self._request(path, body)

    def _request(self, path: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with DIRECT.open(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise PromptError(_refusal(path, error.code, error.read(), body)) from None
        except OSError as error:
            raise ServerError(f"ComfyUI does not answer at {self.url}{path}: {error}") from None
        return json.loads(text) if text else None

    def object_info(self, node_type: str = "") -> dict[str, Any]:
        """The schemas of all node types, or of one."""
        return self.get(f"/object_info/{node_type}" if node_type else "/object_info")

    def queue(self, prompt: Prompt, client_id: str = "") -> str:
        """Queues a graph in API form and returns its prompt id; PromptError says why a graph is refused."""
        return self.post("/prompt", {"prompt": prompt, "client_id": client_id})["prompt_id"]

    def interrupt(self) -> None:
        """Asks the server to stop the running graph."""
        self.post("/interrupt", {})

    def history(self, prompt_id: str) -> dict[str, Any]:
        """The record of a finished graph: its status and outputs."""
        return self.get(f"/history/{prompt_id}")[prompt_id]

    def output_files(self, history: dict[str, Any]) -> list[Path]:
        """The files that a finished graph wrote, in the order of its nodes and their results."""
        entries = [
            entry
            for outputs in history["outputs"].values()
            for values in outputs.values()
            for entry in (values if isinstance(values, list) else [])
            if isinstance(entry, dict) and "filename" in entry
        ]
        return [self.base / e.get("type", "output") / e.get("subfolder", "") / e["filename"] for e in entries]

    # ---- a whole run ------------------------------------------------------------------------------------------------

    def run(
        self,
        prompt: Prompt,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> dict[str, Any]:
        """Queues a graph, follows it over the websocket until it ends, and returns its history.

        Args: on_progress, called at each node's start, each of its steps and each text it shows; it may call
            `interrupt`.
        Raises PromptError (which node failed, and how), Interrupted, or ServerError (it died; its last log lines).
        """
        return asyncio.run(self._run(prompt, on_progress))

    async def _run(self, prompt: Prompt, on_progress: Callable | None) -> dict[str, Any]:
        client_id = uuid.uuid4().hex
        failure: PromptError | None = None
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self.url}/ws?clientId={client_id}", max_msg_size=0) as socket_,
        ):
            prompt_id = self.queue(prompt, client_id)
            async for message in socket_:
                if message.type is aiohttp.WSMsgType.BINARY:
                    step = _shown_text(message.data, prompt)
                    if step and on_progress:
                        on_progress(step)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    continue
                event = json.loads(message.data)
                kind, data = event["type"], event["data"]
                if data.get("prompt_id") != prompt_id:
                    continue
                failure = failure or _failure(kind, data, prompt)
                step = _progress(kind, data, prompt)
                if step and on_progress:
                    on_progress(step)
                if kind == "executing" and data["node"] is None:  # sent last, when the history is complete
                    break
            else:
                await asyncio.sleep(1)  # the connection was lost: let a dying process end
                self._require_alive()
                raise ServerError(f"ComfyUI closed the connection. Its log ends:\n{self.log_tail()}")
        if failure:
            raise failure
        return self.history(prompt_id)


def _progress(kind: str, data: dict[str, Any], prompt: Prompt) -> Progress | None:
    """The progress a websocket event reports, if any."""
    node_id = data.get("node")
    if kind not in ("executing", "progress") or node_id is None:
        return None
    node_type = prompt.get(node_id, {}).get("class_type", "?")
    return Progress(node_id, node_type, int(data.get("value", 0)), int(data.get("max", 0)))


def _shown_text(message: bytes, prompt: Prompt) -> Progress | None:
    """The text a node shows, from a binary message: its kind, the length of the node's id, the id, the text."""
    kind, length = struct.unpack(">II", message[:8])
    if kind != TEXT:
        return None
    node_id = message[8 : 8 + length].decode()
    return Progress(node_id, prompt.get(node_id, {}).get("class_type", "?"), 0, 0, message[8 + length :].decode())


def _failure(kind: str, data: dict[str, Any], prompt: Prompt) -> PromptError | None:
    """The failure a websocket event reports, if any, in words."""
    if kind == "execution_interrupted":
        return Interrupted(f"interrupted in node {data['node_id']} ({data['node_type']})")
    if kind == "execution_error":
        reason = f"{data['exception_type']}: {data['exception_message'].strip()}"
        return PromptError(f"node {data['node_id']} ({data['node_type']}) failed with {reason}")
    return None


def _refusal(path: str, code: int, answer: bytes, body: dict[str, Any] | None) -> str:
    """The server's reasons for refusing a request, one line for each node that has an error."""
    try:
        errors = json.loads(answer)
        lines = [f"ComfyUI refused {path}: {errors['error']['message']} {errors['error'].get('details', '')}".strip()]
        for node_id, node in errors.get("node_errors", {}).items():
            lines += [
                f"  node {node_id} ({node['class_type']}): {error['message']}: {error['details']}"
                for error in node["errors"]
            ]
        return "\n".join(lines)
    except (ValueError, KeyError, TypeError):
        return f"ComfyUI answered {path} with {code}: {answer[:500].decode(errors='replace')}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _end_group(process: subprocess.Popen) -> None:
    """Ends a process and all that it started: first with SIGTERM, then with SIGKILL."""
    for how, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
