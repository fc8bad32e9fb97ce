"""The first frame that Regions shows before any run is the one that Load Video Frames gives, and lies as it does there."""

import json
from fractions import Fraction
from random import Random

import torch
from javascript import node

from pack.videograin.media.clip import Facts, TimedFrame
from pack.videograin.media.rates import exact_rate, rhythm
from pack.videograin.media.resize import EXACT, KEEP, MODES, Fit, centred
from pack.videograin.media.selection import Pick, Trim

RATES = (*map(Fraction, (8, 12, 24, 25, 30, 50, 60)), Fraction(24000, 1001), Fraction(30000, 1001))
TYPED_RATES = (0.0, 0.0, 1.0, 8.0, 12.5, 24.0, 23.976, 25.0, 29.97, 30.0, 60.0)


def answers(times=(), sizes=()):
    run = node("tests/js/first_frame_answer.mjs", given=json.dumps({"times": list(times), "sizes": list(sizes)}))
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def close(rate, time, off):
    """A time just beside a frame's beginning, but not at it: files round, so that either frame may be meant."""
    return 0 < abs(round(time * rate) / rate - time) < off


def chosen(stamps, end, own, start, rate, skip):
    """The number of the loader's first frame in a file whose header says its `own` rate; None if there is none."""
    steady = rhythm(stamps, [own], Fraction(1, 1000))
    exact = [steady.exact(time) for time in stamps]
    facts, trim = Facts("clip", "", 8, 8, exact, end, steady.rate or Fraction(25)), Trim.seconds(start)
    try:
        part = trim.facts(facts)
    except ValueError:
        return None
    ends = [*exact[1:], end]
    frames = [TimedFrame(*span, str(n), torch.Tensor) for n, span in enumerate(zip(exact, ends, strict=True))]
    pick = Pick(exact_rate(rate), skip).at_own_rate(part)
    first = next(pick.take(trim.take(iter(frames), part)), None)
    return None if first is None else int(first.label)


def test_it_is_the_frame_that_the_loader_gives_first():
    chance, cases, expected = Random(0), [], []
    for _ in range(600):
        rate, count = chance.choice(RATES), chance.randint(20, 90)
        unit, off = chance.choice(((Fraction(1, 1000), 0.002), (Fraction(1, 90_000), 0.0001)))  # as containers round
        stamps = [round(number / rate / unit) * unit for number in range(count)]
        start = chance.choice((0.0, 0.0, 0.1, 0.25, 0.8, round(chance.uniform(0, 1), 2), 9.0))
        typed, skip, end = chance.choice(TYPED_RATES), chance.choice((0, 0, 1, 2, 7, 23, 70)), count / rate
        if close(rate, Fraction(start), 0.002) or (typed and close(rate, skip / exact_rate(typed), off)):
            continue
        wanted = {"start": start, "rate": typed, "skip": skip}
        cases.append({"starts": [float(stamp) for stamp in stamps], "end": float(end), "wanted": wanted})
        expected.append(chosen(stamps, end, rate, *wanted.values()))
    found = answers(times=cases)["times"]
    wrong = [(case["wanted"], len(case["starts"]), case["end"], e, f)
             for case, e, f in zip(cases, expected, found, strict=True) if e != f]  # fmt: skip
    assert wrong == [] and expected.count(None) > 20 and len(set(expected)) > 30


def test_it_lies_in_the_frame_as_the_loader_puts_it():
    chance, cases = Random(1), []
    for _ in range(300):
        have = [chance.randint(5, 200), chance.randint(5, 200)]
        fit = Fit(chance.choice(MODES), chance.randint(1, 25) * 8, chance.randint(1, 25) * 8)
        cases.append({"have": have, "fit": fit._asdict()})
    for case, found in zip(cases, answers(sizes=cases)["sizes"], strict=True):
        (width, height), fit = case["have"], Fit(**case["fit"])
        try:
            rows, columns = fit.size(height, width)
        except ValueError:
            assert found is None
            continue
        assert found["size"] == [columns, rows], case
        if fit.mode == EXACT:
            scale = min(height / rows, width / columns)
            cut = [max(1, round(side * scale)) for side in (columns, rows)]
            assert found["from"] == [(width - cut[0]) // 2, (height - cut[1]) // 2, *cut], case
            continue
        for axis, (have, want) in enumerate(((width, columns), (height, rows))):
            taken = centred(have, want)
            first, count = int(taken[0]), len(taken.unique())
            at = int((taken == first).sum()) - 1
            assert found["from"][axis::2] == [first, count] and found["to"][axis::2] == [at, count], case
    assert {case["fit"]["mode"] for case in cases} > {KEEP, EXACT}
