"""What runs in the browser, run by the Node.js that Playwright brings along; and the same answers from both languages."""

import json
import re
from base64 import b64encode
from contextlib import nullcontext
from pathlib import Path
from zlib import compress

import pytest
import torch
from javascript import node

from pack.videograin.core.attention_clusters import ClusterLayout
from pack.videograin.masks.cluster_choice import chosen_tokens, parse_choice, token
from pack.videograin.views.region_report import MARKS, Mark

ROOT = Path(__file__).parents[2]
BAD = (
    """import { a, b } from './x.js'
const { c, d: [e] } = a
export function f(g, _h) {
  i = 3
  for (const j of g) if (j == 2) { let k = j; missing(k) }
  try { f() } catch (l) { var m = 1 }\x20
  return class N { #p = 1; o() { return console.log(`${e}`, this.#p) } }
};
"""
    + f"// {'x' * 138}\n"
)


def test_the_units_of_the_javascript():
    run = node("--test", "--test-reporter=spec", *map(str, sorted(ROOT.glob("tests/js/*.test.mjs"))))
    assert run.returncode == 0 and "pass 0" not in run.stdout, run.stdout + run.stderr


def test_every_program_is_javascript_that_parses():
    programs = sorted(ROOT.glob("js/**/*.js"))
    assert programs
    for program in programs:
        run = node("--check", "--input-type=module", given=program.read_text())
        assert run.returncode == 0, f"{program.name}: {run.stderr}"


def lint(*programs: Path) -> list[str]:
    run = node("--expose-internals", "tests/js/lint.mjs", *map(str, programs))
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_names_are_defined_and_used_and_lines_are_short():
    assert lint(*sorted(ROOT.glob("js/**/*.js"))) == []


def test_the_lint_finds_what_it_is_for(tmp_path):
    bad = tmp_path / "bad.js"
    bad.write_text(BAD)
    found = {line.removeprefix(f"{bad}:") for line in lint(bad)}
    assert found == {
        *("1: b is not used", "2: c is not used", "4: i is not defined", "5: missing is not defined", "5: =="),
        *("6: l is not used", "6: m is not used", "6: var", "7: N is not used", "7: console is not defined"),
        *("7: console", "6: a tab, or a space at the end", "8: a semicolon at the end", "9: 141 characters"),
    }


def test_what_a_program_exports_is_used_elsewhere():
    programs = [*ROOT.glob("js/*.js"), *ROOT.glob("tests/js/*.mjs")]
    imported = set()
    for program in programs:
        for names in re.findall(
            r"^import \{ (.+?) \} from '\./|^import \{ (.+?) \} from '\.\./\.\./js", program.read_text(), re.M
        ):
            imported |= {name.strip() for name in "".join(names).split(",")}
    exported = {
        name
        for program in ROOT.glob("js/*.js")
        for name in re.findall(r"^export (?:async )?(?:const|function|class) (\w+)", program.read_text(), re.M)
    }
    assert exported and exported - imported == set()


def test_no_program_touches_what_is_not_ours():
    """That none makes HTML of text is a rule of the house, tests/unit/test_house_rules.py."""
    banned = (".prototype", "document.head", "document.body", "document.documentElement")
    for program in ROOT.glob("js/**/*.js"):
        text = program.read_text()
        assert [word for word in banned if word in text] == [], program.name
        names = re.findall(r"registerExtension\(\{\s*name: '(.+?)'", text)
        assert len(names) == text.count("registerExtension") and all(name.startswith("videograin.") for name in names)


def blobs(seed: int) -> ClusterLayout:
    """Random clusters of a few tokens' size, that move a little from frame to frame."""
    generator = torch.Generator().manual_seed(seed)
    frames, height, width = 4, 9, 13
    noise = torch.rand(3, height + 8, width + 8, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(noise[None], 3, 1)[0]
    labels = torch.stack(
        [smooth[:, frame : frame + height, frame // 2 :][:, :, :width].argmax(0) for frame in range(4)]
    )
    assert labels.shape == (frames, height, width)
    return ClusterLayout(labels, ("cat", "", "dog"), 72, 107)


def asked(layout: ClusterLayout, choice: str) -> dict:
    """What the picker is given."""
    packed = b64encode(compress(bytes(layout.labels.flatten().tolist()))).decode()
    shape, size = list(layout.labels.shape), [layout.width, layout.height]
    return {"labels": packed, "shape": shape, "size": size, "names": layout.names, "choice": choice}


def test_the_picker_tells_what_the_node_would_refuse():
    layout = blobs(0)
    there = int(layout.labels[0][token(layout, 5, 5)])
    texts = {
        "0, 2": True, "cat, dog": True, f"{there}@(5, 5, 0)": True, "1@": False, "3": False, "zzz, 0": False, "-1": False,
        "0@(1,2": False, f"{there}@(9999,1,0)": False, f"{(there + 1) % 3}@(5,5,0)": False, f"{there}@(5, 5, 4)": False,
        "\uff12": False, "\u0661": False, f"{there}@(\uff15, 5, 0)": False,
    }  # fmt: skip
    run = node("tests/js/answer.mjs", given=json.dumps([asked(layout, text) for text in texts]))
    assert run.returncode == 0, run.stderr
    for (text, good), answer in zip(texts.items(), json.loads(run.stdout), strict=True):
        assert (answer["vain"] == []) == good, text
        with nullcontext() if good else pytest.raises(ValueError, match="`clusters`"):
            parse_choice(layout, text, "`clusters`")


def test_the_picker_shows_the_mask_that_the_node_makes():
    cases, expected = [], []
    for seed in range(12):
        layout = blobs(seed)
        generator = torch.Generator().manual_seed(seed)
        for number in range(6):
            x, y, frame = (int(torch.randint(most, (1,), generator=generator)) for most in (107, 72, 4))
            cluster = int(layout.labels[frame][token(layout, x, y)])
            choice = f"{cluster}@({x}, {y},{frame})" + (", dog" if number == 5 else "")
            cases.append(asked(layout, choice))
            expected.append(chosen_tokens(layout, parse_choice(layout, choice, "`clusters`")).flatten(1).int().tolist())
    run = node("tests/js/answer.mjs", given=json.dumps(cases))
    assert run.returncode == 0, run.stderr
    assert [answer["chosen"] for answer in json.loads(run.stdout)] == expected
    assert len({sum(map(sum, mask)) for mask in expected}) > 20  # the cases differ


def test_the_overview_says_of_regions_what_its_picture_says():
    values = {
        "size": "48×48",
        "expected": "96×64",
        "share": "33%",
        "count": 3,
        "frames": 4,
        "side": 8,
        "other": 2,
        "near": "{share} & <b>",
        "sign": "(",
    }
    where = ([[3, 3]], [[0, 1]], [[1, 3], [7, 7], [9, 10]])
    marks = [
        Mark(key, {name: value for name, value in {**values, "where": runs}.items() if f"{{{name}}}" in text})
        for key, text in MARKS.items()
        for runs in where
    ]
    run = node("tests/js/marks_answer.mjs", given=json.dumps([mark._asdict() for mark in marks]))
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert sorted(found["keys"]) == sorted(MARKS) and found["said"] == [str(mark) for mark in marks]
