"""The promises of the demo model, as measured when its weights were exported (`python demo/train.py --evaluate`)."""

import json
from pathlib import Path

import pytest

TOYBOX = Path(__file__).parents[2] / "videograin" / "toybox"
BARS = {
    "single": 0.95,
    "pairs_seen": 0.85,
    "pairs_held_out": 0.75,
    "vae_psnr": 27.0,
    "judge_names": 0.98,
    "judge_places": 0.98,
}


@pytest.fixture(scope="module")
def metrics():
    return json.loads((TOYBOX / "metrics.json").read_text())


@pytest.mark.parametrize("name", BARS)
def test_bar_is_met(metrics, name):
    assert metrics[name] >= BARS[name]


def test_inversion_loses_at_most_one_decibel(metrics):
    assert metrics["inversion_psnr"] >= metrics["inversion_vae_psnr"] - 1


def test_control_net_places_objects(metrics):
    assert metrics["placed_by_control"] >= metrics["placed_by_chance"] + 0.4


def test_all_weights_together_stay_small():
    assert sum(file.stat().st_size for file in TOYBOX.glob("*.safetensors")) <= 60e6
