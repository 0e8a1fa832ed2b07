"""Arrow: every token is routed to those LoRAs of a library whose strongest input direction it resembles.
Knows Linear modules and a stack of adapters; not where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from t2l.attach import target_modules
from t2l.errors import T2LError
from t2l.lora import LoRAWeights

TOP_K = 3


def prototypes(a: Tensor, b: Tensor) -> Tensor:
    """The first right singular vector of B·A for a (*n, r, i), b (*n, o, r): (*n, i), zero where B·A is.

    Through the QR of Aᵀ and matrices of r by r, so that none of o by i is made. Its sign has no meaning.
    """
    q, triangle = torch.linalg.qr(a.double().mT)
    values, vectors = torch.linalg.eigh(triangle @ (b.double().mT @ b.double()) @ triangle.mT)
    return ((q @ vectors[..., -1:]).squeeze(-1) * (values[..., -1:] > 0)).float()


def directions(library: LoRAWeights) -> dict[str, Tensor]:
    """The prototypes of every adapter of a library in every module, (n, L, i): made once, used for long."""
    return {name: prototypes(library.A[name], library.B[name]) for name in library.spec.targets}


@contextmanager
def routed(
    model: nn.Module,
    library: LoRAWeights,
    top_k: int = TOP_K,
    temperature: float = 1.0,
    known: Mapping[str, Tensor] | None = None,
) -> Iterator[None]:
    """Within the block every token of `model` runs through a mixture of the library's adapters.

    In each module a token x takes the `top_k` adapters with the largest |x · prototype|, mixed by the softmax
    of these numbers over `temperature`. Computed in float32; for inference alone. known: its `directions`.
    Source: Arrow (arXiv 2405.11157, section 4). Raises T2LError for a top_k that the library cannot serve.
    """
    if library.n is None or not 1 <= top_k <= library.n:
        raise T2LError(f"top_k must be from 1 to the {library.n or 1} adapters of the library, not {top_k}.")
    if getattr(model, "_t2l_attached", False):
        raise T2LError("This model already runs with adapters; leave that block first.")
    spec, known = library.spec, known or directions(library)
    hooks = [
        (
            module,
            _hook(
                library.A[name][:, layer],
                library.B[name][:, layer],
                known[name][:, layer],
                spec.scaling,
                top_k,
                temperature,
            ),
        )
        for name, linears in target_modules(model, spec).items()
        for layer, module in enumerate(linears)
    ]
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    model._t2l_attached = True  # type: ignore[assignment]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        model._t2l_attached = False  # type: ignore[assignment]


def _hook(a: Tensor, b: Tensor, towards: Tensor, scaling: float, top_k: int, temperature: float) -> Any:
    """The forward hook of one module; a (n, r, i), b (n, o, r), towards (n, i)."""
    n, rank = a.shape[:2]
    # All adapters as one of rank n·r: two products serve every token.
    left, right = a.flatten(0, 1).float().mT, (b * scaling).float().mT.flatten(0, 1)
    place = left.device

    def hook(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        nonlocal towards, left, right, place
        x = args[0].float()
        if place != x.device:
            towards, left, right, place = (*(t.to(x.device) for t in (towards, left, right)), x.device)
        top, chosen = (x @ towards.mT).abs().topk(top_k, dim=-1)
        shares = torch.zeros(*x.shape[:-1], n, device=x.device)
        shares.scatter_(-1, chosen, (top / temperature).softmax(-1))
        read = (x @ left).unflatten(-1, (n, rank)) * shares.unsqueeze(-1)
        return output + (read.flatten(-2) @ right).to(output.dtype)

    return hook
