"""The shape of the house (docs/ARCHITECTURE.md): what may import what, and how long things may be."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOST = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "comfyui_version", "execution", "folder_paths",
        "latent_preview", "node_helpers", "nodes", "server"}  # fmt: skip
DEVELOPMENT = {"demo", "tools", "benchmarks", "farm", "tests"}
SHIPPED = sorted([*ROOT.glob("nodes/**/*.py"), *ROOT.glob("videograin/**/*.py"), ROOT / "__init__.py"])
# Downwards: a folder may import those before it.
FLOORS = (
    "core", "storage", "media", "views", "masks", "metrics", "backbones", "features", "toybox", "comfyui", "jobs", "nodes"
)  # fmt: skip
BASES = {"features": {"base", "source_reader"}, "backbones": {"base", "registry"}}  # what others may name of these
LINES, FUNCTION, PARAMETERS = 400, 60, 6


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def absolute(path: Path) -> set[str]:
    """Top-level packages that a file imports by their names."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found


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
