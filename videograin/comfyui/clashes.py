"""Features that would undo each other, and words that are not the sampler's: refused before the GPU works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..core.cross_frame import ALL, OWN
from ..core.prompt_alignment import REFINE, REPLACE
from .plan import EVERYWHERE, LEVELS, OUTSIDE_REGIONS, CrossFusion, Placement, SelfFusion
from .prompts import is_of

if TYPE_CHECKING:
    from .run import Run

EDITED = ("positive", "both")  # roles of ST-Layout that reach the half that fusion edits


def check(run: Run, guider: Any) -> None:
    """Raises ValueError that names the clash and how to resolve it."""
    if run.anchors:
        _check_anchors(run, guider)
    if run.self_fuser is not None:
        _check_self_fusion(run, run.self_fuser.record)
    if run.cross_fuser is not None:
        _check_cross_fusion(run, run.cross_fuser.record)
        _check_prompts(run, run.cross_fuser.record, guider)
    if run.placer is not None:
        _check_placement(run, run.placer.record, guider)
        _check_placed_prompt(run, run.placer.record, guider)


def _check_anchors(run: Run, guider: Any) -> None:
    kinds = [kind for level in LEVELS if (kind := run.key_sets.at(level)) not in (ALL, OWN)]
    if kinds:
        raise ValueError(
            f"Full-Frame Attention's “{kinds[0]}” and Anchor Attention both say which few frames stand for the clip. "
            f"Choose “{OWN}” there (each frame sees itself and the anchors) or “{ALL}” (the frames at hand and the "
            "anchors), or remove one of the two nodes (Edit in Chunks has anchors of its own: set its `anchors` to 0)."
        )
    if guider.model_options.get("context_handler") is not None:
        raise ValueError(
            "The sampler's MODEL runs in context windows, which do not hold Anchor Attention's anchors. Remove the "
            "context window node, and take Edit in Chunks for a long clip: it has the anchors in every chunk."
        )


def _check_self_fusion(run: Run, record: SelfFusion) -> None:
    settings = run.settings
    modulated = settings is not None and settings.self_strength > 0 and settings.self_role in EDITED
    if modulated and record.where == EVERYWHERE and _overlap(run, record):
        raise ValueError(
            f"Self-Attention Fusion with `where` “{EVERYWHERE}” would overwrite what ST-Layout Attention does to "
            f"self-attention in the same steps. Set `where` to “{OUTSIDE_REGIONS}”, so that the regions keep the edit's "
            f"attention, or {_later(run)}, or set ST-Layout's `self_strength` to 0."
        )
    if record.where == OUTSIDE_REGIONS and not run.regions:
        raise ValueError(
            f"Self-Attention Fusion's `where` is “{OUTSIDE_REGIONS}”, but the sampler's `positive` prompt carries none. "
            "Connect the CONDITIONING of Bind Region Prompts with Region Prompts in its `regions`, or choose another "
            "`where`."
        )


def _check_cross_fusion(run: Run, record: CrossFusion) -> None:
    settings = run.settings
    bound = settings is not None and settings.cross_strength > 0 and settings.cross_role in EDITED and run.regions
    if not bound or not _overlap(run, record):
        return
    if record.mode == REPLACE:
        raise ValueError(
            f"Cross-Attention Fusion's `mode` “{REPLACE}” gives the new words the old ones' place, and ST-Layout "
            f"Attention gives them their regions, in the same steps. Choose “{REFINE}”, or {_later(run)}, or set "
            "ST-Layout's `cross_strength` to 0."
        )
    if record.where == EVERYWHERE:
        raise ValueError(
            f"Cross-Attention Fusion with `where` “{EVERYWHERE}” would overwrite what ST-Layout Attention does to the "
            f"words of the regions in the same steps. Set `where` to “{OUTSIDE_REGIONS}”, or {_later(run)}, or set "
            "ST-Layout's `cross_strength` to 0."
        )


def _overlap(run: Run, record: SelfFusion | CrossFusion) -> bool:
    return record.start_percent < run.settings.end_percent  # modulation begins with the schedule


def _later(run: Run) -> str:
    return (
        f"let the fusion begin where modulation ends (`preset` “custom”, `start_percent` {run.settings.end_percent:g})"
    )


def _check_prompts(run: Run, record: CrossFusion, guider: Any) -> None:
    source, target = record.words.taken.shape
    texts = [cond["cross_attn"] for cond in guider.conds.get("positive", []) if "cross_attn" in cond]
    if any(not torch.equal(text, texts[0]) for text in texts[1:]):
        raise ValueError(
            "The sampler's `positive` holds several texts (Conditioning Combine, or prompts with areas or timestep "
            "ranges), but Cross-Attention Fusion aligns the words of one. Connect one prompt, or remove the fusion."
        )
    theirs, ours = record.ends
    whose = (
        ("the sampler's `positive`", "prompt", target, ours, texts),
        ("its `conditioning`", "source_prompt", source, theirs, [text for text, _ in record.conditioning]),
    )
    for where, name, length, end, found in whose:
        if any(text.shape[1] < length for text in found):
            raise ValueError(
                f"Cross-Attention Fusion's `{name}` is encoded in {length} tokens, but {where} has "
                f"{min(text.shape[1] for text in found)}: they are not the same text. Connect the same words to both."
            )
        _warn_text(run, f"Cross-Attention Fusion's `{name}`", where, end, found)


def _warn_text(run: Run, whose: str, where: str, end: Tensor, texts: list[Tensor]) -> None:
    """A warning only: another text encoder or CLIP Set Last Layer, too, gives the same words another encoding."""
    if not all(is_of(end, text) for text in texts):
        run.warn_once(
            f"{whose} is another text than {where} holds, or another text encoder has encoded it: words would be taken "
            "for others. Connect the same words, and the same CLIP, to both."
        )


def _check_placement(run: Run, record: Placement, guider: Any) -> None:
    if not run.placer.sites:
        raise ValueError(
            f"The model has no cross-attention at 1/{record.level} of the latent's grid. Change Place Objects' `level`."
        )
    for place in record.places:
        if len(place.mask) not in (1, run.frames):
            raise ValueError(
                f"Place Objects has {len(place.mask)} masks for “{place.name}”, but the latent has {run.frames} frames. "
                "Connect the clip's own frames to its `frames`, or one mask, or one for each frame, to the Region Prompt."
            )
    fused = run.self_fuser.record if run.self_fuser is not None else None
    if fused is not None and fused.where == EVERYWHERE and fused.start_percent < record.end_percent:
        raise ValueError(
            f"Self-Attention Fusion with `where` “{EVERYWHERE}” pins every outline to the source in steps in which Place "
            f"Objects moves objects. Set `where` to “{OUTSIDE_REGIONS}”, or let the fusion begin where placing ends "
            f"(`preset` “custom”, `start_percent` {record.end_percent:g}), or remove one of the two nodes."
        )
    if any("easycache" in by_key for by_key in guider.model_patcher.wrappers.values()):
        raise ValueError(
            "EasyCache is active on the sampler's MODEL. It would take the looks that Place Objects has the model take for "
            "steps of the edit. Remove the EasyCache node (LazyCache may stay)."
        )
    if run.injector is not None and run.injector.record.attention > 0:
        run.warn_once(
            "Inject Source Features holds self-attention to the source while Place Objects moves objects: they work "
            "against each other. Lower its attention share, or remove one of the two."
        )
    if run.blend is None:
        run.warn_once("Place Objects without Latent Blend: the rest of the picture drifts with the objects.")


def _check_placed_prompt(run: Run, record: Placement, guider: Any) -> None:
    conds = guider.conds.get("positive", [])
    texts = [cond["cross_attn"] for cond in conds if "cross_attn" in cond]
    if any(not torch.equal(text, texts[0]) for text in texts[1:]):
        raise ValueError(
            "The sampler's `positive` holds several texts (Conditioning Combine, or prompts with timestep ranges), but Place "
            "Objects knows the words of one. Connect one prompt, or remove Place Objects."
        )
    if any({"area", "mask"} & set(cond) for cond in conds):
        raise ValueError(
            "The sampler's `positive` is limited to a part of the picture (Conditioning Set Area or Set Mask), but Place "
            "Objects needs its attention to the whole. Connect the prompt from before that node."
        )
    if any(text.shape[1] < record.length for text in texts):
        raise ValueError(
            f"Place Objects' `prompt` is encoded in {record.length} tokens, but the sampler's `positive` has "
            f"{min(text.shape[1] for text in texts)}: they are not the same text. Connect the same words to both."
        )
    _warn_text(run, "Place Objects' `prompt`", "the sampler's `positive`", record.end, texts)
