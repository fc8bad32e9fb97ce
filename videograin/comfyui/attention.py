"""The attention dispatcher: one call of the network, one dispatcher on each attention site.

ComfyUI keeps a single replacement per site, the last writer's. Ours is put there at run time around the one it finds,
so both act. Chunks of the batch are told apart by uuid; a chunk is the whole clip (or one context window of it) under
one prompt.
"""

from __future__ import annotations

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
from einops import rearrange
from torch import Tensor

from ..core import cross_frame, via_anchors
from ..core.fatezero import self_fusion
from ..core.flatten import along_paths
from ..core.phrase_tokens import rows_a_key
from ..core.regions import Grid, patterns, share_any
from ..core.score_range import sampled_keys
from ..core.st_layout import Background, Layout, Levels, Modulation, Seen
from ..features.fatezero_fusion import WORDS
from .frame_rows import in_order, one_part
from .other_packs import by, foreign_shape, pack_of, unknown_frames
from .source_pass import ROLE, Place
from .validate import Site, attention_level

if TYPE_CHECKING:
    from ..features.place_objects import Maps
    from .run import Chunk, Run

# What ComfyUI takes where PyTorch's own attention is not asked for.
IN_SLICES = (attention_basic, attention_split, attention_sub_quad)


def _extent(area: tuple[int, ...] | None, height: int, width: int) -> tuple[int, int]:
    """(h, w) of what a prompt with this area, (h, w, y, x), is shown, as core cuts it."""
    return (height, width) if area is None else (min(area[0], height - area[2]), min(area[1], width - area[3]))


class Call:
    """One call of the network: which chunks it holds, which frames, at which noise level."""

    def __init__(self, run: Run, options: dict[str, Any], x: Tensor):
        self.run = run
        self.height = x.shape[-2]
        ids = options.get("uuids") or [None] * len(options.get("cond_or_uncond", [0]))
        self.chunks: list[Chunk | None] = [run.chunks.get(i) for i in ids]
        if None in self.chunks:
            run.warn_once("A model call carries a prompt ComfyUI's sampler did not announce: its regions are ignored.")
        self._require_whole(x)
        self.sees_source = any(chunk and chunk.role == ROLE for chunk in self.chunks)
        self.frames, left = divmod(x.shape[0], len(self.chunks))
        told = frames_told(options, run.frames)
        self._require_anchors(told)
        self.indices = told if len(told) == self.frames and not left else None
        if run.across and not self._knows_frames(x, options):
            raise ValueError(unknown_frames(len(x), len(self.chunks), run.frames, run.across, run.wrapper))
        self.anchors = tuple(self.indices.index(frame) for frame in run.anchors) if run.anchors else ()
        sigma = options["sigmas"].flatten()[0] if "sigmas" in options else torch.tensor(0.0)
        self.decay = run.decay(sigma)
        self.binding = run.binding_at(float(sigma))
        self.options = options
        self.text = 0  # rows of the batch's text as the network is given it
        self.maps: Maps | None = None  # what Place Objects looks at, in a call of its own

    def _require_whole(self, x: Tensor) -> None:
        """Raises ValueError where a call shows a part of the picture, and something of ours has its place in the whole."""
        run, shown = self.run, tuple(x.shape[-2:])
        whole = {_extent(chunk.area, run.height, run.width) for chunk in self.chunks if chunk}
        if run.placed and whole and whole != {shown}:
            raise ValueError(
                f"A model call shows {shown[1]}×{shown[0]} latent cells of a picture of {run.width}×{run.height}: another node"
                f"{by([run.wrapper] if run.wrapper else [])} runs the MODEL in tiles, as Tiled Diffusion does, and regions, paths "
                "and source features of the whole picture would land in every tile. Remove that node; for memory take fewer "
                "frames, or Edit in Chunks."
            )

    def _knows_frames(self, x: Tensor, options: dict[str, Any]) -> bool:
        """Whether the rows are (chunk, frame): as many, and none shows another frame than ComfyUI was to show there."""
        if self.indices is None:
            return False
        shown = self.run.shown_to_network(options.get("sigmas"), x)
        if shown is None:
            return True
        if len(shown) != self.frames:  # the clip, of which another pack's window is shown
            shown = shown[list(self.indices)]
        for number, chunk in enumerate(self.chunks):
            rows, frames = x[self.rows(number), : shown.shape[1]], shown
            if chunk and chunk.area is not None:
                (high, wide), (top, left) = _extent(chunk.area, *shown.shape[-2:]), chunk.area[2:]
                frames = shown[..., top : top + high, left : left + wide]
            if not (in_order if rows.shape == frames.shape else one_part)(rows, frames):
                return False
        return True

    def _require_anchors(self, frames: tuple[int, ...]) -> None:
        """Raises ValueError where the clip's anchors are not among the call's frames."""
        if not set(self.run.anchors) <= set(frames):
            raise ValueError(
                f"Anchor Attention's anchors, frames {', '.join(map(str, self.run.anchors))}, are not all among the "
                f"{len(frames)} frames of a model call: another node runs the MODEL in windows. Remove that node and take Edit "
                "in Chunks, which has the anchors in every chunk."
            )

    def groups(self, kind: str) -> list[via_anchors.Group]:
        """Who looks at whom where there are anchors, in the call's own frames; empty without."""
        if not self.anchors:
            return []
        settings = self.run.anchoring
        return via_anchors.groups(self.frames, self.anchors, settings.mode, settings.gather, kind)

    def seen(self, kind: str) -> Seen | None:
        """The frames that each frame sees, where there are anchors."""
        return via_anchors.seen_by(self.groups(kind)) if self.anchors else None

    def rows(self, number: int) -> slice:
        """Of a chunk in the batch."""
        return slice(number * self.frames, (number + 1) * self.frames)

    def show(self, place: Place, *tensors: Tensor) -> None:
        """Has each chunk that shows a source keep its rows of tensors somebody reads there; "(chunk frame) ..."."""
        for number, chunk in enumerate(self.chunks):
            if chunk and chunk.source and place in chunk.source.places and self.indices is not None:
                kept = tuple(tensor[self.rows(number)] for tensor in tensors)
                chunk.source.keep(place, chunk.area, self.indices, kept)

    def patched_options(self) -> dict[str, Any]:
        """A copy of the transformer options with a dispatcher on every site."""
        options = self.options = self.options.copy()
        replace = {name: dict(patches) for name, patches in options.get("patches_replace", {}).items()}
        for name, attend in (("attn1", self.self_attention), ("attn2", self.cross_attention)):
            if not self._wanted(name):
                continue
            patches = replace.setdefault(name, {})
            for site in self.run.sites:
                patches[site] = _Dispatcher(attend, site, patches.get(site, patches.get(site[:2])))
        options["patches_replace"] = replace
        if self.run.observer is not None:
            patches = options.get("patches", {})
            options["patches"] = {**patches, "attn1_patch": [*patches.get("attn1_patch", []), self.see_inputs]}
        return options

    def see_inputs(self, x: Tensor, context: Tensor, value: Tensor, extra: dict) -> tuple[Tensor, Tensor, Tensor]:
        """An attn1_patch that changes nothing."""
        site = (*extra["block"], extra["block_index"])
        if self._observed(site, extra):
            self.run.observer.see_inputs(self, site, x)
        return x, context, value

    def _observed(self, site: Site, extra: dict) -> bool:
        """Whether the observer looks here. It follows whole clips under their first prompt, never single windows."""
        observer = self.run.observer
        if observer is None or self.sees_source or not observer.wants(site, self.level(self.grid(extra))):
            return False
        if self.frames != self.run.frames:
            raise ValueError(
                f"{observer.node} looks at the whole clip, but its `model` runs in windows of {self.frames} frames. "
                "Connect the MODEL from before the context window node."
            )
        return True

    def _wanted(self, name: str) -> bool:
        seeing = self.run.motion is not None or self.anchors or self.run.key_sets.describe() != cross_frame.OWN
        if self.run.observer is not None or (name == "attn1" and seeing) or (name == "attn2" and self.maps is not None):
            return True
        if any(place[0] in (name, WORDS) for source in self.run.sources for place in source.places):
            return True
        settings = self.run.settings
        if settings is None or self.indices is None or not (self.binding or any(c and c.binding for c in self.chunks)):
            return False
        return self.decay * (settings.self_strength if name == "attn1" else settings.cross_strength) > 0

    def _whole_frames(self, site: Site, kind: str, q: Tensor, grid: Grid, modulated: bool) -> bool:
        """Whether the batch holds whole frames here. Raises ValueError where it does not, but is to be modulated."""
        rows, tokens = len(self.chunks) * self.frames, grid.height * grid.width
        if q.shape[:2] == (rows, tokens):
            return True
        part = q.shape[1] == tokens and len(q) < rows
        if modulated and not part:
            raise ValueError(foreign_shape(site, kind, q, rows, tokens, self.options))
        if part:
            self.run.warn_once(
                "Another node has self-attention done once more for a part of the batch, as the Reference ControlNet of "
                f"Advanced-ControlNet and ContextRef of AnimateDiff-Evolved do (first at block {site[0]} {site[1]}): in that "
                "part each frame sees itself alone, without ST-Layout. Set their `style_fidelity` to 0.",
                about="a part of the batch",
            )
            return False
        who = by(self.options.get("patches", {}).get(f"{kind}_patch", []))
        self.run.warn_once(
            f"Another node{who} tiles or merges tokens (HyperTile and ToMe do), first at block {site[0]} {site[1]}: Full-Frame "
            "Attention, Inject Source Features and both fusions are off where it does.",
            about="tokens",
        )
        return False

    def grid(self, extra: dict[str, Any]) -> Grid:
        return Grid(self.frames, *extra["activations_shape"][-2:])

    def level(self, grid: Grid) -> int:
        return attention_level(self.height, grid.height)

    def layout(self, chunk: Chunk | None, strength: float, role: str, binding: Any, grid: Grid) -> Layout | None:
        """The regions a chunk is modulated by at this level, None where it is not."""
        if (
            chunk is None
            or binding is None
            or not binding.regions
            or self.indices is None
            or strength * self.decay == 0
            or chunk.role == ROLE
        ):
            return None
        if role not in (chunk.role, "both") or (
            self.run.settings.levels == Levels.BELOW_FULL and self.level(grid) == 1
        ):
            return None
        seen = self.seen(self.run.key_sets.at(self.level(grid)))
        return self.run.layout(binding, chunk.area, self.indices, grid, seen)

    def self_attention(self, site: Site, previous: Any, q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
        grid, settings = self.grid(extra), self.run.settings
        kind = self.run.key_sets.at(self.level(grid))
        layouts = [
            self.layout(chunk, settings.self_strength, settings.self_role, chunk.binding or self.binding, grid)
            if chunk and settings
            else None
            for chunk in self.chunks
        ]
        if not self._whole_frames(site, "attn1", q, grid, any(layouts)):
            return self.plain(previous, q, k, v, extra)
        self.show(("attn1", *site), q, k)
        for reader in filter(None, (self.run.injector, self.run.self_fuser)):
            q, k = reader.exchange(self, ("attn1", *site), q, k)  # modulation is then of exchanged scores
        if self._observed(site, extra):
            self.run.observer.see_self(self, site, q, k, layouts, extra["n_heads"])
        moving, fuser = self.moving(grid), self.run.self_fuser
        followed = fuser.rows(self, site, grid, q, k) if fuser else {}
        if kind == cross_frame.OWN and not self.anchors and not any(layouts) and not moving and not followed:
            return self.plain(previous, q, k, v, extra)
        if previous is not None:
            theirs, base = previous(q, k, v, extra), self.base(q, k, v, extra)
            if not torch.allclose(theirs.float(), base.float(), rtol=1e-2, atol=1e-2 * float(base.float().std())):
                owner = pack_of(previous)
                self.run.warn_once(
                    f"{owner} replaces self-attention, first at block {site[0]} {site[1]}. Its result stands where it does, and "
                    "Full-Frame and ST-Layout Attention are off there.",
                    about=f"self-attention of {owner}",
                )
                return theirs
        q, k, v = (self.split(x) for x in (q, k, v))
        if not any(layouts):
            out = self.joined(kind, q, k, v, extra)
        else:
            out = torch.empty_like(q)
            for i, layout in enumerate(layouts):
                if layout is None:
                    out[i] = self.joined(kind, *(x[i : i + 1] for x in (q, k, v)), extra)[0]
                else:
                    out[i] = self.modulated_self(kind, q[i], k[i], v[i], layout, extra["n_heads"])
        for i, (source_q, source_k, inside) in followed.items():
            attend = partial(self.joined_one, kind, extra)
            out[i] = self_fusion(out[i], source_q, source_k, v[i], inside, attend)
        if moving:
            out = self.along_flow(q, k, out, grid, extra["n_heads"])
        return rearrange(out, "c f n d -> (c f) n d")

    def cross_attention(self, site: Site, previous: Any, q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
        grid, settings = self.grid(extra), self.run.settings
        layouts = [
            self.layout(chunk, settings.cross_strength, settings.cross_role, chunk.binding, grid)
            if chunk and settings
            else None
            for chunk in self.chunks
        ]
        if not self._whole_frames(site, "attn2", q, grid, any(layouts)):
            return self.plain(previous, q, k, v, extra)
        if self._observed(site, extra):
            self.run.observer.see_cross(self, site, q, k, layouts, extra["n_heads"])
        if self.maps is not None:
            self.maps.add(site, q, k, extra["n_heads"], grid)
        attend = partial(self.plain, None, extra=extra)
        self.show(("attn2", *site), q, k)
        if self.run.self_fuser:
            self.run.self_fuser.show_words(self, site, grid, q, k, attend)
        out, fuser = self.plain(previous, q, k, v, extra), self.run.cross_fuser
        if not any(layouts) and not (fuser and ("attn2", *site) in fuser.places):
            return out
        base = None if previous is None else self.base(q, k, v, extra)
        if previous is not None:
            self._warn_unless_added(site, previous, q, k, v, out - base, base, extra)
            base = self.split(base)
        out, q, k, v = (self.split(x) for x in (out, q, k, v))
        out = out.clone()
        for i, layout in enumerate(layouts):
            own = partial(self.own_cross, self.chunks[i], layout, extra, q[i], k[i])
            ours = fuser.fused(self, site, grid, i, q[i], v[i], attend, own) if fuser else None
            if ours is None:
                if layout is None:
                    continue
                ours = own(v[i])
            if base is not None:  # what the other patch added, in float32 so that nothing of it is lost
                ours = (ours.float() + (out[i].float() - base[i].float())).to(ours.dtype)
            out[i] = ours
        return rearrange(out, "c f n d -> (c f) n d")

    def _warn_unless_added(
        self, site: Site, previous: Any, q: Tensor, k: Tensor, v: Tensor, added: Tensor, base: Tensor, extra: dict
    ) -> None:
        """Names a replacement that does more than add to the words' attention: what it adds has then to do with words.

        added, base: what it adds to ordinary attention, and that. Asked once at each site: what does it add to no words?
        """
        if site in self.run.asked:
            return
        self.run.asked.add(site)
        alone = previous(q, k, torch.zeros_like(v), extra)
        if (alone - added).float().std() > 0.05 * base.float().std():
            self.run.warn_once(
                f"{pack_of(previous)} replaces cross-attention by one with words of its own (attention couple does), first at "
                f"block {site[0]} {site[1]}: its words and regions and ours act at once. Remove its node and give the words to "
                "Bind Region Prompts, or set ST-Layout's `cross_strength` to 0.",
                about=f"cross-attention of {pack_of(previous)}",
            )

    def own_cross(self, chunk: Chunk, layout: Layout | None, extra: dict, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """One chunk's cross-attention without a source: modulated where it has a layout, else ordinary."""
        if layout is None:
            return self.plain(None, q, k, v, extra)
        return self.modulated_cross(chunk, q, k, v, layout, extra["n_heads"])

    def plain(self, previous: Any, q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
        """What would happen here without us, to the bit."""
        if previous is not None:
            return previous(q, k, v, extra)
        return optimized_attention(
            q, k, v, extra["n_heads"], attn_precision=extra.get("attn_precision"), transformer_options=self.options
        )

    def wide(self, q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
        """Attention to other frames as well, as the network does it, but on a CPU never in slices of scores.

        There they are ComfyUI's default, and with the keys of eight frames cost eight times PyTorch's time and fifty times
        its memory.
        """
        sliced = q.device.type == "cpu" and optimized_attention in IN_SLICES
        attend = attention_pytorch if sliced else optimized_attention
        return attend(
            q, k, v, extra["n_heads"], attn_precision=extra.get("attn_precision"), transformer_options=self.options
        )

    def base(self, q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
        """Per-frame attention without anybody's patch or override."""
        return optimized_attention(q, k, v, extra["n_heads"], attn_precision=extra.get("attn_precision"))

    def split(self, x: Tensor) -> Tensor:
        return rearrange(x, "(c f) n d -> c f n d", c=len(self.chunks))

    def joined(self, kind: str, q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
        """Unmodulated attention over a key set, for some chunks at once: (c, f, n, d) in and out."""
        if groups := self.groups(kind):
            return via_anchors.attend_groups(groups, [q], [k, v], partial(self.wide, extra=extra))
        chunks = len(q)
        q, k, v = (rearrange(x, "c f n d -> (c f) n d") for x in (q, k, v))
        q = cross_frame.queries(q, self.frames, kind)
        k, v = (cross_frame.keys(x, self.frames, kind) for x in (k, v))
        own = kind == cross_frame.OWN or self.frames == 1
        out = self.plain(None, q, k, v, extra) if own else self.wide(q, k, v, extra)
        return rearrange(cross_frame.ungroup(out, self.frames, kind), "(c f) n d -> c f n d", c=chunks)

    def joined_one(self, kind: str, extra: dict, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The same for one chunk: (f, n, d) in and out."""
        return self.joined(kind, q[None], k[None], v[None], extra)[0]

    def moving(self, grid: Grid) -> bool:
        """Whether tokens look along their motion paths at this level."""
        motion = self.run.motion
        return motion is not None and self.indices is not None and self.level(grid) in motion.levels

    def along_flow(self, q: Tensor, k: Tensor, dense: Tensor, grid: Grid, heads: int) -> Tensor:
        """Dense attention's output (c, f, n, d), attended along the motion paths of each chunk's area."""
        if not self.run.motion.layer_queries:
            q = k = dense
        parts = []
        for i, chunk in enumerate(self.chunks):
            paths = self.run.paths(chunk.area if chunk else None, self.indices, grid).to(dense.device)
            parts.append(along_paths(*(x[i : i + 1] for x in (q, k, dense)), paths, heads))
        return torch.cat(parts)

    def modulated_self(self, kind: str, q: Tensor, k: Tensor, v: Tensor, layout: Layout, heads: int) -> Tensor:
        """One chunk's modulated self-attention: (f, n, d) in and out."""
        strength, labels, key_labels, positive = self.self_modulation(layout, k)
        attend, queries, keys = partial(self.attend_heads, positive, heads), (q, strength, labels), (k, v, key_labels)
        if groups := self.groups(kind):
            return via_anchors.attend_groups(groups, [x[None] for x in queries], [x[None] for x in keys], attend)[0]
        looking = (cross_frame.queries(x, self.frames, kind) for x in queries)
        seen = (cross_frame.keys(x, self.frames, kind) for x in keys)
        return cross_frame.ungroup(attend(*looking, *seen), self.frames, kind)

    def attend_heads(
        self, positive: Tensor, heads: int, q: Tensor, strength: Tensor, labels: Tensor, k: Tensor, v: Tensor,
        key_labels: Tensor,
    ) -> Tensor:  # fmt: skip
        """Modulated self-attention of any grouping: (b, n, d) and (b, m, d), labels alike, in; (b, n, d) out."""
        q, k, v = (_heads(x, heads) for x in (q, k, v))
        spanned = sampled_keys(k) if self.run.settings.fast else None
        out = self.run.attend(q, k, v, strength, labels, key_labels, positive, spanned=spanned)
        return rearrange(out, "b h n d -> b n (h d)")

    def self_modulation(self, layout: Layout, k: Tensor) -> Modulation:
        """Of one chunk's self-attention; k (f, tokens, d), a frame's own and those another patch appended."""
        labels, factor = layout.labels.to(k.device), layout.self_factor.to(k.device)
        frame = torch.arange(self.frames, device=k.device)[:, None]
        factor = factor.view(len(factor), -1).expand(-1, self.frames)[labels, frame]
        strength = (self.run.settings.self_strength * self.decay * factor).clamp(max=1)  # (f, n)
        appended = k.shape[1] - labels.shape[1]  # belong to no region of ours
        key_labels = torch.nn.functional.pad(labels, (0, appended), value=len(layout.table))
        return Modulation(strength, labels, key_labels, torch.nn.functional.pad(layout.positive.to(k.device), (0, 1)))

    def modulated_cross(self, chunk: Chunk, q: Tensor, k: Tensor, v: Tensor, layout: Layout, heads: int) -> Tensor:
        """One chunk's modulated cross-attention: (f, n, d) and (f, tokens, d) in, (f, n, d) out."""
        modulation = self.cross_modulation(chunk, layout, k)
        return rearrange(self.run.attend(*(_heads(x, heads) for x in (q, k, v)), *modulation), "b h n d -> b n (h d)")

    def cross_modulation(self, chunk: Chunk, layout: Layout, k: Tensor) -> Modulation:
        """Of one chunk's cross-attention; k (f, tokens, d)."""
        device = k.device
        labels = layout.labels.to(device)
        frame = torch.arange(self.frames, device=device)[:, None]
        factor = layout.cross_factor
        if (
            self.run.settings.background != Background.ISOLATED
        ):  # a region without words keeps its attention to all words
            wordless = layout.table.any(1) & ~(layout.table & chunk.binding.tokens.any(1)).any(1)
            factor = factor.masked_fill(wordless[:, None], 0.0)
        strength = (self.run.settings.cross_strength * self.decay * factor.to(device)[labels, frame]).clamp(max=1)
        token_labels, words = patterns(token_regions(chunk, k.shape[1], self.text))
        positive = share_any(layout.table, words).to(device)
        return Modulation(strength, labels, token_labels.to(device).expand(self.frames, -1), positive)


class _Dispatcher:
    """A replacement patch as ComfyUI calls it."""

    def __init__(self, attend: Any, site: Site, previous: Any):
        self.attend, self.site, self.previous = attend, site, previous

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, extra_options: dict) -> Tensor:
        return self.attend(self.site, self.previous, q, k, v, extra_options)


def _heads(x: Tensor, heads: int) -> Tensor:
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def token_regions(chunk: Chunk, keys: int, rows: int) -> Tensor:
    """(K, keys) bool: the regions of every key of a batch's text of so many rows.

    A prompt batched with a longer one is repeated to its length; text appended to it (Conditioning Concat) and keys
    another patch appended belong to no region.
    """
    bound = chunk.binding.tokens.repeat_interleave(chunk.binding.rows, 1)
    own = torch.nn.functional.pad(bound, (0, max(0, chunk.tokens - bound.shape[1])))
    tiled = own.repeat(1, max(1, rows // own.shape[1]))[:, :: rows_a_key(keys, rows)]
    return torch.nn.functional.pad(tiled, (0, keys - tiled.shape[1]))


def frames_told(options: dict[str, Any], total: int) -> tuple[int, ...]:
    """The clip's frames that a call is said to hold: all of them, or those of a context window."""
    window, animatediff = options.get("context_window"), options.get("ad_params") or {}
    if window is not None:  # get_tensor and not index_list: only the former has the window's anchor frame
        return tuple(window.get_tensor(torch.arange(total), dim=0).tolist())
    return tuple(int(i) for i in animatediff.get("sub_idxs") or range(total))
