"""Faults in the middle of the work: the next run has the same bits, nothing is left behind, the MODEL is as it was."""

import copy
import gc
import weakref
from functools import partial

import comfy.model_management
import pytest
import rig
import torch
from comfy.patcher_extension import WrappersMP
from compatibility import SURVIVED, claim
from oracle import bound
from prompts import leftovers

from pack.nodes.attention import FullFrameAttention, STLayoutAttention
from pack.nodes.blend import LatentBlend
from pack.nodes.inversion import DDIMInversion
from pack.nodes.layout import AttentionLayout
from pack.nodes.source import InjectSourceFeatures
from pack.videograin.comfyui.run import Run
from pack.videograin.core.attention_clusters import FEATURES
from pack.videograin.core.regions import Region
from pack.videograin.storage import memmap

LEVELS, CELLS = 3, 8
pytestmark = pytest.mark.usefixtures("inference_mode", "private_folders")


def source():
    return {"samples": rig.latent(2, CELLS, CELLS)}


def full(model):
    return FullFrameAttention.execute(model, "all frames", clip_norm=True).args[0]


class Work:
    """The three things that take long, each with what it gives undisturbed and how often it calls the network."""

    def __init__(self):
        self.unet = rig.small_unet()
        self.noise, self.inversion, _ = DDIMInversion.execute(
            full(self.unet), rig.text(1), source(), LEVELS, "ddim_uniform", 1
        ).args
        self.phases = {"inversion": self.invert, "layout": self.look, "edit": self.edit}
        self.expected = {name: phase(self.unet) for name, phase in self.phases.items()}
        self.calls = {}
        for name, phase in self.phases.items():
            seen = []
            phase(at_call(self.unet, None, lambda seen=seen: seen.append(1)))
            self.calls[name] = len(seen)
        self.state = state(self.unet)

    def invert(self, model):
        return DDIMInversion.execute(full(model), rig.text(1), source(), LEVELS, "ddim_uniform", 1).args[1].latents

    def look(self, model):
        args = self.inversion, rig.text(1), 3, 0, FEATURES[0], "whole clip"
        return AttentionLayout.execute(full(model), *args, start_percent=0.0).args[0].labels

    def edit(self, model):
        """Everything at once that a run can leave behind: dispatchers, hooks on ResNets and norms, a source, a blend."""
        masks = torch.zeros(2, 8 * CELLS, 8 * CELLS)
        masks[:, :, : 4 * CELLS] = 1
        model = STLayoutAttention.execute(full(model), "default", 0.5, 1.0, 0.9).args[0]
        model = InjectSourceFeatures.execute(model, self.inversion, rig.text(1), 0.9, 0.9).args[0]
        model = LatentBlend.execute(model, "inversion", self.inversion, mask=masks).args[0]
        positive = bound(rig.text(2), (Region(masks, "one"), Region(1 - masks, "two")))
        return rig.sample(model, positive, rig.text(3), self.noise["samples"], steps=LEVELS)

    def fails(self, phase, model, fault):
        """The phase ends in this fault; after it nothing is left, and the next run has the same bits as ever."""
        with pytest.raises(fault):
            self.phases[phase](model)
        self.survived(phase)

    def survived(self, phase):
        assert not leftovers()
        assert state(self.unet) == self.state
        assert torch.equal(self.phases[phase](self.unet), self.expected[phase])


@pytest.fixture(scope="module")
def work():
    with torch.inference_mode():
        return Work()


def state(model):
    """All that a run could change of a MODEL and its network."""
    network = model.model.diffusion_model
    hooks = [name for name, module in network.named_modules() if module._forward_hooks or module._forward_pre_hooks]
    options = copy.deepcopy((model.model_options, model.wrappers, model.callbacks))
    return options, list(model.patches), list(model.object_patches), hooks, network.forward.__func__


def at_call(model, number, act):
    """The MODEL that does something before its network's call of this number; before each if there is none."""
    faulty, calls = model.clone(), []

    def wrapper(apply, args):
        calls.append(1)
        if number is None or len(calls) == number:
            act()
        return apply(args["input"], args["timestep"], **args["c"])

    faulty.set_model_unet_function_wrapper(wrapper)
    return faulty


@pytest.fixture(autouse=True)
def runs(monkeypatch):
    """The runs begun in a test; when it ends, none may be held by anything any more."""
    begun, begin = weakref.WeakSet(), Run.__init__
    monkeypatch.setattr(Run, "__init__", lambda run, *args: (begun.add(run), begin(run, *args))[1])
    yield begun
    gc.collect()  # an exception and its frames are a circle
    assert not begun


def cancel():
    comfy.model_management.interrupt_current_processing(True)


def out_of_memory():
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def phases(fault):
    named = {"inversion": "DDIM Inversion", "layout": "Attention Layout", "edit": "the edit"}
    return pytest.mark.parametrize(
        "phase", [pytest.param(name, marks=claim("fault", f"{fault} {what}", SURVIVED)) for name, what in named.items()]
    )


@phases("Cancel at every step of")
def test_cancelled_at_any_step(work, phase):
    assert work.calls[phase] >= LEVELS
    for number in range(1, work.calls[phase] + 1):
        work.fails(phase, at_call(work.unet, number, cancel), comfy.model_management.InterruptProcessingException)


@phases("Out of memory at the first, a middle and the last step of")
def test_out_of_memory(work, phase):
    last = work.calls[phase]
    for number in (1, (last + 1) // 2, last):
        with pytest.raises(torch.cuda.OutOfMemoryError):
            work.phases[phase](at_call(work.unet, number, out_of_memory))
        comfy.model_management.unload_all_models()  # as ComfyUI does then
        work.survived(phase)


def broken(*args, **kwargs):
    raise RuntimeError("a patch of another pack fails")


def wrapped(model):
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "another pack", broken)


PATCHES = {
    "a self-attention replacement": lambda model: model.set_model_attn1_replace(broken, "middle", 0),
    "a cross-attention replacement": lambda model: model.set_model_attn2_replace(broken, "middle", 0),
    "an attention patch": lambda model: model.set_model_attn1_patch(broken),
    "an attention output patch": lambda model: model.set_model_attn2_output_patch(broken),
    "an output block patch": lambda model: model.set_model_output_block_patch(broken),
    "a DIFFUSION_MODEL wrapper": wrapped,
}


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(patch, id=name, marks=claim("fault", f"An exception inside {name}", SURVIVED))
        for name, patch in PATCHES.items()
    ],
)
def test_an_exception_inside_a_patch(work, patch):
    faulty = work.unet.clone()
    patch(faulty)
    for phase in work.phases:
        work.fails(phase, faulty, RuntimeError)


@claim("fault", "An exception in guidance, after the network's call", SURVIVED)
def test_an_exception_in_guidance(work):
    faulty = work.unet.clone()
    faulty.set_model_sampler_post_cfg_function(broken)
    work.fails("edit", faulty, RuntimeError)


@pytest.mark.parametrize(
    ("act", "fault"),
    [(cancel, comfy.model_management.InterruptProcessingException), (out_of_memory, torch.cuda.OutOfMemoryError)],
)
@claim("fault", "Cancel or out of memory while levels are kept in a file", SURVIVED)
def test_levels_in_a_file_go_with_the_run(work, monkeypatch, act, fault):
    monkeypatch.setattr(memmap, "IN_MEMORY", 0)
    seen = []
    with pytest.raises(fault):
        work.invert(at_call(work.unet, 2, partial(spy_and, act, seen)))
    assert len(seen[0]) == 1
    gc.collect()  # an exception holds its frames in a circle
    work.survived("inversion")


def spy_and(act, seen):
    seen.append(leftovers())
    act()


@claim("fault", "Models unloaded between nodes", SURVIVED)
def test_models_unloaded_between_nodes(work):
    for phase in (*work.phases, "edit", "inversion"):
        comfy.model_management.unload_all_models()
        work.survived(phase)


def test_a_run_goes_when_it_ends_and_waits_for_no_collector(work, runs):
    """It holds the noise, the prompts and their ControlNets: memory of the next run."""
    gc.collect()
    gc.disable()
    try:
        work.edit(work.unet)
        assert not runs
    finally:
        gc.enable()
