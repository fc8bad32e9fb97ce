"""What users read about the nodes: help pages, names and tooltips in three languages, search aliases."""

import ast
import asyncio
import os
import re
from pathlib import Path

import pytest
from node_texts import dumped, flat, read, write_english
from option_words import option_words

from pack.nodes import VideoGrainExtension

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "js" / "docs"
NODES = asyncio.run(VideoGrainExtension().get_node_list())
SCHEMAS = {schema.node_id: schema for schema in (node.define_schema() for node in NODES)}
TRANSLATED = ("ja", "zh")


# ---- locales --------------------------------------------------------------------------------------------------------


def test_the_english_locale_is_what_the_nodes_say():
    if os.environ.get("VIDEOGRAIN_WRITE_SCHEMA"):
        write_english(dumped(NODES))
    assert read("en") == dumped(NODES), "`make schema` renews locales/en; then translate what has changed"


def test_every_node_input_and_output_is_described():
    english = flat(read("en"))
    assert english and [path for path, text in english.items() if not text.strip()] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_every_text_and_no_other(language):
    assert set(flat(read(language))) == set(flat(read("en")))


@pytest.mark.parametrize("language", TRANSLATED)
def test_names_are_filled_in_and_sentences_translated(language):
    kana_or_han = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
    for path, text in flat(read(language)).items():
        assert text.strip() and (path[-1] in ("name", "display_name") or kana_or_han.search(text)), path


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_numbers_of_the_english(language):
    """Finds a translation that was left behind when a range, a default or a size changed."""
    number, translated = re.compile(r"\d+(?:\.\d+)?"), flat(read(language))
    for path, text in flat(read("en")).items():
        there = number.findall(translated[path])
        for value in number.findall(text):
            assert value in there, f"{path}: {value} is not in {translated[path]}"
            there.remove(value)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_names_choices_as_the_list_shows_them(language):
    english, translated = read("en"), read(language)
    inputs = sorted({entry.id for schema in SCHEMAS.values() for entry in schema.inputs})
    words = option_words(language, *inputs)
    for node_id, schema in SCHEMAS.items():
        for entry in schema.inputs:
            source, target = (defs[node_id]["inputs"][entry.id]["tooltip"] for defs in (english, translated))
            for choice in getattr(entry, "options", None) or []:
                if f"“{choice}”" in source or re.search(rf"\b{re.escape(choice)}: ", source):
                    shown = words[entry.id].get(choice, choice)
                    assert shown in target, f"{node_id} {entry.id}: {choice} is shown as {shown}"


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_calls_our_nodes_by_their_translated_names(language):
    english, translated = read("en"), read(language)
    both = ((node["display_name"], translated[node_id]["display_name"]) for node_id, node in english.items())
    names = {
        name.partition(" (")[0]: there.partition("\uff08")[0] for name, there in both
    }  # the rest tells it from others'
    for path, text in flat(english).items():
        for name in sorted(names, key=len, reverse=True):  # “Bind Region Prompts” before “Region Prompt”
            if name in text:
                text = text.replace(name, "")
                assert names[name] in flat(translated)[path], f"{path}: {name}"


@pytest.mark.parametrize("language", ("en", *TRANSLATED))
def test_no_text_means_something_else_to_the_frontend(language):
    """vue-i18n reads {…}, a | b and @:key as code in names and descriptions, older frontends in tooltips too."""
    found = flat(read(language))
    assert [path for path, text in found.items() if set(text) & set("{}|@")] == []
    assert [path for path in found if any("." in key for key in path)] == []  # a dot would split the key


@pytest.mark.parametrize("language", TRANSLATED)
def test_category_names_are_those_of_our_nodes(language):
    used = {part for schema in SCHEMAS.values() for part in schema.category.split("/")}
    assert set(read(language, "main")["nodeCategories"]) == used


# ---- search aliases -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node_id", SCHEMAS)
def test_a_node_is_found_by_other_words_than_its_name(node_id):
    aliases = [alias.lower() for alias in SCHEMAS[node_id].search_aliases]
    assert len(set(aliases)) == len(aliases) >= 2
    assert SCHEMAS[node_id].display_name.lower() not in aliases


@pytest.mark.parametrize("word", ["unsample", "attention couple", "regional prompt", "K-Means", "video inpaint"])
def test_a_common_word_finds_a_node(word):
    assert any(word in schema.search_aliases for schema in SCHEMAS.values())


# ---- help pages -----------------------------------------------------------------------------------------------------


def page(node_id: str) -> str:
    return (DOCS / f"{node_id}.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def strings_in_the_code() -> set[str]:
    """Adjacent strings count as one; a value in an f-string ends a piece of text."""
    files = [path for folder in ("nodes", "videograin", "demo") for path in (ROOT / folder).rglob("*.py")]
    parts = (part for path in files for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def test_every_node_has_a_page_and_every_page_a_node():
    assert {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} == {f"{name}.md" for name in SCHEMAS}


@pytest.mark.parametrize("node_id", SCHEMAS)
def test_a_page_is_short_and_has_what_a_reader_looks_for(node_id):
    text = page(node_id)
    assert text.startswith(f"# {SCHEMAS[node_id].display_name}\n")
    assert {"When to use it", "In a graph", "Messages", "Cost"} <= set(re.findall("^## (.+)$", text, re.M))
    words = re.sub(r"!\[.*?\]\(.*?\)", "", text)  # what a picture shows is for those who do not see it
    assert 150 <= len(words.split()) <= 400


@pytest.mark.parametrize("node_id", SCHEMAS)
def test_a_page_has_no_dead_link(node_id):
    """The frontend looks for pictures beside the page; any other relative link would lead out of the workflow."""
    found = re.findall(r"(!?)\[[^\]]*\]\(([^)\s]+)[^)]*\)", page(node_id))
    assert [link for mark, link in found if not mark and not link.startswith("https://")] == []
    assert [picture for mark, picture in found if mark and not (DOCS / picture).is_file()] == []


@pytest.mark.parametrize("node_id", SCHEMAS)
def test_a_page_explains_inputs_and_outputs_that_there_are(node_id):
    schema = SCHEMAS[node_id]
    there = {entry.id for entry in schema.inputs} | {entry.display_name for entry in schema.outputs}
    assert set(re.findall(r"\*\*`(\w+)`\*\*", page(node_id))) <= there


@pytest.mark.parametrize("node_id", SCHEMAS)
def test_a_page_quotes_messages_that_the_code_can_give(node_id, strings_in_the_code):
    messages = page(node_id).split("\n## Messages\n")[1].split("\n## ")[0]
    for quote in re.findall("^- “([^”]+)”", messages, re.M):
        for part in quote.split(" … "):
            assert any(part in text for text in strings_in_the_code), part


def test_no_help_page_is_loaded_as_a_program():
    """ComfyUI has the browser load every .js file below WEB_DIRECTORY, and nothing else there."""
    assert list(DOCS.rglob("*.js")) == []
