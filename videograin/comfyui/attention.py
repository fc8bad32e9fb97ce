"""One call of the network: every feature in turn at each attention site, around what other packs put there.

Conds of the batch are told apart by uuid; each is the whole clip, or one context window of it, under one prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from comfy.ldm.modules.attention import (
    attention_basic,
    attention_pytorch,
    attention_split,
    attention_sub_quad,
    optimized_attention,
)
from torch import Tensor

from ..backbones.base import Layer, Site
from ..core.cross_frame import KeySet
from ..core.regions import Grid
from ..core.st_layout import Modulation
from ..features.base import Feature
from ..features.engine import CROSS, SELF, At, Attend, Cond, Half, Misfit, Own, extent
from .frame_rows import claimed_frames, in_order, one_part
from .other_packs import by, groupnorm_pack, pack_of, unknown_frames

if TYPE_CHECKING:
    from .run import Run

# What ComfyUI takes where PyTorch's own attention is not asked for.
IN_SLICES = (attention_basic, attention_split, attention_sub_quad)


class Call:
    """Which conds a call of the network holds, which frames, at which noise level.

    x: the network's input. text: rows of the batch's text as the network is given it. features: what acts in it.
    """

    def __init__(self, run: Run, options: dict[str, Any], x: Tensor, text: int, features: Sequence[Feature]):
        self.run, self.options, self.text, self.features = run, options, text, features
        self.backbone, self.sites = run.backbone, run.sites
        self.size = tuple(x.shape[-2:])  # (h, w) of the latent cells that it shows
        ids = options.get("uuids") or [None] * len(options.get("cond_or_uncond", [0]))
        self.conds: list[Cond | None] = [run.conds.get(i) for i in ids]
        if None in self.conds:
            run.warn("A model call carries a prompt ComfyUI's sampler did not announce: its regions are ignored.")
        self._require_whole(x)
        self.sees_source = any(cond and cond.half == Half.SOURCE for cond in self.conds)
        self.frames, whole = self.backbone.frames_of(x, len(self.conds))
        self.claimed = claimed_frames(options, run.frames)
        for feature in features:
            feature.check_call(self)
        self.indices = self.claimed if len(self.claimed) == self.frames and whole else None
        if run.across and not self._knows_frames(x):
            raise ValueError(unknown_frames(len(x), len(self.conds), run.frames, run.across, run.wrapper))
        self.sigma = float(options["sigmas"].flatten()[0]) if "sigmas" in options else 0.0
        self.binding = run.binding_at(self.sigma)

    # ---- what it shows -----------------------------------------------------------------------------------------------

    def _require_whole(self, x: Tensor) -> None:
        """Raises ValueError where a call shows a part of the picture, and something of ours has its place in the whole."""
        run, shown = self.run, tuple(x.shape[-2:])
        whole = {extent(cond.area, *run.cells) for cond in self.conds if cond}
        if run.placed and whole and whole != {shown}:
            raise ValueError(
                f"A model call shows {shown[1]}×{shown[0]} latent cells of a picture of {run.cells[1]}×{run.cells[0]}: another node"
                f"{by([run.wrapper] if run.wrapper else [])} runs the MODEL in tiles, as Tiled Diffusion does, and regions, paths "
                "and source features of the whole picture would land in every tile. Remove that node; for memory take fewer "
                "frames, or Edit in Chunks."
            )

    def _knows_frames(self, x: Tensor) -> bool:
        """Whether the rows are (cond, frame): as many, and none shows another frame than ComfyUI was to show there."""
        if self.indices is None:
            return False
        shown = self.run.shown_to_network(self.options.get("sigmas"), x)
        if shown is None:
            return True
        if len(shown) != self.frames:  # the clip, of which another pack's window is shown
            shown = shown[list(self.indices)]
        for number, cond in enumerate(self.conds):
            rows, frames = self.backbone.clip(x, number, self.frames)[:, : shown.shape[1]], shown
            if cond and cond.area is not None:
                (high, wide), (top, left) = extent(cond.area, *shown.shape[-2:]), cond.area[2:]
                frames = shown[..., top : top + high, left : left + wide]
            if not (in_order if rows.shape == frames.shape else one_part)(rows, frames):
                return False
        return True

    @property
    def norm_pack(self) -> str | None:
        return groupnorm_pack(self.options)

    def show(self, place: tuple, *tensors: Tensor) -> None:
        """Has each cond that shows a source keep what somebody reads there, (c, f, ...)."""
        for number, cond in enumerate(self.conds):
            if cond and cond.source and place in cond.source.places and self.indices is not None:
                cond.source.keep(place, cond.area, self.indices, tuple(tensor[number] for tensor in tensors))

    owner = staticmethod(pack_of)

    # ---- where we stand ----------------------------------------------------------------------------------------------

    @property
    def kinds(self) -> dict[str, Any]:
        """Kinds of attention where something acts or looks, and what stands for them."""
        stands = {SELF: self.self_attention, CROSS: self.cross_attention}
        return {kind: stand for kind, stand in stands.items() if self._wanted(kind)}

    def _wanted(self, kind: str) -> bool:
        joined = kind == SELF and self.run.key_sets.describe() != self.backbone.own_key_set
        return joined or any(feature.acts_in(self, kind) for feature in self.features)

    @property
    def watched(self) -> bool:
        """Whether hidden states are looked at."""
        return any(feature.sees_hidden for feature in self.features)

    def see_hidden(self, site: Site, size: tuple[int, int], x: Tensor) -> None:
        level = self.backbone.level(self.size[0], size[0])
        for feature in self.features:
            feature.see_hidden(self, site, level, x)

    def at(self, kind: str, layer: Layer) -> At:
        level, rows = self.backbone.level(self.size[0], layer.size[0]), partial(self._plain, layer)
        key_set: Any = KeySet(self.run.key_sets.at(level), self.frames)
        if self.indices is not None:
            for feature in self.features:
                key_set = feature.key_set(self, key_set)
        plain = rows if kind == CROSS else partial(self._over, key_set, layer)
        return At(self, kind, layer.site, Grid(self.frames, *layer.size), level, layer.heads, key_set, plain)

    def first(self, x: Tensor) -> Tensor:
        """What the network has of each token under the first prompt, (f, n, ...)."""
        rows, _ = self.backbone.rows(1, self.frames, 0)
        return self.backbone.split(x[:rows], 1, self.frames)[0]

    def modulation(self, at: At, number: int, k: Tensor) -> Modulation | None:
        """Of whichever feature changes one cond's scores; k (f, m, d)."""
        found = (feature.modulation(at, number, k) for feature in self.features)
        return next((modulation for modulation in found if modulation is not None), None)

    # ---- attention ---------------------------------------------------------------------------------------------------

    def self_attention(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Tensors as the network has them."""
        at = self.at(SELF, layer)
        if not self._whole_frames(at, q):
            return self._found(layer, q, k, v)
        own_queries, own_keys = queries, keys = self.split(q), self.split(k)
        self.show((SELF, *layer.site), queries, keys)
        for feature in reversed(self.features):
            queries, keys = feature.inputs(at, queries, keys)  # modulation is then of exchanged scores
        for feature in self.features:
            feature.observe(at, queries, keys)
        if queries is not own_queries or keys is not own_keys:
            q, k = self.backbone.joined(queries), self.backbone.joined(keys)
        attend, joined = at.plain, at.key_set.kind != self.backbone.own_key_set or at.key_set.visible is not None
        acting = [attend] if joined else []
        for feature in reversed(self.features):
            if around := feature.self_attention(at, queries, keys, attend):
                attend = around
                acting.append(around)
        if not acting:
            return self._found(layer, q, k, v)
        if layer.previous is not None and (theirs := self._standing(layer, q, k, v)) is not None:
            return theirs
        return self.backbone.joined(attend(queries, keys, self.split(v)))

    def cross_attention(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Tensors as the network has them."""
        at = self.at(CROSS, layer)
        if not self._whole_frames(at, q):
            return self._found(layer, q, k, v)
        queries, keys = self.split(q), self.split_text(k)
        self.show((CROSS, *layer.site), queries, keys)
        for feature in self.features:
            feature.observe(at, queries, keys)
        found = self._found(layer, q, k, v)
        owns = [self.own_cross(at, number, queries[number], keys[number]) for number in range(len(self.conds))]
        if not any(owns):
            return found
        base = None if layer.previous is None else self._base(layer, q, k, v)
        if base is not None:
            self._warn_unless_added(layer, q, k, v, found - base, base)
            base = self.split(base)
        out, values = self.split(found).clone(), self.split_text(v)
        for number, own in enumerate(owns):
            if own is None:
                continue
            ours = own(values[number])
            if base is not None:  # what the other patch added, in float32 so that nothing of it is lost
                ours = (ours.float() + (out[number].float() - base[number].float())).to(ours.dtype)
            out[number] = ours
        return self.backbone.joined(out)

    def own_cross(self, at: At, number: int, q: Tensor, k: Tensor) -> Own | None:
        """One cond's cross-attention, q (f, n, d), k (f, m, d), as features make it; None where none acts."""

        def own(v: Tensor) -> Tensor:
            return at.plain(q, k, v)

        found = None
        for feature in reversed(self.features):
            if around := feature.cross_attention(at, number, q, k, own):
                own = found = around
        return found

    def _whole_frames(self, at: At, q: Tensor) -> bool:
        """Whether the batch holds whole frames here. Raises ValueError where it does not, but a feature needs it."""
        expected = self.backbone.rows(len(self.conds), self.frames, at.grid.height * at.grid.width)
        if q.shape[:2] == expected:
            return True
        packs = by(self.options.get("patches", {}).get(f"{at.kind}_patch", []))
        misfit, where = Misfit(tuple(q.shape[:2]), expected, packs), f"block {at.site[0]} {at.site[1]}"
        for feature in self.features:
            feature.misfit(at, misfit)
        if misfit.part:
            self.run.warn(
                "Another node has self-attention done once more for a part of the batch, as the Reference ControlNet of "
                f"Advanced-ControlNet and ContextRef of AnimateDiff-Evolved do (first at {where}): in that "
                "part each frame sees itself alone, without ST-Layout. Set their `style_fidelity` to 0.",
                about="a part of the batch",
            )
        else:
            self.run.warn(
                f"Another node{packs} tiles or merges tokens (HyperTile and ToMe do), first at {where}, where "
                f"{self._attending()} cannot act.",
                about="tokens",
            )
        return False

    def _standing(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor) -> Tensor | None:
        """The result of another pack's self-attention, where it is not the network's own and so stands."""
        theirs, base = layer.previous(q, k, v, layer.extra), self._base(layer, q, k, v)
        if torch.allclose(theirs.float(), base.float(), rtol=1e-2, atol=1e-2 * float(base.float().std())):
            return None
        owner = pack_of(layer.previous)
        self.run.warn(
            f"{owner} replaces self-attention, first at block {layer.site[0]} {layer.site[1]}. Its result stands where it does, and "
            f"{self._attending()} cannot act there.",
            about=f"self-attention of {owner}",
        )
        return theirs

    def _warn_unless_added(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor, added: Tensor, base: Tensor) -> None:
        """Names a replacement that does more than add to the words' attention: what it adds has then to do with words.

        added, base: what it adds to ordinary attention, and that. Asked once at each site: what does it add to no words?
        """
        if layer.site in self.run.asked:
            return
        self.run.asked.add(layer.site)
        alone = layer.previous(q, k, torch.zeros_like(v), layer.extra)
        if (alone - added).float().std() > 0.05 * base.float().std():
            owner = pack_of(layer.previous)
            self.run.warn(
                f"{owner} replaces cross-attention by one with words of its own (attention couple does), first at "
                f"block {layer.site[0]} {layer.site[1]}: its words and regions and ours act at once. Remove its node and give the words to "
                f"Bind Region Prompts{self._without_words()}.",
                about=f"cross-attention of {owner}",
            )

    def _attending(self) -> str:
        """The nodes that act on attention."""
        acting = (f.record.node for f in self.features if f.looks_across and not f.record.on_latent)
        return ", ".join(dict.fromkeys(acting)) or "this pack"

    def _without_words(self) -> str:
        """The other way out of two nodes with words for regions, where a widget of ours is one."""
        widgets = (feature.record.words_widget for feature in self.features)
        return next((f", or set {widget} to 0" for widget in widgets if widget), "")

    # ---- the network's own attention -----------------------------------------------------------------------------------

    def _found(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What would happen here without us, to the bit."""
        return self._plain(layer, q, k, v) if layer.previous is None else layer.previous(q, k, v, layer.extra)

    def _plain(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Ordinary attention, (b, n, d) and (b, m, d)."""
        return optimized_attention(
            q, k, v, layer.heads, attn_precision=layer.precision, transformer_options=self.options
        )

    def _wide(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention to other frames as well, as the network does it, but on a CPU never in slices of scores.

        There they are ComfyUI's default, and with the keys of eight frames cost eight times PyTorch's time and fifty times
        its memory.
        """
        sliced = q.device.type == "cpu" and optimized_attention in IN_SLICES
        attend = attention_pytorch if sliced else optimized_attention
        return attend(q, k, v, layer.heads, attn_precision=layer.precision, transformer_options=self.options)

    def _base(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The network's attention without anybody's patch or override."""
        return optimized_attention(q, k, v, layer.heads, attn_precision=layer.precision)

    def _over(self, key_set: Any, layer: Layer, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Ordinary attention over a key set, (c, f, n, d) in and out."""
        own = key_set.alone or (key_set.kind == self.backbone.own_key_set and key_set.visible is None)
        attend: Attend = partial(self._plain if own else self._wide, layer)
        return key_set.attend([q], [k, v], attend)

    def split(self, x: Tensor) -> Tensor:
        return self.backbone.split(x, len(self.conds), self.frames)

    def split_text(self, x: Tensor) -> Tensor:
        return self.backbone.split_text(x, len(self.conds), self.frames)
