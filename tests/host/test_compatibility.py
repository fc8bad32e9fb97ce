"""docs/compatibility.md says what the tests assert, name by name."""

import re
from pathlib import Path

import compatibility_page
import pytest
from compatibility import MARK

from pack.tools.provision import LOCK, OVERLAYS

HERE = Path(__file__).parent
HOW = "Run `make test-host`, then `make compatibility`."


@pytest.fixture
def claims(request):
    """Of every test, whatever else was left out of this session; the files that make claims must be in it."""
    collected = request.config.pluginmanager.get_plugin(MARK).collected
    imports = re.compile(r"^from compatibility import .*\bclaim\b", re.M)
    making = {path.name for path in HERE.glob("test_*.py") if imports.search(path.read_text(encoding="utf-8"))}
    if missing := making - set(collected):
        pytest.skip(f"only with all of tests/host; not collected: {', '.join(sorted(missing))}")
    return set().union(*collected.values())  # of every file, its claims


def test_the_page_claims_what_the_tests_assert(claims):
    page = compatibility_page.claims_on(compatibility_page.PAGE.read_text(encoding="utf-8"))
    assert page - claims == set(), f"no test asserts this any more. {HOW}"
    assert claims - page == set(), f"the page does not have this yet. {HOW}"


def test_a_name_has_one_outcome(claims):
    names = [(claim.kind, claim.name) for claim in claims]
    assert len(names) == len(set(names))


def test_a_page_is_read_as_it_was_written(claims):
    entries = [{**claim._asdict(), "result": "passed", "tests": {}} for claim in claims]
    page = compatibility_page.page({"0.0.1": {"test_some.py": entries}})
    assert compatibility_page.claims_on(page) == claims and "ComfyUI versions: 1." in page


def test_the_page_has_the_texts_it_is_made_with():
    text = compatibility_page.PAGE.read_text(encoding="utf-8")
    about = [about for _, about in compatibility_page.SECTIONS.values()]
    lines = [f"- {line}\n" for line in (*compatibility_page.NEWER, *compatibility_page.UNTESTED)]
    assert [part for part in (*about, *lines) if part not in text] == []


@pytest.mark.parametrize("name", ["newest-frontend", "newest-kernels"])
def test_the_page_names_the_versions_that_are_tested(name):
    pin = re.compile(r"^(comfy[\w-]+)==([\d.]+)", re.M)
    own = {package.replace("_", "-"): version for package, version in pin.findall(LOCK.read_text())}
    for package, newest in pin.findall(OVERLAYS[name].read_text()):
        assert re.search(
            rf"{package} {re.escape(own[package])}\b.*\b{re.escape(newest)}\b", compatibility_page.NEWER[0]
        )
