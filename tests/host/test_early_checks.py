"""DDIM Inversion reads the graph below it: what the sampler would refuse is told before the first step."""

import copy
import json

import pytest
import rig
import tiny_wan
import torch
from comfy_execution.utils import CurrentNodeContext
from shipped import prompt, titled

from pack.nodes.inversion import DDIMInversion
from pack.tools.inprocess import PACK
from pack.videograin.comfyui.prompt_graph import PromptGraph
from pack.videograin.jobs import early_checks, invert

PROMPT = prompt("instance_edit")
SIZE = (192, 192)
BOUND, FRAMES, CLIP, INVERSION, SAMPLER = (
    titled(PROMPT, title)
    for title in (
        "Bind Region Prompts",
        "Full-Frame Attention",
        "Demo Clip",
        "DDIM Inversion (Unsample)",
        "KSampler (Advanced), edit",
    )
)
LAYOUT, BLEND, NEGATIVE, LATENT = (
    titled(PROMPT, title)
    for title in ("ST-Layout Attention (Regions)", "Latent Blend (Keep Background)", "Negative prompt", "VAE Encode")
)


@pytest.fixture(scope="module")
def model():
    return rig.small_unet()


def look(model, prompt, steps=20, scheduler="ddim_uniform"):
    sigmas = invert.schedule(model, scheduler, steps)
    own = {"steps": steps, "scheduler": scheduler}
    return early_checks.check(PromptGraph(prompt), INVERSION, model, sigmas, own, SIZE)


def changed(node, **inputs):
    prompt = copy.deepcopy(PROMPT)
    prompt[node]["inputs"].update(inputs)
    return prompt


def advanced(**inputs):
    """The same edit by SamplerCustomAdvanced with a CFGGuider."""
    prompt = copy.deepcopy(PROMPT)
    edit = prompt[SAMPLER]["inputs"]
    prompt["guider"] = {
        "class_type": "CFGGuider",
        "inputs": {name: edit[name] for name in ("model", "positive", "negative")},
    }
    prompt["euler"] = {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}}
    prompt["none"] = {"class_type": "DisableNoise", "inputs": {}}
    prompt["fresh"] = {"class_type": "RandomNoise", "inputs": {"noise_seed": 3}}
    prompt["levels"] = {
        "class_type": "BasicScheduler",
        "inputs": {"model": edit["model"], "scheduler": "ddim_uniform", "steps": 20, "denoise": 1.0},
    }
    links = {
        "noise": ["none", 0],
        "guider": ["guider", 0],
        "sampler": ["euler", 0],
        "sigmas": [INVERSION, 2],
        "latent_image": edit["latent_image"],
    }
    prompt[SAMPLER] = {
        "class_type": "SamplerCustomAdvanced",
        "inputs": {**links, **inputs},
        "_meta": PROMPT[SAMPLER]["_meta"],
    }
    return prompt


def inserted(kind, **inputs):
    """The first workflow with another node on the edit's MODEL, between ST-Layout and Latent Blend."""
    prompt = changed(BLEND, model=["other", 0])
    prompt["other"] = {"class_type": kind, "inputs": {"model": [LAYOUT, 0], **inputs}, "_meta": {"title": "Theirs"}}
    return prompt


def varied(**sampler):
    """The first workflow with Vary Noise between inversion and sampler."""
    prompt = changed(SAMPLER, latent_image=["vary", 0], **sampler)
    links = {"noise": [INVERSION, 0], "inversion": [INVERSION, 1]}
    prompt["vary"] = {"class_type": "VideoGrainVaryNoise", "inputs": {**links, "variation": 0.4, "seed": 1}}
    return prompt


def without_full_frame():
    prompt = changed(LAYOUT, model=["1", 0])
    prompt[INVERSION]["inputs"]["model"] = ["1", 0]
    return prompt


@pytest.mark.once
@pytest.mark.parametrize("name", sorted(path.name for path in (PACK / "demo").glob("*.api.json")))
def test_every_workflow_of_ours_passes_without_a_word(model, name):
    prompt = json.loads((PACK / "demo" / name).read_text(encoding="utf-8"))
    for node, entry in prompt.items():
        if entry["class_type"] == "VideoGrainDDIMInversion" and not isinstance(entry["inputs"]["steps"], list):
            own = {name: entry["inputs"][name] for name in ("steps", "scheduler")}
            sigmas = invert.schedule(model, own["scheduler"], own["steps"])
            assert early_checks.check(PromptGraph(prompt), node, model, sigmas, own, SIZE) == []


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        (changed(SAMPLER, steps=25), r"“KSampler \(Advanced\), edit” .*Steps: inversion 20, sampler 25\."),
        (changed(SAMPLER, scheduler="karras"), r"Scheduler: inversion ddim_uniform, sampler karras\."),
        (changed(SAMPLER, start_at_step=4), r"start_at_step: 4, where 0 is needed"),
        (changed(SAMPLER, sampler_name="dpm_2"), r"dpm_2 starts elsewhere: take euler"),
        (changed(SAMPLER, add_noise="enable"), r"adds noise of its own.*Disable its `add_noise`"),
        (changed(SAMPLER, latent_image=[LATENT, 0]), r"starts from “VAE Encode” .*Connect DDIM Inversion's `noise`"),
        (changed(SAMPLER, positive=[NEGATIVE, 0]), r"no regions in its prompt.*Bind Region Prompts"),
        (varied(steps=25), r"Steps: inversion 20, sampler 25\."),
        (varied(add_noise="enable"), r"adds noise of its own.*Disable its `add_noise`"),
        (advanced(noise=["fresh", 0]), r"adds noise of its own.*Connect DisableNoise to its `noise`"),
        (changed(BOUND, regions=None), r"no regions in its prompt.*Bind Region Prompts' `regions`"),
        (changed(BLEND, model=[FRAMES, 0]) | {BOUND: {**PROMPT[BOUND], "inputs": {**PROMPT[BOUND]["inputs"], "regions": None}}},
         r"“Latent Blend .*” .*has no editable area"),
        (changed(INVERSION, model=["1", 0]), r"“Full-Frame Attention” .*is on the MODEL of the sampler, but not on that of DDIM Inv"),
        (changed(LAYOUT, model=["1", 0]), r"“Full-Frame Attention” .*is on the MODEL of DDIM Inversion, but not on that of the sampler"),
        (without_full_frame(), r"ST-Layout Attention lets every frame see all others.*Put Full-Frame Attention before both"),
        (inserted("TiledDiffusion", tile_width=96, tile_height=96, tile_batch_size=4), r"“Theirs” .*tiles of 96×96.*192×192"),
        (inserted("AttentionCouplePPM"), r"“Theirs” .*rows of its own.*`cross_strength` to 0"),
        (inserted("TomePatchModel", ratio=0.3), r"“Theirs” .*merges tokens.*below full resolution"),
    ],
)  # fmt: skip
def test_what_the_sampler_would_refuse_is_told_at_once(model, prompt, told):
    with pytest.raises(ValueError, match=told):
        look(model, prompt)


def test_a_plain_ksampler_is_named(model):
    prompt = changed(SAMPLER)
    prompt[SAMPLER]["class_type"] = "KSampler"
    with pytest.raises(ValueError, match=r"plain KSampler, which always adds noise.*KSampler \(Advanced\)"):
        look(model, prompt)


def test_levels_of_a_scheduler_node_are_read(model):
    assert look(model, varied()) == []
    assert look(model, advanced()) == look(model, advanced(sigmas=["levels", 0])) == []
    prompt = advanced(sigmas=["levels", 0])
    prompt["levels"]["inputs"]["denoise"] = 0.5
    with pytest.raises(ValueError, match=r"Denoise: 0\.5, where 1 is needed"):
        look(model, prompt)


def test_what_links_bring_is_left_to_the_run(model):
    assert look(model, changed(SAMPLER, steps=["7", 0])) == look(model, changed(SAMPLER, latent_image=["x", 0])) == []
    with pytest.raises(
        ValueError, match="Steps: inversion 25, sampler 20"
    ):  # a link's value is known to the node it reached
        look(model, changed(INVERSION, steps=["7", 0]), steps=25)


def test_the_same_start_on_other_levels_is_a_note_and_hypertile_another(model):
    prompt = changed(SAMPLER, steps=25, scheduler="normal")
    prompt[INVERSION]["inputs"]["scheduler"] = "normal"
    (note,) = look(model, prompt, scheduler="normal")
    assert "Steps: inversion 20, sampler 25." in note and "less exactly" in note
    (note,) = look(model, inserted("HyperTile", tile_size=256))
    assert "“Theirs”" in note and "below full resolution" in note


def test_neighbours_that_do_not_touch_what_acts_are_not_refused(model):
    for kind, strengths in (("AttentionCouplePPM", {"cross_strength": 0}), ("TomePatchModel", {"self_strength": 0})):
        prompt = inserted(kind, ratio=0.3)
        prompt[LAYOUT]["inputs"].update(strengths)
        assert look(model, prompt) == []
    assert look(model, inserted("TiledDiffusion", tile_width=512, tile_height=512)) == []
    assert look(model, inserted("LoraLoaderModelOnly", strength_model=1.0)) == []


def test_a_sampler_that_starts_from_another_inversion_is_a_note(model):
    prompt = changed(SAMPLER, latent_image=["second", 0])
    prompt["second"] = {**PROMPT[INVERSION], "_meta": {"title": "Another"}}
    (note,) = look(model, prompt)
    assert "“Another”" in note and "“DDIM Inversion (Unsample)”" in note


def test_only_what_is_run_is_looked_at(model):
    """A sampler whose picture nobody saves is not run, and ComfyUI has not looked at its widgets."""
    for kind, steps in (("KSampler", 20), ("KSamplerAdvanced", 25), ("KSamplerAdvanced", "2"), ("KSamplerAdvanced", 0)):
        prompt = changed(SAMPLER)
        prompt["loose"] = {"class_type": kind, "inputs": {**PROMPT[SAMPLER]["inputs"], "steps": steps}, "_meta": None}
        prompt["seen"] = {"class_type": "VAEDecode", "inputs": {"samples": ["loose", 0], "vae": ["1", 2]}}
        assert look(model, prompt) == []
    prompt["saved"] = {"class_type": "PreviewImage", "inputs": {"images": ["seen", 0]}}
    prompt["loose"]["inputs"]["steps"] = 25
    with pytest.raises(ValueError, match=r"“KSamplerAdvanced” \(#loose\)"):
        look(model, prompt)


def test_levels_from_a_link_and_a_schedulers_own_model_are_left_to_the_run(model):
    prompt, sigmas = advanced(sigmas=["levels", 0]), invert.schedule(model, "karras", 7)
    prompt["levels"]["inputs"]["steps"] = 9
    assert early_checks.check(PromptGraph(prompt), INVERSION, model, sigmas, {}, SIZE) == []


def test_an_injection_of_nothing_asks_nothing(model):
    prompt = changed(SAMPLER, model=["inject", 0], latent_image=[LATENT, 0], add_noise="enable")
    prompt["inject"] = {
        "class_type": "VideoGrainInjectSourceFeatures",
        "inputs": {"model": [FRAMES, 0], "inversion": [INVERSION, 1], "features": 0, "attention": 0},
    }
    assert look(model, prompt) == []
    prompt["inject"]["inputs"]["attention"] = 0.5
    with pytest.raises(ValueError, match="adds noise of its own"):
        look(model, prompt)


def test_a_prompt_from_a_node_that_is_not_known_may_have_regions(model):
    prompt = changed(SAMPLER, positive=["kept", 0])
    prompt["kept"] = {"class_type": "LoadConditioning", "inputs": {"name": "a"}}
    assert look(model, prompt) == []


def test_an_ancestral_sampler_is_a_note(model):
    (note,) = look(model, changed(SAMPLER, sampler_name="euler_ancestral"))
    assert note.startswith("euler_ancestral adds noise on the way")
    prompt = changed(SAMPLER, sampler_name="euler_ancestral")
    prompt[BLEND]["inputs"]["mode"] = "renoised"
    assert look(model, prompt) == []


def test_the_edits_own_words_as_source_are_a_note(model):
    prompt = changed(INVERSION, conditioning=[BOUND, 0])
    (note,) = look(model, prompt)
    assert "“Bind Region Prompts”" in note and "says the same as the edit's prompt" in note


def test_the_node_refuses_before_the_first_step(model, monkeypatch):
    calls = []
    monkeypatch.setattr(model.model, "apply_model", lambda *args, **kwargs: calls.append(1))
    class_with_prompt = DDIMInversion.PREPARE_CLASS_CLONE({"hidden_inputs": {"PROMPT": None}})
    from comfy_api.latest import io

    class_with_prompt.hidden = io.HiddenHolder.from_dict({io.Hidden.prompt: changed(SAMPLER, steps=25)})
    with CurrentNodeContext("prompt", INVERSION), pytest.raises(ValueError, match="Steps: inversion 20, sampler 25"):
        class_with_prompt.execute(model, rig.text(1), {"samples": rig.latent(2)}, 20, "ddim_uniform", 2)
    assert not calls


def test_without_a_prompt_nothing_is_read(model):
    noise, _, sigmas = DDIMInversion.execute(
        model, rig.text(1), {"samples": rig.latent(2)}, 2, "ddim_uniform", 0
    ).result
    assert torch.isfinite(noise["samples"]).all() and len(sigmas) == 3


@pytest.mark.once
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty. Describe the clip there as it is"),
        ("in the snow", "“in the snow”, has no words for what “a bear” is to replace"),
    ],
)
def test_a_source_prompt_that_says_too_little_is_noted(model, text, told):
    encoder = PROMPT[INVERSION]["inputs"]["conditioning"][0]
    notes = look(model, changed(encoder, text=text))
    assert told in notes[0] and "(#" in notes[0]
    assert look(model, changed(encoder, text="a cat and a dog in the snow")) == []


@pytest.mark.once
def test_edit_in_chunks_says_what_its_source_prompt_lacks():
    prompt = json.loads((PACK / "demo" / "long_clip_sd15.api.json").read_text(encoding="utf-8"))
    chunks = next(node for node, entry in prompt.items() if entry["class_type"] == "VideoGrainEditInChunks")
    assert early_checks.of_source_prompt(prompt, chunks) == []
    source = prompt[prompt[chunks]["inputs"]["source"][0]]
    source["inputs"]["text"] = ""
    (note,) = early_checks.of_source_prompt(prompt, chunks)
    assert "is empty. Describe the clip there as it is" in note


def test_a_scheduler_is_compared_though_the_steps_come_by_a_link(model):
    """As in the blueprint: one node of core has the steps for both."""
    prompt = changed(SAMPLER, scheduler="karras", steps=["steps", 0])
    prompt["steps"] = {"class_type": "PrimitiveInt", "inputs": {"value": 20}}
    with pytest.raises(ValueError, match="Scheduler: inversion ddim_uniform, sampler karras"):
        look(model, prompt)


def test_on_a_video_model_every_frame_sees_all_others_by_itself():
    """So that no Full-Frame Attention is asked for, and the sampler's scheduler is its own affair."""
    wan = tiny_wan.model(layers=1)
    edit = {"model": ["layout", 0], "positive": [BOUND, 0], "negative": [NEGATIVE, 0], "latent_image": [INVERSION, 0],
            "add_noise": "disable", "steps": 20, "scheduler": "simple", "sampler_name": "euler", "start_at_step": 0}  # fmt: skip
    prompt = changed(INVERSION, model=["loader", 0])
    prompt = {name: node for name, node in prompt.items() if name not in (FRAMES, LAYOUT, BLEND, SAMPLER)} | {
        "loader": {"class_type": "UNETLoader", "inputs": {"unet_name": "wan.safetensors"}},
        "blend": {
            "class_type": PROMPT[BLEND]["class_type"],
            "inputs": PROMPT[BLEND]["inputs"] | {"model": ["loader", 0]},
        },
        "layout": {
            "class_type": PROMPT[LAYOUT]["class_type"],
            "inputs": PROMPT[LAYOUT]["inputs"] | {"model": ["blend", 0]},
        },
        SAMPLER: {"class_type": "KSamplerAdvanced", "inputs": PROMPT[SAMPLER]["inputs"] | edit},
    }
    sigmas = invert.walked_levels(wan, "ddim_uniform", 30)
    assert list(early_checks.edits(PromptGraph(prompt), INVERSION))
    assert early_checks.check(PromptGraph(prompt), INVERSION, wan, sigmas, {}, SIZE) == []
