"""A frozen base that multiplies in 8 bits while adapters of it learn: a CPU's integer units do several times
as many products. Knows Linear modules of layers; not what is trained on them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from t2l.attach import transformer_layers
from t2l.errors import T2LError
from t2l.packed import Frozen

# How much of a channel's range its weights take over from the inputs; 0.5 and 0.8 are further from float32.
_SMOOTHING = 0.65


def multiply_in_int8(model: nn.Module, look: Callable[[], object]) -> None:
    """Lets every frozen Linear of the layers of `model` multiply in 8 bits.

    Forward and backward pass each round their input to 8 bits with one scale a row, and the weights with one
    an output; what is loud in few input channels is moved into the weights first, as far as `look()` shows,
    a call that sends typical inputs through `model`. Gradients flow to the input alone. float32 on CPU.
    Raises T2LError for a CPU whose 8-bit products are not exact, and a model without such Linears.
    Source: arXiv 2211.10438 for the moving; the rest is common practice.
    """
    if not _exact():
        raise T2LError("This CPU's 8-bit products overflow (it has no VNNI instructions); leave int8.")
    linears = [m for m in transformer_layers(model).modules() if type(m) is nn.Linear]
    loudest: dict[nn.Module, Tensor] = {}

    def listen(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        top = inputs[0].detach().abs().flatten(0, -2).amax(0)
        loudest[module] = torch.maximum(loudest.get(module, top), top)

    hooks = [module.register_forward_pre_hook(listen) for module in linears]
    try:
        with torch.no_grad():
            look()
    finally:
        for hook in hooks:
            hook.remove()
    heard = [module for module in linears if module in loudest]
    if not heard:
        raise T2LError(
            f"{type(model).__name__} has no Linear in its layers to multiply in 8 bits; leave int8."
        )
    for module in heard:
        module.forward = _Int8(module, loudest[module])  # type: ignore[assignment]


class _Int8:
    """The forward of one module: x (..., i) float32 -> (..., o)."""

    def __init__(self, module: nn.Linear, loudest: Tensor) -> None:
        weight = module.weight.detach()
        quiet = weight.abs().amax(0).clamp_min(1e-5) ** (1 - _SMOOTHING)
        self.channels = quiet / loudest.clamp_min(1e-5) ** _SMOOTHING
        self.bias = None if module.bias is None else module.bias.detach()
        rows, scale = _rounded(weight / self.channels)
        self.ahead, self.scale_ahead = rows.t().contiguous(), scale.t().contiguous()
        # Backwards the sums run over outputs, so there the scales are those of the inputs.
        rows, scale = _rounded(weight.t())
        self.back, self.scale_back = rows.t().contiguous(), scale.t().contiguous()

    def __call__(self, input: Tensor) -> Tensor:
        return Frozen.apply(input, self)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        out = _multiply(x * self.channels, self.ahead, self.scale_ahead)
        return out if self.bias is None else out + self.bias

    def backward(self, gradient: Tensor) -> Tensor:
        return _multiply(gradient, self.back, self.scale_back)


def _multiply(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """x (..., i) float32, weight (i, o) int8, scale (1, o) -> (..., o) float32."""
    rows, size = _rounded(x.flatten(0, -2))
    return torch.ops.aten._int_mm(rows, weight).float().mul_(size).mul_(scale).view(*x.shape[:-1], -1)


def _exact() -> bool:
    """Whether products of the largest numbers add up: without VNNI, pairs of them overflow 16 bits."""
    x = torch.full((64, 256), 127, dtype=torch.int8)
    weight = torch.full((256, 64), 127, dtype=torch.int8)
    return bool((torch.ops.aten._int_mm(x, weight) == 256 * 127 * 127).all())


def _rounded(rows: Tensor) -> tuple[Tensor, Tensor]:
    """rows (n, d) -> int8 (n, d) and the scale of each row, (n, 1)."""
    scale = rows.abs().amax(-1, keepdim=True).clamp_min_(1e-20).div_(127)
    return (rows / scale).round_().to(torch.int8), scale
