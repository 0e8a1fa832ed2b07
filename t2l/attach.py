"""How adapters act on a base model during one call: per batch row, through hooks, leaving nothing behind.
Knows Linear modules and LoRAWeights; not where either comes from."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from t2l.errors import T2LError
from t2l.lora import LoRASpec, LoRAWeights


def transformer_layers(model: nn.Module) -> nn.ModuleList:
    """The layers of a causal LM, at `model.layers`, or of a text encoder, at `encoder.layer`.

    Raises T2LError where they are elsewhere.
    """
    for outer, inner in (("model", "layers"), ("encoder", "layer")):
        layers = getattr(getattr(model, outer, None), inner, None)
        if isinstance(layers, nn.ModuleList):
            return layers
    raise T2LError(
        f"{type(model).__name__} keeps its layers elsewhere than in model.layers or encoder.layer, or is "
        "wrapped; pass the plain causal language model (Llama, Mistral, Qwen, Gemma, ...)."
    )


def target_modules(model: nn.Module, spec: LoRASpec) -> dict[str, list[nn.Linear]]:
    """The Linear of every target in every layer; raises T2LError naming what cannot carry a LoRA."""
    if hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None) is not None:
        raise T2LError("A compiled model cannot carry adapters per row; pass the model before torch.compile.")
    layers = transformer_layers(model)
    if len(layers) != spec.n_layers:
        raise T2LError(f"The adapter has {spec.n_layers} layers but the model has {len(layers)}.")
    found: dict[str, list[nn.Linear]] = {}
    for name, sizes in spec.targets.items():
        found[name] = []
        for index, layer in enumerate(layers):
            try:
                module = layer.get_submodule(name)
            except AttributeError:
                parent = name.rpartition(".")[0]
                fused = [n for n, _ in layer.named_modules() if n.startswith(f"{parent}.") and "_proj" in n]
                raise T2LError(
                    f"Layer {index} has no {name} (it has {', '.join(fused) or 'nothing like it'}); "
                    "fused projections cannot carry this adapter."
                ) from None
            if not isinstance(module, nn.Linear):
                raise T2LError(
                    f"{name} of layer {index} is a {type(module).__name__}, not a Linear; remove other "
                    "adapters (PEFT's unload) or choose other targets."
                )
            if (module.in_features, module.out_features) != tuple(sizes):
                raise T2LError(
                    f"{name} of layer {index} maps {module.in_features} to {module.out_features}, the "
                    f"adapter expects {sizes[0]} to {sizes[1]}; it was made for another base."
                )
            found[name].append(module)
    return found


def spec_for(
    model: nn.Module, base_model: str, targets: Sequence[str], rank: int = 8, alpha: float = 16
) -> LoRASpec:
    """The LoRASpec of a model's own modules, sizes read from its first layer, in the order given."""
    layers = transformer_layers(model)
    sizes = {}
    for name in targets:
        try:
            module = layers[0].get_submodule(name)
        except AttributeError:
            linears = [n for n, m in layers[0].named_modules() if isinstance(m, nn.Linear)]
            raise T2LError(f"{base_model} has no module {name!r}; it has {', '.join(linears)}.") from None
        if not isinstance(module, nn.Linear):
            raise T2LError(f"{name} of {base_model} is a {type(module).__name__}, not a Linear.")
        sizes[name] = (module.in_features, module.out_features)
    return LoRASpec(base_model, len(layers), sizes, rank, alpha)


@torch.no_grad()
def merge(model: nn.Module, weights: LoRAWeights) -> None:
    """Adds one adapter to the model's own weights, for good; raises T2LError where it does not fit."""
    for name, linears in target_modules(model, weights.spec).items():
        for layer, module in enumerate(linears):
            change = weights.spec.scaling * weights.B[name][layer] @ weights.A[name][layer]
            module.weight += change.to(module.weight)


class attached:
    """Within the block, batch row b of `model` runs through adapter rows[b] of the stack `weights`.

    rows: (b,) integers; None where row b uses adapter b, or where there is a single adapter for all.
    Every target adds scaling · (x Aᵀ) Bᵀ, computed in the module's own type, or in float32 on a CPU where
    no gradient is wanted. Each adapter slice is moved once to its module's device and that type, and gathered
    for a row only inside the layer that uses it. The same object may be entered again, step after step.
    Without gradients, rows at either end of the batch whose adapter changes nothing are left alone.
    dropout: of x on its way to the adapter, where gradients are wanted.
    Gradients flow into `weights`: call backward inside the block when gradient checkpointing (non-reentrant
    only) is on.
    Raises T2LError for a model or a batch that it cannot serve.
    """

    def __init__(
        self, model: nn.Module, weights: LoRAWeights, rows: Tensor | None = None, dropout: float = 0.0
    ) -> None:
        _refuse_reentrant_checkpointing(model)
        if weights.n is None and rows is not None:
            raise T2LError("rows choose from a stack; a single adapter serves every row.")
        if rows is not None and weights.n is not None:
            if rows.dim() != 1 or not len(rows) or int(rows.min()) < 0 or int(rows.max()) >= weights.n:
                raise T2LError(f"rows must be numbers from 0 to {weights.n - 1}, one for each batch row.")
            if torch.equal(rows.cpu(), torch.arange(weights.n)):
                rows = None
        self._model, scaling, acting = model, weights.spec.scaling, _acting(weights, rows)
        self._hooks = [
            (
                module,
                _hook(
                    name,
                    weights.A[name][..., layer, :, :],
                    weights.B[name][..., layer, :, :],
                    scaling,
                    rows,
                    dropout,
                    acting,
                ),
            )
            for name, linears in target_modules(model, weights.spec).items()
            for layer, module in enumerate(linears)
        ]
        self._handles: list[Any] = []

    def __enter__(self) -> None:
        if getattr(self._model, "_t2l_attached", False):
            raise T2LError("This model already runs with adapters; leave that block first.")
        self._model._t2l_attached = True  # type: ignore[assignment]
        self._handles = [module.register_forward_hook(hook) for module, hook in self._hooks]

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._model._t2l_attached = False  # type: ignore[assignment]


def _refuse_reentrant_checkpointing(model: nn.Module) -> None:
    for module in (model, transformer_layers(model)[0]):
        function = getattr(module, "_gradient_checkpointing_func", None)
        if isinstance(function, functools.partial) and function.keywords.get("use_reentrant", False):
            raise T2LError(
                "Reentrant gradient checkpointing loses the adapters' gradients; enable it with "
                'activation_checkpointing_enable({"use_reentrant": False}).'
            )


def _acting(weights: LoRAWeights, rows: Tensor | None) -> slice | None:
    """The batch rows from the first to the last whose adapter changes anything; None for all of them.

    None, too, where gradients flow into the weights: what is zero now is to learn.
    """
    if weights.n is None or any(t.requires_grad for t in (*weights.A.values(), *weights.B.values())):
        return None
    changes = changing(weights)
    changes = changes if rows is None else changes[rows.cpu()]
    acting = span(changes)
    return None if acting == slice(0, len(changes)) else acting


def changing(weights: LoRAWeights) -> Tensor:
    """Whether each adapter of a stack changes anything: (n,) of bool, on the CPU."""
    return torch.stack([b.flatten(1).any(1) for b in weights.B.values()]).any(0).cpu()


def span(changes: Tensor) -> slice:
    """The places from the first to the last of (n,) that are true; an empty slice where none is."""
    places = changes.nonzero().flatten().tolist()
    return slice(places[0], places[-1] + 1) if places else slice(0, 0)


def _hook(
    name: str, a: Tensor, b: Tensor, scaling: float, rows: Tensor | None, dropout: float, acting: slice | None
) -> Any:
    """The forward hook of one module; a (n, r, i), b (n, o, r), or one adapter without the first axis.

    acting: the batch rows that are served where no gradient is wanted; None for all.
    """
    place: tuple[torch.device, torch.dtype, bool] | None = None
    left = right = a
    served, chosen = acting, rows
    n = len(a) if rows is None else len(rows)

    def hook(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        nonlocal place, left, right, served, chosen
        x = args[0]
        learning = torch.is_grad_enabled()
        # oneDNN takes four times as long for a bfloat16 product of a few rows as for one in float32.
        kind = torch.float32 if x.device.type == "cpu" and not learning else x.dtype
        if place != (x.device, kind, learning):
            # Once for each module and block: move, cast, and fold the scaling into the small side.
            left, right = a.to(x.device, kind).mT, (b * scaling).to(x.device, kind).mT
            served, chosen = None if learning else acting, None if rows is None else rows.to(x.device)
            if served is not None and chosen is not None:
                chosen = chosen[served]
            elif served is not None:
                left, right = left[served], right[served]
            place = (x.device, kind, learning)
        if left.dim() == 3 and (x.dim() != 3 or len(x) != n):
            raise T2LError(f"{name} sees a batch of {len(x)} rows, but adapters were given for {n}.")
        x = (x if served is None else x[served]).to(kind)
        if dropout and learning:
            x = nn.functional.dropout(x, dropout)
        if left.dim() == 2:
            change = (x @ left) @ right
        elif chosen is None:
            change = torch.bmm(torch.bmm(x, left), right)
        else:
            change = torch.bmm(torch.bmm(x, left[chosen]), right[chosen])
        if learning:
            return output + change.to(output.dtype)
        (output if served is None else output[served]).add_(change)
        return output

    return hook


class FreeLoRA(nn.Module):
    """A hypernetwork with no input: a table of n adapters, trained as they are.

    Call with numbers (n',) of the adapters wanted; returns their stack. A starts uniform as in PEFT, B at
    zero, so that training begins at the base model.
    """

    def __init__(self, spec: LoRASpec, n: int, seed: int = 0) -> None:
        super().__init__()
        self.spec = spec
        generator = torch.Generator().manual_seed(seed)
        self.A = nn.ParameterList()
        self.B = nn.ParameterList()
        for i, o in spec.targets.values():
            bound = i**-0.5
            a = torch.empty(n, spec.n_layers, spec.rank, i).uniform_(-bound, bound, generator=generator)
            self.A.append(nn.Parameter(a))
            self.B.append(nn.Parameter(torch.zeros(n, spec.n_layers, o, spec.rank)))

    @torch.no_grad()
    def begin_at(self, weights: LoRAWeights) -> None:
        """Makes each adapter of the table this one, which has the table's sizes."""
        for name, a, b in zip(self.spec.targets, self.A, self.B, strict=True):
            a.copy_(weights.A[name])
            b.copy_(weights.B[name])

    def forward(self, condition: Tensor) -> LoRAWeights:
        A = {name: t[condition] for name, t in zip(self.spec.targets, self.A, strict=True)}
        B = {name: t[condition] for name, t in zip(self.spec.targets, self.B, strict=True)}
        return LoRAWeights(self.spec, A, B)
