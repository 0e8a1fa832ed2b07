"""LoRA adapters as values: their shapes, their arithmetic, their names in PEFT files.
Knows no base model, no network and no file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from t2l.errors import T2LError, check_whole

# A target module's name, as files of adapters may have it.
MODULE = "[A-Za-z0-9_.]{1,200}"
_LARGEST = torch.finfo(torch.float32).max
_PEFT_KEY = "base_model.model.model.layers.{layer}.{target}.lora_{side}.weight"


def is_base_name(value: object) -> bool:
    """Whether this can name a base, by Hub id or folder: one printable line of at most 300 characters."""
    return isinstance(value, str) and 0 < len(value.strip()) and len(value) <= 300 and value.isprintable()


@dataclass(frozen=True)
class LoRASpec:
    """The shapes and the scaling of one adapter.

    `targets` maps a module's path inside its decoder layer, such as "self_attn.q_proj", to the
    (in, out) features of that Linear; its order is the module order of a hypernetwork.
    Raises T2LError for sizes that no adapter can have.
    """

    base_model: str
    n_layers: int
    targets: Mapping[str, tuple[int, int]]
    rank: int
    alpha: float
    use_rslora: bool = False

    def __post_init__(self) -> None:
        for name, size in (("n_layers", self.n_layers), ("rank", self.rank)):
            check_whole(size, name)
        if not isinstance(self.alpha, int | float) or not 0 < self.alpha <= _LARGEST:
            raise T2LError(f"alpha must be a number above 0, not {self.alpha!r}.")
        if not isinstance(self.use_rslora, bool):
            raise T2LError(f"use_rslora must be true or false, not {self.use_rslora!r}.")
        if not is_base_name(self.base_model):
            told = str(self.base_model)[:80]
            raise T2LError(f"base_model must be a name of at most 300 characters, not {told!r}.")
        if not self.targets:
            raise T2LError("A LoRASpec needs at least one target module, for example self_attn.q_proj.")
        for name, (i, o) in self.targets.items():
            if not isinstance(name, str) or not re.fullmatch(MODULE, name):
                raise T2LError(
                    f"Target {str(name)[:80]!r} is no name of a module; give one like self_attn.q_proj."
                )
            check_whole(i, f"in of {name}")
            check_whole(o, f"out of {name}")
        object.__setattr__(self, "targets", {name: (i, o) for name, (i, o) in self.targets.items()})

    @property
    def scaling(self) -> float:
        """What multiplies B·A: alpha/r, or alpha/sqrt(r) with rank-stabilised scaling."""
        return self.alpha / (math.sqrt(self.rank) if self.use_rslora else self.rank)

    @property
    def n_parameters(self) -> int:
        """Numbers in one adapter."""
        return self.n_layers * self.rank * sum(i + o for i, o in self.targets.values())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; targets as a list, so that no JSON tool can lose their order."""
        return {
            "base_model": self.base_model,
            "n_layers": self.n_layers,
            "targets": [[name, i, o] for name, (i, o) in self.targets.items()],
            "rank": self.rank,
            "alpha": self.alpha,
            "use_rslora": self.use_rslora,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LoRASpec:
        """Inverse of `to_json`; raises T2LError for missing, unknown or impossible entries."""
        try:
            fields = dict(data)
            fields["targets"] = {name: (i, o) for name, i, o in fields["targets"]}
            return cls(**fields)
        except T2LError:
            raise
        except (KeyError, TypeError, ValueError, ArithmeticError) as err:
            raise T2LError(f"This LoRA specification cannot be read ({err}); save it again.") from err

    def zeros(self, n: int | None = None) -> LoRAWeights:
        """The adapter that changes nothing, or a stack of n of them."""
        stack = () if n is None else (n,)
        shape = (*stack, self.n_layers, self.rank)
        A = {name: torch.zeros(*shape, i) for name, (i, _) in self.targets.items()}
        B = {name: torch.zeros(*stack, self.n_layers, o, self.rank) for name, (_, o) in self.targets.items()}
        return LoRAWeights(self, A, B)

    def require(self, other: LoRASpec) -> None:
        """Raises T2LError naming the first difference that keeps two adapters from standing together."""
        if other.base_model != self.base_model:
            raise T2LError(
                f"This adapter is for {other.base_model} but the loaded base is {self.base_model}; "
                "choose that base or describe the task again."
            )
        sizes = (("n_layers", "layers"), ("rank", "rank"), ("scaling", "scaling (from alpha and rank)"))
        for name, words in sizes:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise T2LError(
                    f"This adapter has {words} {theirs}, but {mine} is expected: adapters of two cannot "
                    "stand in one stack; choose others or describe the task again."
                )
        if dict(other.targets) != dict(self.targets):
            raise T2LError(
                f"This adapter changes {_targets(other)}, but {_targets(self)} is expected; "
                "generate it again with this checkpoint."
            )


def _targets(spec: LoRASpec) -> str:
    return ", ".join(f"{name} ({i} to {o})" for name, (i, o) in spec.targets.items())


@dataclass(frozen=True, eq=False)
class LoRAWeights:
    """One adapter, or a stack of n: A[target] (*n, L, r, i) and B[target] (*n, L, o, r).

    PEFT's orientation and raw scale: the change of a weight is `spec.scaling * B @ A`.
    Raises T2LError where names or shapes differ from the spec.
    """

    spec: LoRASpec
    A: Mapping[str, Tensor]
    B: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        spec = self.spec
        if set(self.A) != set(spec.targets) or set(self.B) != set(spec.targets):
            raise T2LError(
                f"These weights hold {sorted({*self.A, *self.B})}, but the specification names "
                f"{sorted(spec.targets)}."
            )
        first = next(iter(self.A.values()))
        stack = first.shape[:-3]
        if len(stack) > 1:
            raise T2LError(f"A stack of adapters has one leading axis, not {len(stack)}.")
        for name, (i, o) in spec.targets.items():
            for side, tensor, want in (
                ("A", self.A[name], (*stack, spec.n_layers, spec.rank, i)),
                ("B", self.B[name], (*stack, spec.n_layers, o, spec.rank)),
            ):
                if tuple(tensor.shape) != want:
                    raise T2LError(f"{side} of {name} has shape {tuple(tensor.shape)}, expected {want}.")

    @property
    def n(self) -> int | None:
        """Adapters in the stack, or None for a single adapter."""
        first = next(iter(self.A.values()))
        return first.shape[0] if first.dim() == 4 else None

    def map(self, fn: Callable[[Tensor], Tensor]) -> LoRAWeights:
        """The same adapter with `fn` applied to every tensor."""
        return LoRAWeights(
            self.spec, {k: fn(v) for k, v in self.A.items()}, {k: fn(v) for k, v in self.B.items()}
        )

    def __getitem__(self, index: int | slice | Tensor) -> LoRAWeights:
        """Adapter `index` of a stack, or a smaller stack."""
        if self.n is None:
            raise T2LError("A single adapter cannot be indexed; only a stack can.")
        return self.map(lambda t: t[index])

    def scale(self, strength: float | Sequence[float]) -> LoRAWeights:
        """The adapter at another strength, or a stack at one each: ΔW is multiplied; 0 is the base exactly.

        Negative strengths turn the change around. Raises T2LError for what is no finite number.
        """
        one_each = isinstance(strength, Sequence)
        values = list(strength) if one_each else [strength]
        for value in values:
            # Not even NaN is below the largest float32.
            if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
                raise T2LError(f"Strength must be a finite number, not {value!r}.")
        if one_each and len(values) != self.n:
            raise T2LError(f"{len(values)} strengths were given for a stack of {self.n} adapters.")
        factor = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1) if one_each else values[0]
        return LoRAWeights(self.spec, dict(self.A), {k: v * factor for k, v in self.B.items()})

    def check_finite(self) -> LoRAWeights:
        """Returns itself; raises T2LError naming the first tensor that holds NaN or infinity."""
        for side, tensors in (("A", self.A), ("B", self.B)):
            for name, tensor in tensors.items():
                # A sum reads once and writes nothing; only where it is not finite every number is looked at.
                if not torch.isfinite(tensor.sum()) and not torch.isfinite(tensor).all():
                    raise T2LError(f"{side} of {name} holds NaN or infinity; this adapter cannot be used.")
        return self

    def delta_norms(self) -> dict[str, Tensor]:
        """Frobenius norm of scaling·B·A for every target, (*n, L), without building the full matrices."""
        out = {}
        for name in self.spec.targets:
            a, b = self.A[name].double(), self.B[name].double()
            # ‖BA‖² = tr(BᵀB · AAᵀ): two matrices of r by r instead of one of o by i.
            squared = ((b.mT @ b) * (a @ a.mT)).sum((-2, -1))
            out[name] = self.spec.scaling * squared.clamp_min(0).sqrt()
        return out

    def to_peft(self) -> dict[str, Tensor]:
        """The state dict that PEFT writes: lora_A [r, in] and lora_B [out, r] for every layer and target."""
        if self.n is not None:
            raise T2LError("Only a single adapter has a PEFT state dict; take one from the stack first.")
        return {
            _PEFT_KEY.format(layer=layer, target=name, side=side): tensors[name][layer].contiguous()
            for layer in range(self.spec.n_layers)
            for name in self.spec.targets
            for side, tensors in (("A", self.A), ("B", self.B))
        }

    @classmethod
    def from_peft(cls, spec: LoRASpec, state: Mapping[str, Tensor]) -> LoRAWeights:
        """Inverse of `to_peft`; raises T2LError for a missing, unknown or misshapen tensor."""
        left = dict(state)
        sides: dict[str, dict[str, Tensor]] = {"A": {}, "B": {}}
        for name, (i, o) in spec.targets.items():
            for side, shape in (("A", (spec.rank, i)), ("B", (o, spec.rank))):
                layers = []
                for layer in range(spec.n_layers):
                    key = _PEFT_KEY.format(layer=layer, target=name, side=side)
                    if key not in left:
                        raise T2LError(f"The adapter lacks {key}; it is incomplete or for another base.")
                    tensor = left.pop(key)
                    if tuple(tensor.shape) != shape:
                        raise T2LError(f"{key} has shape {tuple(tensor.shape)}, expected {shape}.")
                    layers.append(tensor)
                sides[side][name] = torch.stack(layers)
        if left:
            raise T2LError(f"The adapter holds {len(left)} tensors that it should not, first {min(left)}.")
        return cls(spec, sides["A"], sides["B"])


def stack(adapters: Iterable[LoRAWeights]) -> LoRAWeights:
    """Single adapters of one spec as a stack of n, in their order."""
    items = list(adapters)
    if not items:
        raise T2LError("A stack needs at least one adapter.")
    spec = items[0].spec
    for item in items[1:]:
        spec.require(item.spec)
    return LoRAWeights(
        spec,
        {name: torch.stack([w.A[name] for w in items]) for name in spec.targets},
        {name: torch.stack([w.B[name] for w in items]) for name in spec.targets},
    )


def _weighed(adapters: LoRAWeights, weights: Iterable[float]) -> list[float]:
    values = [float(w) for w in weights]
    if adapters.n != len(values):
        raise T2LError(f"{len(values)} weights were given for a stack of {adapters.n} adapters.")
    return values


def mix(adapters: LoRAWeights, weights: Iterable[float]) -> LoRAWeights:
    """Weighted sum of A and of B over a stack, at the same rank.

    This is a point between the adapters, not the sum of their changes: `concat` gives that exactly.
    """
    values = torch.tensor(_weighed(adapters, weights))
    return adapters.map(lambda t: torch.tensordot(values.to(t), t, dims=1))


def concat(adapters: LoRAWeights, weights: Iterable[float]) -> LoRAWeights:
    """The adapter whose ΔW is exactly the weighted sum of the stack's; its rank is the sum of theirs."""
    values = torch.tensor(_weighed(adapters, weights))
    spec = adapters.spec
    # rank n·r at the same scaling: alpha grows with the rank, or with its root under rslora.
    rank = spec.rank * len(values)
    alpha = spec.scaling * (math.sqrt(rank) if spec.use_rslora else rank)
    summed = LoRASpec(spec.base_model, spec.n_layers, spec.targets, rank, alpha, spec.use_rslora)
    A = {k: v.movedim(0, 1).flatten(1, 2) for k, v in adapters.A.items()}
    B = {k: (v * values.to(v).view(-1, 1, 1, 1)).movedim(0, 2).flatten(2, 3) for k, v in adapters.B.items()}
    return LoRAWeights(summed, A, B)


def align(adapters: Iterable[LoRAWeights]) -> list[LoRAWeights]:
    """The same adapters under one specification, so that they stand in one stack; no ΔW changes.

    Adapters of one specification come back as they are. Else: every module that one of them changes, the
    largest rank, missing numbers zero. Raises T2LError for other bases, layers or sizes of a module.
    """
    items = list(adapters)
    if not items or all(_alike(items[0].spec, item.spec) for item in items):
        return items
    first = items[0].spec
    targets: dict[str, tuple[int, int]] = {}
    for item in items:
        for name, sizes in item.spec.targets.items():
            targets.setdefault(name, sizes)
        # `require` names what cannot be helped: bases, layers, sizes. Rank and scaling can.
        same = {name: targets[name] for name in item.spec.targets}
        replace(item.spec, base_model=first.base_model, n_layers=first.n_layers, targets=same).require(
            item.spec
        )
    rank = max(item.spec.rank for item in items)
    scalings = {item.spec.scaling for item in items}
    # Where they scale alike, B keeps its very bits.
    scaling = scalings.pop() if len(scalings) == 1 else 1.0
    spec = LoRASpec(first.base_model, first.n_layers, targets, rank, scaling * rank)
    return [_widened(item, spec, item.spec.scaling / scaling) for item in items]


def _alike(one: LoRASpec, other: LoRASpec) -> bool:
    try:
        one.require(other)
    except T2LError:
        return False
    return True


def _widened(adapter: LoRAWeights, spec: LoRASpec, factor: float) -> LoRAWeights:
    """An adapter with zeros where `spec` has more modules or a higher rank; B times `factor`."""
    empty, more = spec.zeros(adapter.n), spec.rank - adapter.spec.rank
    A, B = dict(empty.A), dict(empty.B)
    for name in adapter.spec.targets:
        A[name] = torch.nn.functional.pad(adapter.A[name].float(), (0, 0, 0, more))
        B[name] = torch.nn.functional.pad(adapter.B[name].float() * factor, (0, more))
    return LoRAWeights(spec, A, B)
