"""Rules of the house that a reader relies on (docs/ARCHITECTURE.md): who may import whom, how long things may be, what is safe."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOST = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "comfyui_version", "execution", "folder_paths",
        "latent_preview", "node_helpers", "nodes", "server"}  # fmt: skip
DEVELOPMENT = {"demo", "tools", "benchmarks", "farm", "proof", "tests"}
SHIPPED = sorted([*ROOT.glob("nodes/**/*.py"), *ROOT.glob("videograin/**/*.py"), ROOT / "__init__.py"])
# Downwards: a folder may import those before it.
FLOORS = (
    "core", "storage", "media", "views", "masks", "metrics", "backbones", "features", "toybox", "comfyui", "jobs", "nodes"
)  # fmt: skip
BASES = {
    "features": {"base", "engine", "source_reader"},
    "backbones": {"base", "registry"},
}  # what others may name of these
LINES, FUNCTION, PARAMETERS = 400, 60, 6


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(nodes) -> set[str]:
    """The top-level packages that these syntax nodes import absolutely."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def absolute(path: Path) -> set[str]:
    return imports(ast.walk(tree(path)))


def own(path: Path) -> set[tuple[str, ...]]:
    """Modules of ours that a file imports, wherever it does, for type checking too."""
    here, found = path.relative_to(ROOT).parent.parts, set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - node.level + 1] + tuple((node.module or "").split(".") if node.module else ())
            for alias in node.names:
                inner = ROOT.joinpath(*base, alias.name)
                is_module = inner.with_suffix(".py").exists() or (inner / "__init__.py").exists()
                found.add((*base, alias.name) if is_module else base)
    return found


def floor(parts: tuple[str, ...]) -> str:
    return parts[1] if parts[:1] == ("videograin",) and len(parts) > 1 else parts[0] if parts else ""


@pytest.mark.parametrize("path", SHIPPED, ids=named)
def test_only_the_engine_the_jobs_and_the_nodes_know_comfyui(path):
    if floor(module(path)) not in ("comfyui", "jobs", "nodes", ""):
        assert not absolute(path) & HOST


@pytest.mark.parametrize("path", SHIPPED, ids=named)
def test_nothing_shipped_needs_what_is_for_development(path):
    assert not {parts[0] for parts in own(path) if parts} & DEVELOPMENT
    assert not absolute(path) & DEVELOPMENT


@pytest.mark.parametrize("path", [path for path in SHIPPED if floor(module(path)) in FLOORS], ids=named)
def test_arrows_point_down(path):
    here = floor(module(path))
    above = [parts for parts in own(path) if FLOORS.index(floor(parts)) > FLOORS.index(here)]
    assert not above


@pytest.mark.parametrize("path", SHIPPED, ids=named)
def test_no_feature_knows_another_and_the_engine_knows_none(path):
    """Nor a family of models; jobs and nodes may name what they are about."""
    here = module(path)
    for folder, bases in BASES.items():
        inside = floor(here) == folder and here[-1] != "registry"
        if inside or floor(here) == "comfyui" or (folder == "backbones" and floor(here) == "features"):
            theirs = {parts[-1] for parts in own(path) if parts[:2] == ("videograin", folder)}
            assert not theirs - bases - {here[-1]}


def test_no_circles():
    arrows = {module(path): own(path) for path in SHIPPED}
    done, walking = set(), []

    def walk(at):
        if at in walking:
            raise AssertionError(" -> ".join(".".join(parts) for parts in (*walking[walking.index(at) :], at)))
        if at in done or at not in arrows:
            return
        walking.append(at)
        for other in sorted(arrows[at]):
            if other != at:
                walk(other)
        done.add(walking.pop())

    for start in arrows:
        walk(start)


@pytest.mark.parametrize("path", SHIPPED, ids=named)
def test_a_file_is_a_few_screens(path):
    assert path.read_text(encoding="utf-8").count("\n") <= LINES


def functions(path: Path):
    """Functions but schemas, nodes' entry points, and Triton's kernels."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            kernel = any("jit" in ast.dump(decorator) for decorator in node.decorator_list)
            if not kernel and node.name not in ("define_schema", "execute", "fingerprint_inputs", "validate_inputs"):
                yield node


@pytest.mark.parametrize("path", SHIPPED, ids=named)
def test_a_function_is_one_screen_and_takes_at_most_six(path):
    for node in functions(path):
        assert node.end_lineno - node.lineno < FUNCTION, node.name
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        given = [argument for argument in given if argument.arg not in ("self", "cls")]
        assert len(given) <= PARAMETERS, f"{node.name} takes {len(given)}"


@pytest.mark.parametrize("path", SHIPPED, ids=named)
def test_cv2_is_imported_inside_functions_only_and_own_modules_relatively(path):
    assert "cv2" not in imports(tree(path).body)  # its wheel needs libGL, which a bare machine lacks
    assert not absolute(path) & {"videograin", "pack"}


@pytest.mark.parametrize("path", sorted(path for path in ROOT.rglob("*.py") if ".git" not in path.parts), ids=named)
def test_sources_have_only_letters_that_every_windows_console_can_show(path):
    """comfy-test's first level asks for it: what is logged or raised there must not end in an encoding error."""
    path.read_text(encoding="utf-8").encode("cp1252")


@pytest.mark.parametrize("path", SHIPPED, ids=named)
def test_nothing_looks_for_files_beside_the_hosts_modules(path):
    """Where ComfyUI keeps its files may change with any version; comfy-import-guard calls that a pack that will break."""
    attributes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    names = [dotted(node) for node in attributes if node.attr in ("__file__", "__path__")]
    assert not [name for name in names if name.partition(".")[0] in HOST]


def test_unit_tests_run_without_comfyui():
    assert importlib.util.find_spec("comfy") is None


# ---- what a workflow or a file from a stranger must never reach (SECURITY.md) --------------------------------------

UNSAFE = {"ctypes", "dill", "ftplib", "http", "httpx", "importlib", "marshal", "multiprocessing", "pickle", "pty",
          "requests", "runpy", "shelve", "smtplib", "socket", "socketserver", "ssl", "subprocess", "telnetlib", "urllib",
          "urllib3", "webbrowser", "xmlrpc", "zipimport"}  # fmt: skip
CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
METHODS = {"torch.load", "torch.save", "torch.hub.load", "os.system", "os.popen", "os.startfile", "numpy.load", "np.load",
           "joblib.load", "yaml.load", "yaml.unsafe_load"}  # fmt: skip


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


@pytest.mark.parametrize("path", SHIPPED, ids=named)
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
