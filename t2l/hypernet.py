"""Text-to-LoRA: one network from a condition vector to the LoRA weights of every layer and module.
Knows shapes alone: no base model, no text, no file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2l.errors import T2LError, check_whole
from t2l.lora import LoRASpec, LoRAWeights
from t2l.packed import pack_linears, pack_rows

VARIANTS = ("l", "m", "s", "rankwise")
# Numbers of an adapter between which several are made together: below, time is nothing, and made by itself an
# adapter has the bytes that it has alone; above, what lies between two products would leave the cache.
_TOGETHER, _AT_ONCE = range(2**18, 2**21), 16
_DROPOUT = 0.05
_READER_WIDTH = 192


@dataclass(frozen=True)
class T2LConfig:
    """Everything that `T2L` is built from; saved as JSON beside its weights.

    variant: which axes are asked one by one. "l": (layer, module), one answer holds all of A and B.
        "m": also the side A|B. "s": also the rank index. "rankwise": the rank index but not the side.
    share: "none", "layers" (one LoRA for each module type, used in every layer), "all" (one pair of
        the largest shape, sliced for every module).
    positions: how "s" and "rankwise" tell ranks apart, "learned" or "rotary".
    condition: what it reads of a text: "pooled", its embedding (n, c), as published; "tokens", the states of
        its tokens (n, t, c), whose mean and `queries` learned readings of them are read together.
    shift, scale: whether the output is shift + scale · raw with stored numbers: "none", "scalar" (scale
        only) or "element" (one for each element: LoRA initialisation, multi-task offset, z-scores).
    Raises T2LError for a combination that cannot work.
    Source: arXiv 2506.06105, section 3.3; sharing: our reading of its press.
    """

    spec: LoRASpec
    condition_size: int
    variant: str = "m"
    latent_size: int = 128
    head_size: int = 512
    share: str = "none"
    positions: str = "learned"
    head_bias: bool = True
    condition: str = "pooled"
    queries: int = 8
    shift: str = "none"
    scale: str = "none"

    def __post_init__(self) -> None:
        for name, choices in (
            ("variant", VARIANTS),
            ("share", ("none", "layers", "all")),
            ("positions", ("learned", "rotary")),
            ("condition", ("pooled", "tokens")),
            ("shift", ("none", "element")),
            ("scale", ("none", "scalar", "element")),
        ):
            if getattr(self, name) not in choices:
                raise T2LError(
                    f"{name}={getattr(self, name)!r} is unknown; choose one of {', '.join(choices)}."
                )
        for name, least in (("condition_size", 1), ("latent_size", 8), ("head_size", 1), ("queries", 1)):
            check_whole(getattr(self, name), name, least)
        if self.positions == "rotary" and self.variant in ("l", "m"):
            raise T2LError(
                f"positions='rotary' needs variant s or rankwise; {self.variant!r} has no rank query."
            )
        if self.positions == "rotary" and self.width % 2:
            raise T2LError(f"Rotary positions need an even trunk width, not {self.width}.")

    @property
    def width(self) -> int:
        """Size of the trunk: the condition's half and the two quarters of layer and module."""
        return self.latent_size // 2 + 2 * (self.latent_size // 4)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: the constructor's arguments."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**data, "spec": self.spec.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> T2LConfig:
        """Inverse of `to_json`; raises T2LError for missing, unknown or impossible entries."""
        unknown = set(data) - {f.name for f in fields(cls)}
        if unknown or "spec" not in data or "condition_size" not in data:
            raise T2LError(
                f"This network configuration cannot be read (unknown {sorted(unknown)}, or spec or "
                "condition_size missing); it was written by another version."
            )
        return cls(**{**data, "spec": LoRASpec.from_json(data["spec"])})


class _Block(nn.Module):
    """x + MLP(x); the second Linear is followed by SiLU too, as in the reference."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dropout(F.silu(self.up(self.norm(x))))
        return x + self.dropout(F.silu(self.down(y)))


class _Mixer(nn.Module):
    """Joins condition, layer and module: dropout, Linear, SiLU, dropout, Linear, SiLU, dropout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dropout(F.silu(self.up(self.dropout(x))))
        return self.dropout(F.silu(self.down(y)))


class _Neck(nn.Module):
    """From the trunk to what every head reads; not residual."""

    def __init__(self, width: int, head_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.out = nn.Linear(4 * width, head_size)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(F.silu(self.up(self.norm(x))))
        return F.silu(self.out(x.to(self.out.weight.dtype)))


class _Reader(nn.Module):
    """Token states (n, t, c) -> (n, out): learned queries attend to the tokens; padding is a row of zeros."""

    def __init__(self, condition_size: int, out: int, queries: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(condition_size)
        self.project = nn.Linear(condition_size, _READER_WIDTH)
        self.query = nn.Parameter(torch.randn(queries, _READER_WIDTH) / 2)
        self.token_norm = nn.LayerNorm(_READER_WIDTH)
        self.attention = nn.MultiheadAttention(_READER_WIDTH, 4, dropout=_DROPOUT, batch_first=True)
        self.out = nn.Linear(queries * _READER_WIDTH, out)
        # Training begins with what the mean says alone.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        padding = ~tokens.any(-1)
        x = self.token_norm(self.project(self.norm(tokens)))
        query = self.query.expand(len(tokens), -1, -1)
        read, _ = self.attention(query, x, x, key_padding_mask=padding, need_weights=False)
        return self.out(read.flatten(1))


class _Query(nn.Module):
    """A learned vector for each of n things, normalised."""

    def __init__(self, n: int, size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n, size)
        self.norm = nn.LayerNorm(size)

    def forward(self) -> Tensor:
        return self.norm(self.embedding.weight)


@dataclass
class _Slot:
    """What one head serves: usually one target; with share="all" every target, at the largest shape."""

    i: int
    o: int
    targets: dict[str, tuple[int, int]] = field(default_factory=dict)


class T2L(nn.Module):
    """Maps condition (n, c) to a stack of n adapters.

    The module order is that of `config.spec.targets`; row m of the module queries and head m belong to
    it. Parameters are float32. Source: arXiv 2506.06105, sections 3.2 and 3.3, appendix.
    """

    def __init__(self, config: T2LConfig) -> None:
        super().__init__()
        self.config = config
        spec, width, quarter = config.spec, config.width, config.latent_size // 4
        if config.share == "all":
            i = max(i for i, _ in spec.targets.values())
            o = max(o for _, o in spec.targets.values())
            self._slots = [_Slot(i, o, dict(spec.targets))]
        else:
            self._slots = [_Slot(i, o, {name: (i, o)}) for name, (i, o) in spec.targets.items()]
        self._depth = spec.n_layers if config.share == "none" else 1
        self._sides = config.variant in ("m", "s")
        self._ranks = config.variant in ("s", "rankwise")

        half = config.latent_size // 2
        self.condition = nn.Sequential(nn.Linear(config.condition_size, half), nn.LayerNorm(half))
        if config.condition == "tokens":
            self.reader = _Reader(config.condition_size, half, config.queries)
        self.layer = _Query(self._depth, quarter)
        self.module = _Query(len(self._slots), quarter)
        self.mixer = _Mixer(width)
        self.block1 = _Block(width)
        self.block2 = _Block(width)
        self.neck = _Neck(width, config.head_size)
        if self._sides:
            self.side = nn.Parameter(torch.randn(len(self._slots), 2, width))
            self.side_norm = nn.LayerNorm(width)
        if self._ranks and config.positions == "learned":
            self.rank = _Query(spec.rank, width)
        self.heads = nn.ModuleList(
            nn.Linear(config.head_size, self._rows(slot), bias=config.head_bias) for slot in self._slots
        )
        # What `freeze` packs beside whole heads: (module, side) -> the product with the rows of that side.
        self._packed: dict[tuple[int, int | None], Callable[[Tensor], Tensor]] = {}
        # Buffers, not parameters: unless `free_shift` is called nothing trains them, yet they are saved.
        self.shift = _Numbers(spec, config.shift)
        self.scale = _Numbers(spec, config.scale)

    def _rows(self, slot: _Slot) -> int:
        """Output size of a head: what one query of this variant answers."""
        size = max(slot.i, slot.o) if self._sides else slot.i + slot.o
        return size if self._ranks else self.config.spec.rank * size

    def forward(self, condition: Tensor) -> LoRAWeights:
        """condition (n, c), or (n, t, c) of tokens with zeros as padding -> stack of n adapters.

        Without gradients, on a CPU, one thread makes them, since threads that wait for each other make a busy
        machine ten times slower: adapters of middling size some at a time, others each by itself.
        Raises T2LError for another shape.
        """
        if condition.device.type != "cpu" or torch.is_grad_enabled():
            return self._adapters(self._answer(condition))
        with _one_thread():
            at_once = _AT_ONCE if self.config.spec.n_parameters in _TOGETHER else 1
            return self._adapters(self._in_turn(condition, at_once))

    def _adapters(self, raw: list[tuple[Tensor, Tensor]]) -> LoRAWeights:
        """The stack from A and B of every slot."""
        A: dict[str, Tensor] = {}
        B: dict[str, Tensor] = {}
        layers = self.config.spec.n_layers
        for slot, (a, b) in zip(self._slots, raw, strict=True):
            for name, (i, o) in slot.targets.items():
                # (n, layer, rank, size) -> PEFT's orientation; a shared layer is a view, not a copy.
                A[name] = self._finish(name, "A", a[..., :i].expand(-1, layers, -1, -1))
                B[name] = self._finish(name, "B", b[..., :o].expand(-1, layers, -1, -1).mT)
        return LoRAWeights(self.config.spec, A, B)

    def _answer(self, condition: Tensor) -> list[tuple[Tensor, Tensor]]:
        """A and B of every slot, both (n, layer, rank, size), of n conditions.

        One module after the other, one side after the other, as the reference does: its numbers come out to
        the last bit, and all that one head reads is at hand when it is needed.
        """
        n, depth = len(condition), self._depth
        task = self._read_condition(condition).unsqueeze(1).expand(-1, depth, -1)
        layer = self.layer().expand(n, -1, -1)
        sides = self.side_norm(self.side) if self._sides else None
        rank = self._positions()
        raw = []
        for m, (slot, kind) in enumerate(zip(self._slots, self.module(), strict=True)):
            x = self.block1(self.mixer(torch.cat([task, layer, kind.expand(n, depth, -1)], dim=-1)))
            if sides is None:
                a, b = self._read(m, self._query(x, rank)).split(self._sizes(slot), dim=-1)
            else:
                # One head for both sides; the rows beyond a side's own size are not computed.
                a, b = (self._read(m, self._query(x + sides[m, s], rank), s) for s in (0, 1))
            if not self._ranks:
                a, b = (side.unflatten(-1, (self.config.spec.rank, -1)) for side in (a, b))
            raw.append((a.float(), b.float()))
        return raw

    def _in_turn(self, condition: Tensor, at_once: int) -> list[tuple[Tensor, Tensor]]:
        """As `_answer`, so many conditions at a time; the memory of one answer serves the next."""
        if len(condition) <= at_once:
            return self._answer(condition)
        raw: list[tuple[Tensor, Tensor]] = []
        for start in range(0, len(condition), at_once):
            for m, sides in enumerate(self._answer(condition[start : start + at_once])):
                if not start:
                    a, b = (side.new_empty(len(condition), *side.shape[1:]) for side in sides)
                    raw.append((a, b))
                for all, some in zip(raw[m], sides, strict=True):
                    all[start : start + at_once] = some
        return raw

    def _positions(self) -> Tensor | None:
        """Learned positions (rank, width), where there are any: with sides after a block of their own."""
        if not self._ranks or self.config.positions == "rotary":
            return None
        return self.block2(self.rank()) if self._sides else self.rank()

    def _query(self, x: Tensor, rank: Tensor | None) -> Tensor:
        """From the trunk (n, layer, width) to what a head reads: (n, layer[, rank], head_size)."""
        if not self._ranks:
            return self.neck(self.block2(x))
        # The reference sends the sum of trunk and position through the block; with sides the trunk goes
        # through once before as well, and the sum no more.
        x = (self.block2(x) if self._sides else x).unsqueeze(-2)
        if rank is None:
            return self.neck(self.block2(_rotate(x.expand(*x.shape[:-2], self.config.spec.rank, -1))))
        return self.neck(x + rank if self._sides else self.block2(x + rank))

    def _sizes(self, slot: _Slot) -> tuple[int, int]:
        """How many numbers of one answer are A's, and how many B's."""
        groups = 1 if self._ranks else self.config.spec.rank
        return groups * slot.i, groups * slot.o

    def _read(self, m: int, h: Tensor, side: int | None = None) -> Tensor:
        """What head m answers to h (..., head_size): all of it, or what one side of its slot uses."""
        head = self.heads[m]
        assert isinstance(head, nn.Linear)
        h = h.to(head.weight.dtype)
        take = self._taken(m, side)
        if take is None:
            return head(h)
        if (m, side) in self._packed:
            return self._packed[m, side](h)
        return F.linear(h, take(head.weight), None if head.bias is None else take(head.bias))

    def _taken(self, m: int, side: int | None) -> Callable[[Tensor], Tensor] | None:
        """Chooses the rows of a shared head that one side uses; None where it uses them all."""
        i, o = self._slots[m].i, self._slots[m].o
        groups, size = 1 if self._ranks else self.config.spec.rank, o if side else i
        if side is None or size == max(i, o):
            return None
        return lambda rows: rows.unflatten(0, (groups, -1))[:, :size].flatten(0, 1)

    def freeze(self, heads: torch.dtype = torch.float32) -> T2L:
        """Prepares for making adapters and nothing else: no gradients, packed products; returns itself.

        heads: the type of the heads, nearly all of the network's numbers. bfloat16 takes half their memory,
        and little more than half their time where the processor multiplies it; the adapters stay float32 and
        change by some 0.3 to 0.4 % of their size.
        """
        self.requires_grad_(False).eval()
        self.heads.to(heads)
        if self._ranks:
            # Asked for every rank, it takes a third of the time of its heads.
            self.neck.out.to(heads)
        pack_linears(self)
        for m, head in enumerate(self.heads):
            for side in (0, 1) if self._sides else ():
                take = self._taken(m, side)
                if take and isinstance(head, nn.Linear) and (packed := pack_rows(head, take)):
                    self._packed[m, side] = packed
        return self

    def _read_condition(self, condition: Tensor) -> Tensor:
        """What the trunk knows of the task: (n, half of the latent size)."""
        size, tokens = self.config.condition_size, self.config.condition == "tokens"
        if condition.dim() != 2 + tokens or condition.shape[-1] != size:
            wanted = f"(n, t, {size})" if tokens else f"(n, {size})"
            raise T2LError(f"The condition has shape {tuple(condition.shape)}, expected {wanted}.")
        if not tokens:
            return self.condition(condition)
        project, norm = self.condition
        mean = F.normalize(condition.sum(1), dim=-1) * size**0.5
        return norm(project(mean) + self.reader(condition))

    def _finish(self, name: str, side: str, raw: Tensor) -> Tensor:
        """shift + scale · raw, with what of both is stored."""
        scale = self.scale.tensor(name, side) if self.config.scale != "none" else None
        shift = self.shift.tensor(name, side) if self.config.shift != "none" else None
        if not raw.requires_grad and self.config.share == "none":
            # In place: for a stack of many adapters fresh memory costs more than the arithmetic.
            raw = raw if scale is None else raw.mul_(scale)
            return raw if shift is None else raw.add_(shift)
        raw = raw if scale is None else raw * scale
        return raw if shift is None else raw + shift

    @torch.no_grad()
    def initialise(self, how: str, seed: int = 0) -> T2L:
        """Sets the heads for training; the trunk keeps torch's own initialisation. Returns itself.

        how: "zero": heads are zero and `shift` holds a LoRA initialisation (A uniform, B zero), so that
            every ΔW starts at zero; needs shift="element". With scale="scalar" the raw output is multiplied
            by 10 / head_size: a step of Adam moves an output by the learning rate times the sum of |h|, some
            fifth of head_size, and this brings it to about two learning rates at every size.
            "reference": head weights are zero and the head biases hold the LoRA initialisation of the
            published SFT recipe: ΔW starts at zero for l, at a small random change for the others.
            "default": torch's own (reconstruction).
        Raises T2LError where the configuration has no place for it.
        """
        config, generator = self.config, torch.Generator().manual_seed(seed)
        if how == "default":
            return self
        if how not in ("zero", "reference"):
            raise T2LError(f"init={how!r} is unknown; choose zero, reference or default.")
        heads = [head for head in self.heads if isinstance(head, nn.Linear)]
        for head in heads:
            nn.init.zeros_(head.weight)
            if config.head_bias:
                nn.init.zeros_(head.bias)
        if how == "zero":
            if config.shift != "element":
                raise T2LError('init="zero" needs shift="element": with A and B both zero nothing can learn.')
            if config.scale == "scalar":
                self.scale.get_buffer("value").fill_(10 / config.head_size)
            for name, (i, _) in config.spec.targets.items():
                a = self.shift.tensor(name, "A")
                a.uniform_(-1 / math.sqrt(i), 1 / math.sqrt(i), generator=generator)
            return self
        if not config.head_bias:
            raise T2LError('init="reference" needs head_bias=True: the initial LoRA lives there.')
        rank = config.spec.rank
        for slot, head in zip(self._slots, heads, strict=True):
            # PEFT's A: kaiming-uniform with a=sqrt(5), which is uniform within 1/sqrt(in).
            bound = 1 / math.sqrt(slot.i)
            a = torch.empty(rank * slot.i).uniform_(-bound, bound, generator=generator)
            if self._ranks:
                a = a / math.sqrt(rank)
            if self._sides:
                a = a / math.sqrt(2)
            if self._sides and not self._ranks:
                # Rows are as long as the longer side: where that is B's (out > in), A's end in zeros.
                head.bias.view(rank, -1)[:, : slot.i] = a.view(rank, slot.i)
            else:
                head.bias[: len(a)] = a[: len(head.bias)]
        return self

    @torch.no_grad()
    def begin_at(self, offset: LoRAWeights) -> T2L:
        """Stores an adapter as what is added to the output, in place of a LoRA start; returns itself.

        Raises T2LError where it has another form, or where the configuration has no place for it.
        """
        self.config.spec.require(offset.spec)
        if self.config.shift != "element":
            raise T2LError('An adapter to begin at needs shift="element".')
        for name in offset.spec.targets:
            self.shift.tensor(name, "A").copy_(offset.A[name])
            self.shift.tensor(name, "B").copy_(offset.B[name])
        return self

    def free_shift(self) -> T2L:
        """Lets training move what is added to the output too, one adapter for all tasks; returns itself.

        What is saved keeps its form. Raises T2LError where the configuration has no place for it.
        Source: the reference's learnable_AB_offset.
        """
        if self.config.shift != "element":
            raise T2LError('An offset that learns needs shift="element".')
        self.shift.learn()
        return self


class _Numbers(nn.Module):
    """Stored numbers that are applied to the output: nothing, one scalar, or one for each element."""

    def __init__(self, spec: LoRASpec, kind: str) -> None:
        super().__init__()
        self.kind = kind
        if kind == "scalar":
            self.register_buffer("value", torch.ones(()))
        if kind == "element":
            for m, (i, o) in enumerate(spec.targets.values()):
                self.register_buffer(f"A{m}", torch.zeros(spec.n_layers, spec.rank, i))
                self.register_buffer(f"B{m}", torch.zeros(spec.n_layers, o, spec.rank))
        self._index = {name: m for m, name in enumerate(spec.targets)}

    def tensor(self, name: str, side: str) -> Tensor:
        return getattr(self, "value" if self.kind == "scalar" else f"{side}{self._index[name]}")

    def learn(self) -> None:
        for name, numbers in list(self.named_buffers()):
            delattr(self, name)
            self.register_parameter(name, nn.Parameter(numbers))


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    if before > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before > 1:
            torch.set_num_threads(before)


def _rotate(x: Tensor) -> Tensor:
    """Rotary positions 0..r-1 on axis -2 of x (..., r, w): Llama's half-split form, base 10000."""
    half = x.shape[-1] // 2
    inverse = 10000.0 ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angle = torch.outer(torch.arange(x.shape[-2], device=x.device, dtype=torch.float32), inverse)
    cos, sin = angle.cos().repeat(1, 2).to(x.dtype), angle.sin().repeat(1, 2).to(x.dtype)
    turned = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
    return x * cos + turned * sin
