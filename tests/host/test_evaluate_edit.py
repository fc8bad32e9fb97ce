"""Evaluate Edit inside ComfyUI: core's CLIP, CLIP vision and RAFT at toy size, against transformers and torchvision."""

import importlib.util
import json
import re
from math import inf, isnan

import comfy.clip_vision
import comfy.model_management
import comfy.sd
import folder_paths
import pytest
import torch
import torch.nn.functional as F
from largest import Largest
from transformers import CLIPConfig, CLIPModel

from pack.nodes.evaluate import SCORES, EvaluateEdit
from pack.nodes.regions import RegionPrompt
from pack.videograin.jobs.measure_edit import measure

pytestmark = pytest.mark.once

SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
VISION = {**SMALL, "hidden_act": "quick_gelu", "image_size": 64, "patch_size": 16, "num_channels": 3}
TARGET, SOURCE = "a red fox and a blue pig on snow", "a horse"


def random_clip(seed: int = 0) -> CLIPModel:
    """A whole CLIP of transformers' own class, with random weights."""
    text = {**SMALL, "hidden_act": "quick_gelu", "vocab_size": 49408, "eos_token_id": 49407}
    torch.manual_seed(seed)
    return CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=64)).eval()


def core_clip(weights: dict, projection: bool = True, **changes):
    """Core's CLIP from the text half, by the function behind Load CLIP."""
    text = {key: value.clone() for key, value in weights.items() if key.startswith("text")}
    if not projection:
        del text["text_projection.weight"]
    clip = comfy.sd.load_text_encoder_state_dicts([text], model_options={"model_config": {**SMALL, **changes}})
    if not projection:
        for name, weight in clip.cond_stage_model.named_parameters():
            if name.endswith("text_projection.weight"):
                with torch.no_grad():
                    weight.zero_()  # what memory of its own mostly holds, but not always
    return clip


def core_vision(weights: dict, folder, **changes):
    """Core's CLIP vision from the other half; core's loader knows the published sizes only."""
    config = folder / "vision.json"
    config.write_text(json.dumps({"model_type": "clip_vision_model", "projection_dim": 64, **VISION, **changes}))
    vision = comfy.clip_vision.ClipVisionModel(str(config))
    vision.load_sd({key: value.clone() for key, value in weights.items() if key.startswith("vis")})
    return vision


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """(transformers' CLIP, core's CLIP, core's CLIP vision) with the same weights."""
    whole = random_clip()
    weights = whole.state_dict()
    return whole, core_clip(weights), core_vision(weights, tmp_path_factory.mktemp("vision"))


def moving(frames: int = 5, height: int = 64, width: int = 64, x: int = 3, y: int = 0, seed: int = 0) -> torch.Tensor:
    """Smooth colours that move right by x and down by y pixels a frame."""
    coarse = torch.rand(1, 3, 60, 60, generator=torch.Generator().manual_seed(seed))
    world = F.interpolate(coarse, (400, 400), mode="bicubic")[0].movedim(0, -1).clamp(0, 1)
    windows = [world[100 - i * y :, 100 - i * x :][:height, :width] for i in range(frames)]
    return torch.stack(windows)


def recoloured(clip: torch.Tensor) -> torch.Tensor:
    """An edit that gives every frame a colour of its own, so that embeddings differ."""
    tint = torch.rand(len(clip), 1, 1, 3, generator=torch.Generator().manual_seed(5))
    return clip * 0.5 + tint * 0.5


@torch.inference_mode()  # as core runs its nodes
def evaluate(source, edited, **inputs):
    """(scores by name, table by row name, plot)"""
    *scores, table, plot, _ = EvaluateEdit.execute(source, edited, **inputs).result
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[4:]]
    return dict(zip(SCORES, scores, strict=True)), {row[0]: row[1:] for row in rows}, plot


def test_clip_numbers_are_those_of_transformers(halves):
    whole, clip, vision = halves
    edited = recoloured(moving())
    scores, table, _ = evaluate(moving(), edited, clip=clip, clip_vision=vision, target_text=TARGET, source_text=SOURCE)
    mean, spread = (torch.tensor(values).view(3, 1, 1) for values in (vision.image_mean, vision.image_std))
    pixels = (edited.movedim(-1, 1).mul(255).round() / 255 - mean) / spread
    ids = [[token for token, _ in clip.tokenize(text)["l"][0]] for text in (TARGET, SOURCE)]
    with torch.no_grad():
        out = whole(input_ids=torch.tensor(ids), pixel_values=pixels)
    pictures, texts = (F.normalize(embeds, dim=-1) for embeds in (out.image_embeds, out.text_embeds))
    likeness, among = 100 * pictures @ texts.T, pictures @ pictures.T
    near = {"abs": 5e-3}  # core computes in half precision
    assert among.min() < 0.9  # the frames do differ
    assert scores["clip_f"] == pytest.approx(float(among.diag(1).mean()), **near)
    assert scores["frame_consistency"] == pytest.approx(float((among.sum() - 5) / 20), **near)
    assert scores["clip_t"] == pytest.approx(float(likeness[:, 0].mean()), abs=0.3)
    assert scores["frame_acc"] == float((likeness[:, 0] >= likeness[:, 1]).float().mean())
    assert scores["q_edit"] == pytest.approx(scores["clip_t"] / scores["warp_err"])
    assert "CLIP ViT of width 64/16, 64 px" in table["CLIP-T"][2]


def test_the_texts_decide_frame_accuracy(halves):
    _, clip, vision = halves
    clips, models = (moving(), recoloured(moving())), {"clip": clip, "clip_vision": vision}
    one = evaluate(*clips, **models, target_text=TARGET, source_text=SOURCE)[0]["frame_acc"]
    other = evaluate(*clips, **models, target_text=SOURCE, source_text=TARGET)[0]["frame_acc"]
    assert one + other == pytest.approx(1)


def test_with_nothing_connected_the_table_says_what_to_connect():
    scores, table, plot = evaluate(moving(), moving())
    measured = {name for name, value in scores.items() if not isnan(value)}
    assert measured == {"warp_err", "pixel_mse"}
    assert table["CLIP-F"] == ["–", "mean cosine of consecutive frames (papers: × 100)", "needs `clip_vision`"]
    assert table["CLIP-T"][2] == "needs `clip_vision`, `clip` and `target_text`"
    assert table["Frame-Acc"][2].endswith("`target_text` and `source_text`")
    assert table["Background PSNR"][::2] == ["–", "needs `regions`"]
    assert "OpenCV DIS, medium" in table["Warp-Err"][2] and table["PSNR"][0] == "\u221e"
    assert plot.shape == (1, 480, 960, 3) and 0 <= plot.min() and plot.max() <= 1


def test_a_steady_edit_and_a_flickering_one():
    source = moving(6, 96, 128)
    still, table, _ = evaluate(source, 1 - source)  # colours inverted: as steady as the source
    assert still["warp_err"] < 0.02 and table["Warp-Err of the source"][0] == table["Warp-Err"][0]
    flicker = source * 0.5
    flicker[1::2] += 0.2
    scores, table, _ = evaluate(source, flicker)
    assert scores["warp_err"] == pytest.approx(100 * 0.04, rel=0.05)
    assert scores["pixel_mse"] <= scores["warp_err"] / 100
    assert float(table["Warp-Err, unmasked"][0]) > still["warp_err"]


def test_background_is_what_lies_outside_all_regions():
    source = moving(3)
    left, right = torch.zeros(1, 64, 64), torch.zeros(3, 64, 64)
    left[..., :10], right[..., 54:] = 1, 1
    regions = RegionPrompt.execute(right, "pig", regions=RegionPrompt.execute(left, "fox").result[0]).result[0]
    edited = source.clone()
    edited[..., :10, :] = 0.5
    edited[..., 54:, :] = 0.5
    scores, table, _ = evaluate(source, edited, regions=regions)
    assert scores["background_psnr"] == inf and table["Background PSNR"][0] == "\u221e" and table["PSNR"][0] != "\u221e"
    edited[:, :32, 20:40] += 0.1  # 20 of 44 columns, half of the rows
    expected = 20 - 10 * torch.tensor(20 / 44 / 2).log10().item()
    assert evaluate(source, edited, regions=regions)[0]["background_psnr"] == pytest.approx(expected, abs=1e-3)


def test_regions_of_another_size_are_resized_with_one_warning(caplog):
    mask = torch.zeros(1, 8, 8)
    mask[..., :4] = 1  # the left half
    source = moving(2)
    edited = source.clone()
    edited[..., :32, :] = 0
    scores, _, _ = evaluate(source, edited, regions=RegionPrompt.execute(mask, "fox").result[0])
    assert scores["background_psnr"] == inf
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "videograin"]
    assert "8×8" in warning and "64×64" in warning


def test_regions_that_leave_no_background():
    everything = RegionPrompt.execute(torch.ones(1, 64, 64), "all").result[0]
    scores, table, _ = evaluate(moving(2), moving(2), regions=everything)
    assert isnan(scores["background_psnr"]) and table["Background PSNR"][2] == "needs a pixel outside the regions"


def test_a_single_frame_has_no_motion(halves):
    _, clip, vision = halves
    scores, table, plot = evaluate(
        moving(1), moving(1), clip=clip, clip_vision=vision, target_text=TARGET, source_text=SOURCE
    )
    assert {name for name, value in scores.items() if not isnan(value)} == {"clip_t", "frame_acc"}
    for row in ("CLIP-F", "Frame consistency", "Warp-Err", "Pixel-MSE", "Q-edit"):
        assert table[row][0] == "–" and table[row][2] == "needs a second frame"
    assert plot.shape == (1, 480, 960, 3)


def test_an_alpha_channel_is_left_out():
    source = torch.cat((moving(2), torch.rand(2, 64, 64, 1)), -1)
    assert evaluate(source, moving(2))[1]["PSNR"][0] == "\u221e"


def test_grey_pictures_are_compared_as_rgb():
    grey = moving(3)[..., :1]
    colours = grey.expand(-1, -1, -1, 3)
    with_alpha = torch.cat((grey, torch.rand(3, 64, 64, 1)), -1)
    for pictures in (grey, with_alpha):
        scores, table, plot = evaluate(pictures, 1 - pictures)
        expected = evaluate(colours, 1 - colours)
        assert scores["warp_err"] == expected[0]["warp_err"] and table == expected[1] and torch.equal(plot, expected[2])
    assert evaluate(grey, colours)[1]["PSNR"][0] == "\u221e"


def raises(message: str, source, edited, **inputs) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(source, edited, **inputs)


def test_clips_that_do_not_fit():
    raises(
        r"`source` has 5 frames of 64×64, but `edited` has 4 frames of 64×64.*connect to `source`", moving(5), moving(4)
    )
    raises(r"`source` has 2 frames of 64×72, but `edited` has 2 frames of 64×64", moving(2, 72), moving(2))
    for value in (float("nan"), inf, -inf):
        broken = moving(2)
        broken[1, 3, 3] = value
        raises(r"`edited` holds values that are not numbers .* first in frame 1 ", moving(2), broken)
        raises(r"`source` holds values that are not numbers .* first in frame 1 ", broken, moving(2))
    regions = RegionPrompt.execute(torch.ones(3, 64, 64), "a fox").result[0]
    raises(r'region 1 "a fox" has 3 masks, but `source` and `edited` have 5 frames.*Region Prompt\'s `mask`', moving(),
           moving(), regions=regions)  # fmt: skip


def test_clips_are_looked_at_frame_by_frame():
    """They may fill half of the memory: nothing of their size is made from them, but masks where there are regions."""
    source, edited = moving(40, 32, 32, x=1), moving(40, 32, 32, x=1, seed=1)
    with Largest(source, edited) as seen:
        measure(source, edited)
    assert 32 * 32 * 3 <= seen.elements < source.numel() / 2


def test_halves_of_clip_that_do_not_fit(halves, tmp_path, monkeypatch):
    """Found out before any picture is looked at."""
    _, clip, vision = halves
    weights = random_clip().state_dict()
    monkeypatch.setattr(vision, "encode_image", lambda *_, **__: pytest.fail("a picture was looked at"))
    clips, texts = (moving(2), moving(2)), {"target_text": TARGET, "clip_vision": vision}
    raises(r"`clip` cannot place a text.*checkpoints of SD 1\.x lack.*clip_l", *clips, **texts,
           clip=core_clip(weights, projection=False))  # fmt: skip
    other = core_vision({}, tmp_path, projection_dim=48)
    raises(r"`clip` gives text embeddings of 64 numbers, but `clip_vision` \(CLIP ViT.*\) gives picture embeddings of 48",
           *clips, target_text=TARGET, clip=clip, clip_vision=other)  # fmt: skip


def test_a_vision_model_that_is_not_clip(tmp_path):
    siglip = core_vision({}, tmp_path, model_type="siglip_vision_model")
    raises(r"`clip_vision` is a siglip_vision_model.*Load CLIP Vision", moving(2), moving(2), clip_vision=siglip)


def test_a_vision_model_without_its_projection(halves, tmp_path):
    weights = {key: value for key, value in halves[0].state_dict().items() if "visual_projection" not in key}
    vision = core_vision(weights, tmp_path)
    with torch.no_grad():
        vision.model.visual_projection.weight.zero_()  # what memory of its own mostly holds
    raises(r"lacks the projection into CLIP's space", moving(2), moving(2), clip_vision=vision)


def test_a_long_text_is_cut_with_a_warning(halves, caplog):
    _, clip, vision = halves
    long = "a fox " * 60
    evaluate(moving(2), moving(2), clip=clip, clip_vision=vision, target_text=long)
    assert "first 75 tokens" in caplog.text


def test_evaluating_leaves_the_text_encoder_as_it_was(halves):
    _, clip, vision = halves
    tokens = clip.tokenize(TARGET)
    before = clip.encode_from_tokens(tokens, return_pooled=True)
    evaluate(moving(2), moving(2), clip=clip, clip_vision=vision, target_text=SOURCE)
    after = clip.encode_from_tokens(tokens, return_pooled=True)
    assert all(map(torch.equal, before, after))


@pytest.fixture(scope="module")
def load_flow(tmp_path_factory):
    """Core's Load Optical Flow Model, for torchvision's RAFT with the weights given."""
    if importlib.util.find_spec("comfy_extras.nodes_void") is None:
        pytest.skip("this ComfyUI has no Load Optical Flow Model")
    from comfy_extras.nodes_void import OpticalFlowLoader

    folder = tmp_path_factory.mktemp("optical_flow")
    folder_paths.add_model_folder_path("optical_flow", str(folder))

    def load(network):
        torch.save(network.state_dict(), folder / "raft_large.pth")
        return OpticalFlowLoader.execute("raft_large.pth").result[0]

    return load


def random_raft(constant: tuple[float, float] | None = None):
    """RAFT-large with random weights; or one that sees the same flow, in pixels, everywhere and always."""
    from torchvision.models.optical_flow import raft_large

    torch.manual_seed(0)
    network = raft_large(weights=None).eval()
    if constant is not None:
        last = network.update_block.flow_head.conv2
        torch.nn.init.zeros_(last.weight)
        last.bias.data = torch.tensor(constant) / 8 / 12  # in cells of 8 pixels, added 12 times
    return network


def test_raft_is_asked_for_the_right_direction(load_flow):
    """A RAFT that says “3 pixels left, 2 up”: right from a frame to the one before it, if things move right and down."""
    model = load_flow(random_raft((-3.0, -2.0)))
    right, left = moving(2, 128, 128, 3, 2), moving(2, 128, 128, -3, -2)
    with_it, table, _ = evaluate(right, right, optical_flow=model)
    against, other, _ = evaluate(left, left, optical_flow=model)
    assert table["Warp-Err, unmasked"][2] == "RAFT large, on the source"
    assert float(table["Warp-Err, unmasked"][0]) < 0.2 * float(other["Warp-Err, unmasked"][0])
    assert isnan(with_it["warp_err"]) and isnan(against["warp_err"])  # there and back it says the same: all is hidden
    assert table["Warp-Err"][2] == "not defined here: no pixel to compare"


def test_raft_on_frames_that_are_no_multiple_of_8(load_flow):
    """Against torchvision's network called by hand on frames padded by hand."""
    network = random_raft()
    source, edited = moving(2, 131, 140), recoloured(moving(2, 131, 140))
    _, table, _ = evaluate(source, edited, optical_flow=load_flow(network))
    padded = torch.cat((source, source[:, -1:].expand(-1, 5, -1, -1)), 1)
    padded = torch.cat((padded, padded[:, :, -1:].expand(-1, -1, 4, -1)), 2).movedim(-1, 1) * 2 - 1
    with torch.no_grad():
        back = network(padded[1:], padded[:1])[-1][0, :, :131, :140]
    y, x = torch.meshgrid(torch.arange(131.0), torch.arange(140.0), indexing="ij")
    grid = torch.stack(((x + back[0]) / 139, (y + back[1]) / 130), -1)[None] * 2 - 1
    pulled = F.grid_sample(edited[:1].movedim(-1, 1), grid, align_corners=True, padding_mode="border")
    expected = 100 * (pulled - edited[1:].movedim(-1, 1)).square().mean().item()
    assert float(table["Warp-Err, unmasked"][0]) == pytest.approx(expected, abs=6e-4)
    assert back.abs().max() > 0.1  # random weights do see motion, so the comparison says something


def test_raft_gives_its_memory_back(load_flow):
    model = load_flow(random_raft())
    evaluate(moving(2, 128, 128), moving(2, 128, 128), optical_flow=model)
    assert not model.model.corr_block.corr_pyramid


def test_another_thing_on_the_flow_socket():
    raises(r"`optical_flow` is a dict; it takes the RAFT.*Load Optical Flow Model", moving(2), moving(2),
           optical_flow={"flow": 1})  # fmt: skip


def test_cancel_stops_and_the_next_run_works(halves, monkeypatch):
    seen = []
    real = comfy.model_management.throw_exception_if_processing_interrupted

    def counting():
        seen.append(1)
        if len(seen) == 2:
            comfy.model_management.interrupt_current_processing(True)
        real()

    monkeypatch.setattr(comfy.model_management, "throw_exception_if_processing_interrupted", counting)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        evaluate(moving(), moving(), clip_vision=halves[2])
    assert len(seen) == 2  # all frames in one batch, then the first pair
    monkeypatch.undo()
    evaluate(moving(), moving(), clip_vision=halves[2])


def test_progress_reaches_the_end(halves, monkeypatch):
    seen = []
    monkeypatch.setattr("comfy.utils.PROGRESS_BAR_HOOK", lambda value, total, preview, node_id=None: seen.append(value))
    evaluate(moving(9), moving(9), clip_vision=halves[2])
    assert seen == sorted(seen) and seen[-1] == 100 and len(seen) > 1


def test_inputs_are_not_changed(halves):
    _, clip, vision = halves
    source, edited = moving(), recoloured(moving())
    copies = source.clone(), edited.clone()
    evaluate(source, edited, clip=clip, clip_vision=vision, target_text=TARGET)
    assert torch.equal(source, copies[0]) and torch.equal(edited, copies[1])


def test_every_input_and_output_is_explained():
    schema = EvaluateEdit.GET_SCHEMA()
    for port in (*schema.inputs, *schema.outputs):
        assert re.fullmatch(r".{30,}\.|.{30,}\?", port.tooltip, re.DOTALL), port.id or port.display_name
    assert [port.display_name for port in schema.outputs] == [*SCORES, "table", "plot", "visor"]
    assert [port.id for port in schema.inputs if not port.optional] == ["source", "edited"]
