"""What runs in the browser, run by the Node.js that Playwright brings along; and the same answers from both languages."""

import json
import subprocess
from base64 import b64encode
from pathlib import Path
from zlib import compress

import playwright
import torch

from pack.videograin.choice import chosen_tokens, parse_choice, token
from pack.videograin.layout import ClusterLayout

ROOT = Path(__file__).parents[2]
NODE = Path(playwright.__file__).with_name("driver") / "node"


def node(*arguments: str, given: str = "") -> subprocess.CompletedProcess:
    return subprocess.run([NODE, *arguments], cwd=ROOT, input=given, capture_output=True, text=True, timeout=120)


def test_the_units_of_the_javascript():
    run = node("--test", "--test-reporter=spec", *map(str, sorted(ROOT.glob("tests/js/*.test.mjs"))))
    assert run.returncode == 0 and "pass 0" not in run.stdout, run.stdout + run.stderr


def test_every_program_is_javascript_that_parses():
    programs = sorted(ROOT.glob("js/**/*.js"))
    assert programs
    for program in programs:
        run = node("--check", "--input-type=module", given=program.read_text())
        assert run.returncode == 0, f"{program.name}: {run.stderr}"


def test_no_program_makes_html_of_text_or_replaces_what_is_not_ours():
    banned = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", ".prototype")
    for program in ROOT.glob("js/**/*.js"):
        text = program.read_text()
        assert [word for word in banned if word in text] == [], program.name


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


def test_the_picker_shows_the_mask_that_the_node_makes():
    cases, expected = [], []
    for seed in range(12):
        layout = blobs(seed)
        generator = torch.Generator().manual_seed(seed)
        for number in range(6):
            x, y, frame = (int(torch.randint(most, (1,), generator=generator)) for most in (107, 72, 4))
            cluster = int(layout.labels[frame][token(layout, x, y)])
            choice = f"{cluster}@({x}, {y},{frame})" + (", dog" if number == 5 else "")
            packed = b64encode(compress(bytes(layout.labels.flatten().tolist()))).decode()
            shape = list(layout.labels.shape)
            cases.append({"labels": packed, "shape": shape, "size": [107, 72], "names": layout.names, "choice": choice})
            expected.append(chosen_tokens(layout, parse_choice(layout, choice)).flatten(1).int().tolist())
    run = node("tests/js/answer.mjs", given=json.dumps(cases))
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == expected
    assert len({sum(map(sum, mask)) for mask in expected}) > 20  # the cases differ
