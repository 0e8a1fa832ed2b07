"""Packed Linears: the same numbers and gradients, and the weight itself wherever it has changed."""

from __future__ import annotations

import psutil
import pytest
import torch
from torch import nn

import t2l.packed
from t2l.packed import _available, _Packed, pack_linears, pack_rows


def layers(dtype: torch.dtype = torch.float32) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(240, 400), nn.SiLU(), nn.Linear(400, 88, bias=False))
    return model.to(dtype).requires_grad_(False)


@pytest.mark.parametrize("rows", [1, 2, 7, 300])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_outputs_are_those_of_the_plain_module(rows: int, dtype: torch.dtype, tolerance: float) -> None:
    plain, packed = layers(dtype), layers(dtype)
    # A CPU without AVX-512 has no such kernels for bfloat16.
    served = _available(dtype)
    assert served or dtype is torch.bfloat16
    assert pack_linears(packed) == 2 * served
    assert all(isinstance(packed[index].forward, _Packed) is served for index in (0, 2))
    x = torch.randn(rows, 3, 240).to(dtype)
    torch.testing.assert_close(packed(x), plain(x), atol=tolerance, rtol=tolerance)
    # Not contiguous, as attention's output may be.
    x = x.transpose(0, 1)
    torch.testing.assert_close(packed(x), plain(x), atol=tolerance, rtol=tolerance)
    assert packed(x[:0]).shape == (0, rows, 88)


def test_gradients_of_the_input_are_those_of_the_plain_module() -> None:
    plain, packed = layers(), layers()
    pack_linears(packed)
    x = torch.randn(2, 5, 240)
    first, second = x.clone().requires_grad_(), x.clone().requires_grad_()
    plain(first).pow(2).sum().backward()
    packed(second).pow(2).sum().backward()
    torch.testing.assert_close(second.grad, first.grad, atol=1e-5, rtol=1e-5)


def test_a_weight_that_changes_is_used_as_it_is_now() -> None:
    model, x = layers(), torch.randn(4, 240)
    pack_linears(model)
    before = model(x)
    with torch.no_grad():
        model[0].weight.mul_(2)
    assert not torch.allclose(model(x), before)
    model[2].weight = nn.Parameter(torch.zeros(88, 400))
    assert not model(x).any()
    model.to(torch.bfloat16)
    assert model(x.to(torch.bfloat16)).dtype == torch.bfloat16


def test_what_learns_or_does_not_fit_into_memory_stays_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pack_linears(layers().requires_grad_(True)) == 0
    scarce = psutil.virtual_memory()._replace(available=2**20)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: scarce)
    model = layers()
    assert pack_linears(model) == 0
    assert not isinstance(model[0].forward, _Packed)


def test_a_cpu_without_kernels_for_a_type_multiplies_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    def reorder(weight: torch.Tensor, packing=t2l.packed._reorder) -> torch.Tensor:
        if weight.dtype is torch.bfloat16:
            raise RuntimeError("mkldnn_reorder_linear_weight: bf16 path needs the cpu support avx512bw")
        return packing(weight)

    monkeypatch.setattr(t2l.packed, "_reorder", reorder)
    model, x = layers(torch.bfloat16), torch.randn(3, 240, dtype=torch.bfloat16)
    assert pack_linears(model) == 0 and pack_rows(model[0], lambda rows: rows[:90]) is None
    assert torch.equal(model(x), layers(torch.bfloat16)(x))
    assert pack_linears(layers()) == 2


def test_packing_twice_is_packing_once() -> None:
    model = layers()
    pack_linears(model)
    forward = model[0].forward
    assert pack_linears(model) == 2 and model[0].forward is forward


def test_small_ones_stay_plain() -> None:
    small = nn.Sequential(nn.Linear(24, 40)).requires_grad_(False)
    assert pack_linears(small) == 0 and not isinstance(small[0].forward, _Packed)


def test_chosen_rows_are_those_of_the_plain_module() -> None:
    model, x = layers(), torch.randn(3, 240)
    first = pack_rows(model[0], lambda rows: rows.unflatten(0, (4, 100))[:, :30].flatten(0, 1))
    assert first is not None
    expected = model[0](x).unflatten(-1, (4, 100))[..., :30].flatten(-2)
    torch.testing.assert_close(first(x), expected, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        model[0].weight.mul_(3)
    assert not torch.allclose(first(x), expected)
    assert pack_rows(nn.Linear(24, 40), lambda rows: rows[:8]) is None
