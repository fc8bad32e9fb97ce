"""Rules of the house that a reader relies on: what imports what."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOST_MODULES = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "execution", "folder_paths", "nodes", "server"}
PACK = sorted([*ROOT.glob("*.py"), *ROOT.glob("nodes/**/*.py"), *ROOT.glob("videograin/**/*.py")])
SHIPPED = sorted({*PACK, *ROOT.glob("demo/*.py"), *ROOT.glob("videograin/toybox/*.py")})
METHOD = [path for path in PACK if path.is_relative_to(ROOT / "videograin")]
ENGINE = ("comfyui", "jobs", "features")  # features: until each is behind the protocol
PURE = [path for path in METHOD if path.relative_to(ROOT / "videograin").parts[0] not in ENGINE]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(nodes) -> set[str]:
    """The top-level packages that these syntax nodes import absolutely."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("path", PURE, ids=named)
def test_the_method_never_imports_the_host(path):
    tree = ast.parse(path.read_text())
    assert not imports(ast.walk(tree)) & HOST_MODULES
    above = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level}
    assert not any(module.split(".")[0] in (*ENGINE, "nodes") for module in above)


@pytest.mark.parametrize("path", [path for path in PACK if path.name != "conftest.py"], ids=named)
def test_cv2_is_imported_inside_functions_only_and_own_modules_relatively(path):
    tree = ast.parse(path.read_text())
    assert "cv2" not in imports(tree.body)  # its wheel needs libGL, which a bare machine lacks
    assert not imports(ast.walk(tree)) & {"videograin", "pack", "demo"}


@pytest.mark.parametrize("path", sorted(path for path in ROOT.rglob("*.py") if ".git" not in path.parts), ids=named)
def test_sources_have_only_letters_that_every_windows_console_can_show(path):
    """comfy-test's first level asks for it: what is logged or raised there must not end in an encoding error."""
    path.read_text(encoding="utf-8").encode("cp1252")


@pytest.mark.parametrize("path", SHIPPED, ids=named)
def test_nothing_looks_for_files_beside_the_hosts_modules(path):
    """Where ComfyUI keeps its files may change with any version; comfy-import-guard calls that a pack that will break."""
    attributes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    names = [dotted(node) for node in attributes if node.attr in ("__file__", "__path__")]
    assert not [name for name in names if name.partition(".")[0] in HOST_MODULES]


def test_unit_tests_run_without_comfyui():
    assert importlib.util.find_spec("comfy") is None


# ---- what a workflow or a file from a stranger must never reach (SECURITY.md) --------------------------------------

UNSAFE = {"ctypes", "dill", "ftplib", "http", "httpx", "importlib", "marshal", "multiprocessing", "pickle", "pty",
          "requests", "runpy", "shelve", "smtplib", "socket", "socketserver", "ssl", "subprocess", "telnetlib", "urllib",
          "urllib3", "webbrowser", "xmlrpc", "zipimport"}  # fmt: skip
CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
METHODS = {"torch.load", "torch.save", "torch.hub.load", "os.system", "os.popen", "os.startfile", "numpy.load", "np.load",
           "joblib.load", "yaml.load", "yaml.unsafe_load"}  # fmt: skip
SERVED = [
    *(path for path in PACK if path.name != "conftest.py"),
    *ROOT.glob("demo/*.py"),
    *ROOT.glob("videograin/toybox/*.py"),
]  # what a node can come to
# The demo's own scripts: run by hand in a terminal, never by a node.
SCRIPTS = {"demo/run.py", "demo/showcase.py", "demo/train.py", "demo/make_sprites.py"}


def dotted(node: ast.AST) -> str:
    """`torch.hub.load` of such an expression; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}" if dotted(node.value) else ""
    return node.id if isinstance(node, ast.Name) else ""


def unsafe(text: str) -> list[str]:
    """What a module imports or calls that could run code, start a program or open a connection."""
    tree = ast.parse(text)
    found = sorted(imports(ast.walk(tree)) & UNSAFE)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in CALLS | METHODS or name.startswith(("os.exec", "os.spawn")):
                found.append(f"line {node.lineno}: {name}(…)")
            found += [f"line {node.lineno}: {key.arg}=True" for key in node.keywords if key.arg == "allow_pickle"]
        if isinstance(node, ast.Attribute) and node.attr == "routes":
            found.append(f"line {node.lineno}: a route of the server")
    return found


@pytest.mark.parametrize("path", [p for p in SERVED if p.relative_to(ROOT).as_posix() not in SCRIPTS], ids=named)
def test_nothing_runs_code_starts_programs_or_connects(path):
    assert unsafe(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from urllib.request import urlopen", "def f():\n    import socket", "eval('1')", "torch.load(p)",
     "os.system('x')", "os.execv('x', [])", "np.load(p, allow_pickle=True)", "PromptServer.instance.routes.get('/x')"],
)  # fmt: skip
def test_the_rule_finds_what_it_is_for(text):
    assert unsafe(text)
    assert not unsafe("model.eval()\nre.compile('x')\nimport os\nos.replace(a, b)")


def test_scripts_are_no_part_of_a_node():
    """The exceptions above hold only while nothing that nodes import leads to them, or to the demo's trainer."""
    scripts = {Path(script).stem for script in SCRIPTS} | {"training", "host.server", "host.provision"}
    for path in SERVED:
        if path.relative_to(ROOT).as_posix() in SCRIPTS:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and "demo" in path.parts + tuple((node.module or "").split(".")):
                assert not {node.module, *(alias.name for alias in node.names)} & scripts, named(path)


JAVASCRIPT = re.compile(
    r"eval\(|new Function|\bimport\(|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|innerHTML|outerHTML|insertAdjacentHTML|"
    r"document\.write|<script|https?://(?!www\.w3\.org/2000/svg)"
)


@pytest.mark.parametrize("path", sorted(ROOT.glob("js/**/*.js")), ids=named)
def test_the_web_page_is_given_text_never_markup_and_asks_nobody_else(path):
    assert JAVASCRIPT.findall(path.read_text(encoding="utf-8")) == []


OTHERWISE_ELSEWHERE = re.compile(r"\.link\b|\.links\[|\bgetInput(Node|Link)\(")


@pytest.mark.parametrize("path", sorted(ROOT.glob("js/**/*.js")), ids=named)
def test_the_web_page_asks_for_nothing_that_frontends_answer_differently(path):
    """A slot's links are deprecated, and a subgraph's node answers about its outputs: isInputConnected and graph.links.values()."""
    code = re.sub(r"^\s*(//|/?\*).*$", "", path.read_text(encoding="utf-8"), flags=re.M)
    assert OTHERWISE_ELSEWHERE.findall(code) == []
