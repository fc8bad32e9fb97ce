"""Place Objects (ReAtCo's RAD): gradient steps on the latent until words act where they belong.

Before a step's ordinary evaluation the network sees the latent under the positive prompt alone, with a watcher of its
cross-attention; the gradient of how little the words act in their places says where the latent goes. Measured are the
maps of the prompt as it is: what edits attention is left out.

The sampler's x is never written to. The edit's evaluation is shown the moved latent, and the prediction is returned that
leads an Euler step from x to where it would lead from there (reatco.carried). So each evaluation of a sampler that
makes several a step places anew, and enters with the weight the sampler gives it. Where the source is held, nothing
moves: steps act where the latent is the edit's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

import torch
import torch.nn.functional as F
from torch import Tensor

from ..backbones.base import Need
from ..core import reatco
from ..core.reatco import Place
from ..core.regions import Grid, Region, clip_masks
from ..core.samplers import is_random
from .base import Claim, Claims, Feature, Record, Work, as_heads, one_mask, same_text, warn_other_text, warn_size
from .engine import CROSS, At, Call, Run, Step

logger = logging.getLogger("videograin")

SCALES = (2.0**10, 2.0**5, 1.0)  # of the loss in half precision, where small gradients would vanish
TEXT = 77  # tokens of an ordinary prompt


@dataclass(frozen=True, eq=False)
class Placement(Record):
    """length, end: tokens of the prompt the words are of, and its encoding's last row. mode: one of reatco.MODES. end_percent: share
    of the noise schedule until which it acts. refinements: most gradient steps at a refined level, besides its ordinary
    one. share: of the highest values in a mask that count. level: one of cross_frame.LEVELS. rows: of the encoding, for
    each token.
    """

    places: tuple[Place, ...]
    length: int
    end: Tensor
    mode: str
    strength: float
    end_percent: float
    refinements: int
    outer_weight: float
    share: float
    level: int
    rows: int = 1

    node = "Place Objects"
    order = 10
    on_latent = True
    needs = frozenset({Need.CROSS_ATTENTION, Need.GRADIENTS})

    @property
    def neutral(self) -> bool:
        return self.strength == 0 or self.end_percent == 0

    def bind(self, run: Run) -> Feature:
        return Placer(self, run)

    def of_frame(self, number: int, frames: int) -> Placement:
        masks = (one_mask(p.mask, number, frames, f"Place Objects' mask of “{p.name}”") for p in self.places)
        return replace(self, places=tuple(p._replace(mask=m) for p, m in zip(self.places, masks, strict=True)))

    def looked_bytes(self, work: Work) -> int:
        """All that the backward pass needs, a copy of the weights in use, and the maps, which are kept in float32."""
        sites = [site for site, level in work.backbone.sites(work.network).items() if level == self.level]
        kept, weights = work.backbone.kept_for_gradients(work.network, sites, work.tokens)
        heads = work.backbone.heads(work.network)
        maps = sum(2 * 4 * heads[site] * TEXT for site in sites) * work.tokens / self.level**2
        return int(work.frames * (kept * work.number + maps) + weights * work.number)


@dataclass(eq=False)
class Found:
    """What one look at the latent found, in one call of the network or, in context windows, several.

    gradient: (frames, channels, h, w) float32, of the network's input, summed over windows. windows: how many saw each
    frame. refining: whether a word is still too weak in its place.
    """

    gradient: Tensor
    windows: Tensor
    refining: bool = False
    scores: list[str] = field(default_factory=list)


class Placer(Feature):
    placed = True

    def __init__(self, record: Placement, run: Run):
        super().__init__(record, run)
        self.sites = [site for site, level in run.sites.items() if level == record.level]
        self.schedule = run.schedule(0.0, record.end_percent)

    def step(self, step: Step, x: Tensor, denoise: Callable[[Tensor], Tensor]) -> Tensor:
        moved = self.moved(step, x)
        if moved is x:
            return denoise(x)
        return reatco.carried(denoise(moved), moved, x, step.sigma, self.run.start.sigmas)

    def moved(self, step: Step, x: Tensor) -> Tensor:
        """x after the gradient steps due at a noise level; x itself where there are none."""
        sigma, record = step.sigma, self.record
        if not self.schedule.active(sigma):
            return x
        # The network's input is z = x / sqrt(1 + sigma²), and the step is on z.
        size = reatco.step_size(self.run.timestep(sigma), record.strength) * (1 + sigma**2) ** 0.5
        ends, where, moved = self._refinement(sigma), self.run.editable(sigma, x), x
        for attempt in count():
            end = ends if attempt < record.refinements else None
            found = self._looked(step, moved, end, refined=attempt > 0)
            moved = moved - size * where * found.gradient
            logger.debug("Place Objects, step %d of sigma %.3f: %s", attempt + 1, sigma, "; ".join(found.scores))
            if not found.refining:
                return moved

    def _refinement(self, sigma: float) -> float | None:
        """The inner score that ends refinement at sigma, None where there is none."""
        levels = [level for level in self.run.start.sigmas if level > 0]
        refined = reatco.refined_levels([self.run.timestep(level) for level in levels])
        return next((end for i, end in refined.items() if abs(levels[i] - sigma) <= 1e-4 * sigma), None)

    def _looked(self, step: Step, x: Tensor, ends: float | None, refined: bool) -> Found:
        watcher = MapWatcher(self, Found(torch.zeros_like(x), x.new_zeros(len(x))), ends, refined)
        self.run.look(step, x, watcher)
        watcher.found.gradient /= watcher.found.windows.clamp(min=1).view(-1, 1, 1, 1)
        return watcher.found

    # ---- checks ------------------------------------------------------------------------------------------------------

    def check(self, claims: Claims) -> None:
        record, run = self.record, self.run
        for place in record.places:
            warn_size(run, f"Place Objects' masks of “{place.name}”", place.mask)
        if not self.sites:
            raise ValueError(
                f"The model has no cross-attention at 1/{record.level} of the latent's grid. Change Place Objects' `level`."
            )
        for place in record.places:
            if len(place.mask) not in (1, run.frames):
                raise ValueError(
                    f"Place Objects has {len(place.mask)} masks for “{place.name}”, but the latent has {run.frames} frames. "
                    "Connect the clip's own frames to its `frames`, or one mask, or one for each frame, to the Region Prompt."
                )
        self._check_others(claims)
        self._check_prompt()
        if is_random(run.start.sampler) or "cfg_pp" in run.start.sampler:
            run.warn(
                f"{run.start.sampler} goes on from a prediction in its own way, so Place Objects' steps come out "
                "longer than its `strength` says. Use a deterministic sampler such as euler, or a lower `strength`."
            )

    def _check_others(self, claims: Claims) -> None:
        end, outlines = self.record.end_percent, claims.get(Claim.OUTLINES)
        if outlines and outlines.start_percent < end:
            raise ValueError(
                f"{outlines.widget} with `where` “everywhere” pins every outline to the source in steps in which Place "
                "Objects moves objects. Set `where` to “outside regions”, or let the fusion begin where placing ends "
                f"(`preset` “custom”, `start_percent` {end:g}), or remove one of the two nodes."
            )
        if "easycache" in self.run.caches:
            raise ValueError(
                "EasyCache is active on the sampler's MODEL. It would take the looks that Place Objects has the model take for "
                "steps of the edit. Remove the EasyCache node (LazyCache may stay)."
            )
        if Claim.QUERIES in claims:
            self.run.warn(
                "Inject Source Features holds self-attention to the source while Place Objects moves objects: they work "
                "against each other. Lower its attention share, or remove one of the two."
            )
        if Claim.BACKGROUND not in claims:
            self.run.warn("Place Objects without Latent Blend: the rest of the picture drifts with the objects.")

    def _check_prompt(self) -> None:
        conds = self.run.prompts.get("positive", [])
        texts = [cond["cross_attn"] for cond in conds if "cross_attn" in cond]
        if not same_text(texts):
            raise ValueError(
                "The sampler's `positive` holds several texts (Conditioning Combine, or prompts with timestep ranges), but Place "
                "Objects knows the words of one. Connect one prompt, or remove Place Objects."
            )
        if any({"area", "mask"} & set(cond) for cond in conds):
            raise ValueError(
                "The sampler's `positive` is limited to a part of the picture (Conditioning Set Area or Set Mask), but Place "
                "Objects needs its attention to the whole. Connect the prompt from before that node."
            )
        if any(text.shape[1] < self.record.length for text in texts):
            raise ValueError(
                f"Place Objects' `prompt` is encoded in {self.record.length} tokens, but the sampler's `positive` has "
                f"{min(text.shape[1] for text in texts)}: they are not the same text. Connect the same words to both."
            )
        warn_other_text(self.run, "Place Objects' `prompt`", "the sampler's `positive`", self.record.end, texts)


class MapWatcher(Feature):
    """One look's cross-attention maps, and the gradient of their loss.

    ends: inner score below which the look refines, None where it does not. refined: whether one has before.
    """

    def __init__(self, placer: Placer, found: Found, ends: float | None, refined: bool):
        super().__init__(placer.record, placer.run)
        self.sites, self.found, self.ends, self.refined = placer.sites, found, ends, refined
        self.maps: list[Tensor] = []

    @property
    def keeps_text_patches(self) -> bool:
        """CLIP NegPip's, by which a token's two rows become one key and one value: the words are those of the keys."""
        return self.record.rows > 1

    def acts_in(self, call: Call, kind: str) -> bool:
        return kind == CROSS

    def observe(self, at: At, q: Tensor, k: Tensor) -> None:
        if at.kind == CROSS and at.site in self.sites:
            q, k = (as_heads(x.flatten(0, 1).float(), at.heads) for x in (q, k))
            scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
            self.maps.append(scores.softmax(-1).mean(1).unflatten(1, (at.grid.height, at.grid.width)))

    def mean(self) -> Tensor:
        """(frames, h, w, tokens) float32, over layers and heads."""
        return torch.stack(self.maps).mean(0)

    def gradient(self, call: Call, z: Tensor) -> Tensor:
        """dL/dz of what was seen in a call; (frames, channels, h, w) float32."""
        maps = self.mean()
        self.maps.clear()  # the call is in a cycle with its hooks: the network's graph would live on
        loss = self._loss(call, maps)
        if not loss.requires_grad:  # a window without any of the objects
            return torch.zeros_like(z, dtype=torch.float32)
        scales = SCALES if z.dtype == torch.float16 else (1.0,)
        for scale in scales:
            (gradient,) = torch.autograd.grad(scale * loss, z, retain_graph=scale != scales[-1])
            if torch.isfinite(gradient).all():
                return gradient.float() / scale
        self.run.warn(
            "Place Objects: the gradient overflows in this precision, and nothing is moved at such a step. Start ComfyUI "
            "with --force-fp32."
        )
        return torch.zeros_like(z, dtype=torch.float32)

    def _loss(self, call: Call, maps: Tensor) -> Tensor:
        record, found = self.record, self.found
        regions = tuple(Region(place.mask, place.name) for place in record.places)
        masks = clip_masks(regions, self.run.frames, self.run.cells)[:, list(call.indices)]
        inside = reatco.token_masks(masks, Grid(*maps.shape[:3]), record.mode).to(maps.device)
        words = torch.stack([place.tokens for place in record.places]).to(maps.device)
        words = F.pad(words, (0, maps.shape[-1] - words.shape[1]))
        inner, outer = reatco.scores(reatco.word_maps(maps, words), inside, record.share)
        found.scores += [
            f"{place.name} {s.item():.3f} inside, {b.item():.3f} outside"
            for place, s, b in zip(record.places, inner, outer, strict=True)
        ]
        if self.ends is not None and inner.min().item() < self.ends:
            found.refining = True
            return reatco.refining_loss(inner)
        # As released, the outer scores of a refined step are still those of the latent before: no gradient.
        dropped = record.mode == reatco.REFERENCE and self.refined
        return reatco.placing_loss(inner, outer, 0.0 if dropped else record.outer_weight)

    def take(self, call: Call, gradient: Tensor) -> None:
        """Adds a call's gradient, (frames, channels or more, h, w), to what was found."""
        frames, channels = list(call.indices), self.found.gradient.shape[1]  # inpainting models are given more
        self.found.gradient[frames] += gradient[:, :channels].to(self.found.gradient)
        self.found.windows[frames] += 1
