"""Features that would undo each other, and words that are not the sampler's: refused before the GPU works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..alignment import REFINE, REPLACE
from .plan import EVERYWHERE, OUTSIDE_REGIONS, CrossFusion, SelfFusion

if TYPE_CHECKING:
    from .run import Run

EDITED = ("positive", "both")  # roles of ST-Layout that reach the half that fusion edits


def check(run: Run, guider: Any) -> None:
    """Raises ValueError that names the clash and how to resolve it."""
    if run.self_fuser is not None:
        _check_self_fusion(run, run.self_fuser.record)
    if run.cross_fuser is not None:
        _check_cross_fusion(run, run.cross_fuser.record)
        _check_prompts(run.cross_fuser.record, guider)


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


def _check_prompts(record: CrossFusion, guider: Any) -> None:
    source, target = record.words.taken.shape
    texts = [cond["cross_attn"] for cond in guider.conds.get("positive", []) if "cross_attn" in cond]
    if any(not torch.equal(text, texts[0]) for text in texts[1:]):
        raise ValueError(
            "The sampler's `positive` holds several texts (Conditioning Combine, or prompts with areas or timestep "
            "ranges), but Cross-Attention Fusion aligns the words of one. Connect one prompt, or remove the fusion."
        )
    whose = (
        ("the sampler's `positive`", "prompt", target, texts),
        ("its `conditioning`", "source_prompt", source, [text for text, _ in record.conditioning]),
    )
    for where, name, length, found in whose:
        if any(text.shape[1] < length for text in found):
            raise ValueError(
                f"Cross-Attention Fusion's `{name}` is encoded in {length} tokens, but {where} has "
                f"{min(text.shape[1] for text in found)}: they are not the same text. Connect the same words to both."
            )
