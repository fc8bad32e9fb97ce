"""What the host tests say about other nodes, models and samplers, collected while they run.

A test carries `claim("neighbour", "FreeU", COMPOSED)`; what became of all claims is written to
tests/out/compatibility.json, and `make compatibility` makes docs/compatibility.md of that.
"""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

OUT = Path(__file__).resolve().parents[1] / "out"
RESULTS = OUT / "compatibility.json"
HOST = OUT.parent / "host"
COMPOSED, REFUSED, WORKS, SURVIVED = "composed", "refused", "works", "survived"
MARK = "compatibility"


class Claim(NamedTuple):
    """kind: neighbour, model, sampler, scheduler, fault. outcome: what its tests assert."""

    kind: str
    name: str
    outcome: str


def claim(kind: str, name: str, outcome: str) -> pytest.MarkDecorator:
    """Marks a test, or a case of one, as what a claim rests on."""
    return getattr(pytest.mark, MARK)(Claim(kind, name, outcome))


def claims_of(item: pytest.Item) -> list[Claim]:
    return [mark.args[0] for mark in item.iter_markers(MARK)]


class Recorder:
    """A pytest plugin that keeps the result of every test a claim rests on."""

    def __init__(self, version: str):
        self.version = version
        self.collected: dict[str, dict[Claim, set[str]]] = {}  # by test file, with what -k leaves out
        self.results: dict[str, dict[str, dict]] = {}  # by test file and test

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            here = self.collected.setdefault(item.path.name, {})
            for found in claims_of(item):
                here.setdefault(found, set()).add(item.nodeid)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item):
        report = (yield).get_result()
        if (report.when == "call" or not report.passed) and claims_of(item):
            why = {"why": report.longrepr[2].removeprefix("Skipped: ")} if report.skipped else {}
            self.results.setdefault(item.path.name, {})[item.nodeid] = {"result": report.outcome, **why}

    def pytest_sessionfinish(self) -> None:
        if self.results:
            OUT.mkdir(exist_ok=True)
            _write(OUT / f"compatibility-{self.version}.json", self._merged())
            parts = sorted(OUT.glob("compatibility-*.json"), key=lambda path: version_key(_version(path)))
            _write(RESULTS, {_version(path): json.loads(path.read_text(encoding="utf-8")) for path in parts})

    def _merged(self) -> dict[str, list[dict]]:
        """This session's results over those of earlier ones, without files, tests and claims that are no more."""
        path = OUT / f"compatibility-{self.version}.json"
        earlier = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        merged = {file: entries for file, entries in earlier.items() if (HOST / file).exists()}
        for file, results in self.results.items():
            known = {
                test: result for entry in merged.get(file, []) for test, result in entry["tests"].items()
            } | results
            entries = []
            for found, tests in sorted(self.collected[file].items()):
                if mine := {test: known[test] for test in sorted(tests) if test in known}:
                    entries.append({**found._asdict(), **_worst(mine.values()), "tests": mine})
            merged[file] = entries
        return merged


def _worst(results: Iterable[dict]) -> dict:
    """A claim has failed with one of its tests, and is passed over only with all of them."""
    return min(results, key=lambda result: ("failed", "passed", "skipped").index(result["result"]))


def _write(path: Path, value: dict) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def _version(path: Path) -> str:
    return path.stem.removeprefix("compatibility-")


def version_key(version: str) -> tuple[int, ...]:
    """Of a host such as "0.30.0 with comfy-kitchen 0.2.40": it comes after 0.30.0."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
