"""Drag-and-Drop LLMs: a batch of prompts to a LoRA by hyper-convolution, and LoRAs as grids of tokens.
Knows shapes alone: no base model, no text, no file."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from t2l.errors import T2LError, check_whole
from t2l.lora import LoRASpec, LoRAWeights

# Where it stands in a layer's tokens; what is not named follows in the specification's order.
_ORDER = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.up_proj",
    "mlp.gate_proj",
    "mlp.down_proj",
)
# A common divisor below this would make more tokens than numbers deserve.
_LEAST_WIDTH, _MOST_WIDTH = 64, 256
_LEAST_STD = 1e-6
# No shape in a checkpoint bounds a grid; this does.
_MOST_CELLS = 2**30

Stage = tuple[int, int, int]


@dataclass(frozen=True)
class Grid:
    """How the numbers of a LoRA lie in tokens of one size: blocks of A and of Bᵀ, `width` columns each.

    A token has rank + 2 rows and width + 2 columns: a normalised block, then its mean and its standard
    deviation, written over the last rows and columns. width 0 is derived: the largest common divisor of all
    sizes, or where that is below 64 the smallest size (at most 256), made even; then cells may stay unused.
    Source: arXiv 2506.16406, whose hand-made tokenizers are grids of this kind.
    """

    spec: LoRASpec
    width: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.width, int) or self.width < 0 or self.width % 2:
            raise T2LError(f"The width of a token must be an even whole number, not {self.width!r}.")
        if not self.width:
            object.__setattr__(self, "width", _derived_width(self.spec))
        if self.n_tokens * self.height * (self.width + 2) > _MOST_CELLS:
            raise T2LError(
                f"A grid of {self.n_tokens:,} tokens is more than is made here; take a lower rank."
            )

    @property
    def height(self) -> int:
        """Rows of a token."""
        return self.spec.rank + 2

    @property
    def blocks(self) -> list[tuple[str, str, int]]:
        """(target, side, how many tokens) of one layer, in their order."""
        order = {name: place for place, name in enumerate(_ORDER)}
        names = sorted(self.spec.targets, key=lambda name: order.get(name, len(order)))
        return [
            (name, side, -(-size // self.width))
            for name in names
            for side, size in zip("AB", self.spec.targets[name], strict=True)
        ]

    @property
    def n_tokens(self) -> int:
        """Tokens of one adapter."""
        return self.spec.n_layers * sum(count for *_, count in self.blocks)

    @property
    def shape(self) -> Stage:
        """(tokens, rows, columns)."""
        return self.n_tokens, self.height, self.width + 2

    def cut(self, weights: LoRAWeights) -> Tensor:
        """(*n, tokens, rank, width) of an adapter's own numbers; unused cells are NaN."""
        parts = []
        for name, side, count in self.blocks:
            block = weights.A[name] if side == "A" else weights.B[name].mT
            unused = count * self.width - block.shape[-1]
            block = nn.functional.pad(block, (0, unused), value=math.nan)
            # (*n, L, r, count, width) -> (*n, L, count, r, width)
            parts.append(block.unflatten(-1, (count, self.width)).transpose(-3, -2))
        return torch.cat(parts, -3).flatten(-4, -3)

    def join(self, blocks: Tensor) -> LoRAWeights:
        """Inverse of `cut`, bit by bit; unused cells are not looked at."""
        blocks = blocks.unflatten(-3, (self.spec.n_layers, -1))
        parts = blocks.split([count for *_, count in self.blocks], -3)
        sides: dict[str, dict[str, Tensor]] = {"A": {}, "B": {}}
        for (name, side, _), part in zip(self.blocks, parts, strict=True):
            size = self.spec.targets[name]["AB".index(side)]
            block = part.transpose(-3, -2).flatten(-2)[..., :size]
            sides[side][name] = block if side == "A" else block.mT
        A, B = ({name: tensors[name] for name in self.spec.targets} for tensors in sides.values())
        return LoRAWeights(self.spec, A, B)

    def encode(self, weights: LoRAWeights) -> Tensor:
        """An adapter or a stack as tokens (*n, T, H, W), float64; unused cells are NaN.

        Float64, since then `decode` gives every float32 number back as it was.
        """
        blocks = self.cut(weights.map(lambda t: t.double()))
        rank, width = blocks.shape[-2:]
        used = ~blocks.isnan()
        count = used.sum((-2, -1), keepdim=True)
        mean = blocks.nansum((-2, -1), keepdim=True) / count
        squares = (blocks - mean).square().nansum((-2, -1), keepdim=True)
        std = (squares / (count - 1).clamp_min(1)).sqrt()
        # A token of one cell has no deviation, one of equal cells none above zero: both are not divided.
        std = torch.where(std < _LEAST_STD, 1.0, std)
        told = torch.cat([8 * mean, (0.9 * std + 0.1).log() + 1.6], -1)
        tokens = blocks.new_empty(*blocks.shape[:-2], rank + 2, width + 2)
        tokens[..., :rank, :width] = (blocks - mean) / std
        tokens[..., rank:, :] = told.repeat(*[1] * (told.dim() - 1), width // 2 + 2)[..., : width + 2]
        tokens[..., width:] = told
        return tokens

    def decode(self, tokens: Tensor) -> LoRAWeights:
        """Tokens (*n, T, H, W) as an adapter or a stack, float32; whatever stands in unused cells is lost.

        A generated deviation of zero or below counts as one of 1e-6: it must not turn a token around.
        Raises T2LError for another shape.
        """
        if tuple(tokens.shape[-3:]) != self.shape:
            raise T2LError(f"These tokens have shape {tuple(tokens.shape)}, expected (*n, {self.shape}).")
        tokens = tokens.double()
        rank, width = self.spec.rank, self.width
        rows, columns = tokens[..., rank:, :], tokens[..., width:]
        by_row = torch.stack([rows[..., 0::2].mean(-1), rows[..., 1::2].mean(-1)], -1)
        by_column = torch.stack([columns[..., 0::2, :].mean(-2), columns[..., 1::2, :].mean(-2)], -2)
        told = (by_row + by_column) / 2
        mean = told[..., 0].mean(-1) / 8
        std = (((told[..., 1] - 1.6).exp() - 0.1) / 0.9).mean(-1).clamp_min(_LEAST_STD)
        blocks = tokens[..., :rank, :width] * std[..., None, None] + mean[..., None, None]
        return self.join(blocks.float())


def _derived_width(spec: LoRASpec) -> int:
    sizes = [size for pair in spec.targets.values() for size in pair]
    common = math.gcd(*sizes)
    width = common if common >= _LEAST_WIDTH else min(*sizes, _MOST_WIDTH)
    # Even, for mean and deviation stand in turn along it.
    return width + width % 2


def importance(tokens: Sequence[Tensor]) -> Tensor:
    """A weight for each token (T,) from checkpoints of several tasks: what varies more weighs more.

    tokens: for every task (checkpoints, T, H, W), at least two of each; NaN marks unused cells. The mean over
    a token's cells of the deviation over checkpoints, averaged over tasks; scaled so that the mean over all
    used cells is 1. Raises T2LError where nothing varies. Source: the code of arXiv 2506.16406.
    """
    return finish_importance([deviation(t) for t in tokens], ~tokens[0][0].isnan())


def deviation(tokens: Tensor) -> Tensor:
    """The mean over each token's cells of the deviation over checkpoints: (checkpoints, T, H, W) -> (T,)."""
    if len(tokens) < 2:
        raise T2LError("Importance needs at least two checkpoints of a task; train with more snapshots.")
    return tokens.std(0).nanmean((-2, -1))


def finish_importance(deviations: Sequence[Tensor], used: Tensor) -> Tensor:
    """The tasks' deviations (T,) as one weight for each token, its mean over the used cells (T, H, W) 1."""
    weight = torch.stack(list(deviations)).mean(0)
    cells = used.sum((-2, -1))
    mean = (weight * cells).sum() / cells.sum()
    if not mean > 0:
        raise T2LError("All checkpoints of each task are equal; train with --snapshot-every further apart.")
    return weight / mean


def weighted_mse(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean of weight · (output - target)² over the used cells; a scalar.

    output, target: (n, T, H, W); cells where target is NaN are unused. weight: (T,).
    """
    unused = target.isnan()
    off = (output - target).masked_fill(unused, 0.0)
    # Summed by token first: a weight for every cell would be one more tensor of this size.
    return (off.square().sum((-2, -1)) * weight).sum() / (unused.numel() - unused.sum())


class HyperConv(nn.Module):
    """One hyper-convolution: (n, N, L, C) -> (n, N', L', C'), every axis in turn being the channels.

    Two branches change C and L in either order; their mean then changes N. Residual where no size changes.
    Source: arXiv 2506.16406, section 2.3 and its code: the division is by 3, only one branch has a tanh.
    """

    def __init__(self, before: Stage, after: Stage, kernel: int) -> None:
        super().__init__()
        (n, length, c), (n2, length2, c2) = before, after
        self.norm = nn.LayerNorm([length, c])
        self.width1 = _convolution(c, c2, kernel)
        self.height1 = _convolution(length, length2, kernel)
        self.height2 = _convolution(length, length2, kernel)
        self.width2 = _convolution(c, c2, kernel)
        bound = 1 / (length2 * c2)
        self.bias = nn.Parameter(torch.empty(length2, c2).uniform_(-bound, bound))
        self.number = nn.Conv2d(n, n2, kernel, padding="same")
        self.residual = before == after

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        a = _along(self.height1, _along(self.width1, h, 3), 2)
        b = _along(self.width2, _along(self.height2, h, 2), 3).tanh()
        y = self.number((a + b + self.bias) / 3)
        return x + y if self.residual else y


def _convolution(channels: int, out: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, kernel, padding="same", bias=False)


def _along(convolution: nn.Module, x: Tensor, axis: int) -> Tensor:
    """A convolution whose channels are axis 2 (L; space N, C) or 3 (C; space L, N) of x (n, N, L, C)."""
    if axis == 2:
        return convolution(x.transpose(1, 2)).transpose(1, 2)
    return convolution(x.transpose(1, 3)).transpose(1, 3)


class LengthReduction(nn.Module):
    """Shortens (n, N, L, C) to (n, N, L', C), as the published large variant does.

    The numbers are read as (C, L), which is no transposition: positions and features are mixed. That is how
    its weights were trained.
    """

    def __init__(self, length: int, reduced: int) -> None:
        super().__init__()
        self.down = nn.Linear(length, reduced)
        self.out = nn.Linear(reduced, reduced)
        nn.init.normal_(self.down.weight)
        nn.init.normal_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        n, prompts, length, c = x.shape
        x = self.out(self.down(x.reshape(n, prompts, c, length)))
        return x.reshape(n, prompts, -1, c)


@dataclass(frozen=True)
class DnDConfig:
    """Everything that `DnD` is built from; saved as JSON beside its weights.

    prompts, length: how many prompts it reads at once, and tokens of each. size: the one dial. It is the
    largest count of maps before the last stage and half of their features; all other sizes follow from it,
    the condition and the grid. stages: the sizes (N, L, C) between condition and grid themselves, in place of
    those. reduced: the length after the large variant's reduction, 0 for none. kernel: of every convolution,
    odd. masked: states of padding are zeros; the reference lets them through. width: see `Grid`.
    Raises T2LError for a combination that cannot work.
    """

    spec: LoRASpec
    condition_size: int
    prompts: int = 16
    length: int = 64
    size: int = 32
    kernel: int = 3
    stages: tuple[Stage, ...] = ()
    reduced: int = 0
    masked: bool = True
    width: int = 0

    def __post_init__(self) -> None:
        for name, least in (("condition_size", 1), ("prompts", 1), ("length", 4), ("size", 1)):
            check_whole(getattr(self, name), name, least)
        check_whole(self.reduced, "reduced", 0)
        if check_whole(self.kernel, "kernel", 1) % 2 == 0:
            raise T2LError(f"kernel must be odd, so that sizes stay, not {self.kernel}.")
        for stage in self.stages:
            if len(stage) != 3:
                raise T2LError(f"A stage has three sizes (N, L, C), not {len(stage)}.")
            for value in stage:
                check_whole(value, "stages", 1)
        object.__setattr__(self, "stages", tuple((n, length, c) for n, length, c in self.stages))

    @property
    def grid(self) -> Grid:
        """Where the last stage's numbers belong."""
        return Grid(self.spec, self.width)

    @property
    def features(self) -> tuple[Stage, ...]:
        """Sizes (N, L, C) from the condition, after its reduction, to the grid."""
        first, last = (self.prompts, self.reduced or self.length, self.condition_size), self.grid.shape
        if self.stages:
            return first, *self.stages, last
        # Three stages on even steps of their logarithms; features at once, which spares most of the work.
        shares, most = (1 / 3, 2 / 3, 1.0), min(self.size, last[0])
        inner = [
            (_between(self.prompts, most, s), _between(first[1], last[1], s), 2 * self.size) for s in shares
        ]
        return first, *inner, last

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: the constructor's arguments."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**data, "spec": self.spec.to_json(), "stages": [list(stage) for stage in self.stages]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DnDConfig:
        """Inverse of `to_json`; raises T2LError for missing, unknown or impossible entries."""
        unknown = set(data) - {f.name for f in fields(cls)}
        if unknown or "spec" not in data or "condition_size" not in data:
            raise T2LError(
                f"This network configuration cannot be read (unknown {sorted(unknown)}, or spec or "
                "condition_size missing); it was written by another version."
            )
        stages = tuple(tuple(stage) for stage in data.get("stages", ()))
        return cls(**{**data, "spec": LoRASpec.from_json(data["spec"]), "stages": stages})


def _between(start: int, end: int, share: float) -> int:
    return round(start * (end / start) ** share)


class DnD(nn.Module):
    """Maps token states of prompts (n, N, L, C) to a stack of n adapters.

    Its tokens are shift + scale · decoder: the stored mean of the training adapters and one deviation for
    each token; zeros and ones, as they begin, are the published form. Parameters are float32.
    Source: arXiv 2506.16406; shift and scale are ours.
    """

    shift: Tensor

    def __init__(self, config: DnDConfig) -> None:
        super().__init__()
        self.config, self.grid = config, config.grid
        features = config.features
        self.reduction = LengthReduction(config.length, config.reduced) if config.reduced else nn.Identity()
        self.decoder = nn.ModuleList(
            HyperConv(before, after, config.kernel) for before, after in itertools.pairwise(features)
        )
        self.register_buffer("shift", torch.zeros(self.grid.shape))
        self.register_buffer("scale", torch.ones(self.grid.n_tokens, 1, 1))

    def forward(self, condition: Tensor, *, as_tokens: bool = False) -> Any:
        """condition (n, N, L, C) -> stack of n adapters, or with `as_tokens` their tokens (n, T, H, W).

        Raises T2LError for another shape.
        """
        c = self.config
        if tuple(condition.shape[1:]) != (c.prompts, c.length, c.condition_size):
            raise T2LError(
                f"The condition has shape {tuple(condition.shape)}, expected (n, {c.prompts}, {c.length}, "
                f"{c.condition_size})."
            )
        x = self.reduction(condition)
        for layer in self.decoder:
            x = layer(x)
        tokens = torch.addcmul(self.shift, self.get_buffer("scale"), x)
        return tokens if as_tokens else self.grid.decode(tokens)

    def mean_adapter(self) -> LoRAWeights:
        """The adapter that it stores as the mean of those that it was trained on; no prompt is read."""
        return self.grid.decode(self.shift.detach())

    def free_shift(self) -> None:
        """Makes the stored mean a parameter: a LoRA that no prompt changes, trained with the decoder."""
        shift = self.shift
        del self.shift
        self.shift = nn.Parameter(shift)


def draws(prompts: Sequence[str], n: int) -> list[list[str]]:
    """Prompts in groups of exactly n, in their order: fewer are cycled, more are split, the last refilled.

    A group is refilled from the start of all prompts, so that each counts about equally often.
    """
    if not prompts:
        raise T2LError("No prompts were given; give at least one example input of the task.")
    groups = -(-len(prompts) // n)
    return [[prompts[i % len(prompts)] for i in range(g * n, (g + 1) * n)] for g in range(groups)]


def _qwen(name: str, layers: int, sizes: tuple[int, int, int], rank: int) -> LoRASpec:
    hidden, kv, inner = sizes
    targets = {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (hidden, kv),
        "self_attn.v_proj": (hidden, kv),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.up_proj": (hidden, inner),
        "mlp.gate_proj": (hidden, inner),
        "mlp.down_proj": (inner, hidden),
    }
    return LoRASpec(name, layers, targets, rank, 2.0 * rank)


_05B = _qwen("Qwen/Qwen2.5-0.5B-Instruct", 24, (896, 128, 4864), 8)
_15B = _qwen("Qwen/Qwen2.5-1.5B-Instruct", 28, (1536, 256, 8960), 16)
_7B = _qwen("Qwen/Qwen2.5-7B-Instruct", 28, (3584, 512, 18944), 16)
_VL = _qwen("Qwen/Qwen2.5-VL-3B-Instruct", 36, (2048, 256, 11008), 16)

# The published settings, from arXiv 2506.16406's code. Each has a billion parameters or more.
PRESETS = {
    "qwen2.5-0.5b-commonsense": DnDConfig(
        _05B, 384, 128, 384, kernel=9, masked=False,
        stages=((128, 200, 300), (128, 100, 256), (256, 50, 200), (512, 50, 200), (1024, 25, 200),
                (1024, 10, 200), (2048, 10, 200)),
    ),
    "qwen2.5-1.5b-math": DnDConfig(
        _15B, 384, 32, 4608, kernel=11, masked=False, reduced=1000,
        stages=((64, 500, 300), (256, 500, 300), (512, 125, 300), (1024, 64, 256), (2048, 32, 256)),
    ),
    "qwen2.5-1.5b-code": DnDConfig(
        _15B, 384, 16, 26624, kernel=11, masked=False, reduced=1000,
        stages=((64, 500, 300), (256, 125, 300), (512, 64, 300), (1024, 64, 256), (2048, 32, 256)),
    ),
    "qwen2.5-7b-math": DnDConfig(
        _7B, 384, 16, 4608, kernel=11, masked=False, reduced=1000,
        stages=((64, 500, 384), (256, 125, 400), (512, 64, 400), (1024, 64, 400), (2048, 32, 400)),
    ),
    "qwen2.5-vl-3b": DnDConfig(
        _VL, 384, 16, 1536, kernel=11, masked=False,
        stages=((64, 500, 300), (256, 125, 300), (1024, 64, 300), (2048, 16, 256)),
    ),
}  # fmt: skip
