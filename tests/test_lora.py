"""Adapters as values: arithmetic by hand-computed numbers, PEFT names by round trip."""

from __future__ import annotations

import json

import pytest
import torch

from t2l.errors import T2LError
from t2l.lora import LoRASpec, LoRAWeights, align, concat, mix, stack

SPEC = LoRASpec("some/base", 2, {"self_attn.q_proj": (6, 5), "mlp.down_proj": (7, 6)}, rank=3, alpha=6)


def randomly(seed: int = 0, n: int | None = None, spec: LoRASpec = SPEC) -> LoRAWeights:
    generator = torch.Generator().manual_seed(seed)
    return spec.zeros(n).map(lambda t: torch.randn(t.shape, generator=generator))


def delta(weights: LoRAWeights, target: str) -> torch.Tensor:
    return weights.spec.scaling * weights.B[target] @ weights.A[target]


def test_scaling_is_alpha_over_rank_or_over_its_root() -> None:
    assert SPEC.scaling == 2
    assert LoRASpec("b", 1, {"x": (1, 1)}, 4, 8, use_rslora=True).scaling == 4
    assert SPEC.n_parameters == 2 * 3 * (6 + 5 + 7 + 6)


def test_state_dict_round_trip_is_exact() -> None:
    weights = randomly()
    state = weights.to_peft()
    assert state["base_model.model.model.layers.1.mlp.down_proj.lora_B.weight"].shape == (6, 3)
    again = LoRAWeights.from_peft(SPEC, state)
    for name in SPEC.targets:
        assert torch.equal(again.A[name], weights.A[name]) and torch.equal(again.B[name], weights.B[name])


def test_stack_index_and_scale() -> None:
    one, two = randomly(1), randomly(2)
    both = stack([one, two])
    assert both.n == 2 and one.n is None
    assert torch.equal(both[1].A["mlp.down_proj"], two.A["mlp.down_proj"])
    assert both[:1].n == 1
    for strength in (-0.5, 0.0, 2.0):
        torch.testing.assert_close(
            delta(one.scale(strength), "mlp.down_proj"), strength * delta(one, "mlp.down_proj")
        )


def test_concat_is_the_exact_weighted_sum_and_mix_is_not() -> None:
    both = randomly(3, n=2)
    summed = concat(both, [0.25, -2.0])
    assert summed.spec.rank == 6 and summed.spec.scaling == SPEC.scaling
    for name in SPEC.targets:
        expected = 0.25 * delta(both[0], name) - 2 * delta(both[1], name)
        torch.testing.assert_close(delta(summed, name), expected, atol=1e-5, rtol=1e-5)
        between = mix(both, [0.5, 0.5])
        torch.testing.assert_close(between.A[name], both.A[name].mean(0))
        assert not torch.allclose(
            delta(between, name), 0.5 * delta(both[0], name) + 0.5 * delta(both[1], name)
        )


def test_rank_stabilised_concat_keeps_its_sum_too() -> None:
    spec = LoRASpec("b", 1, {"x": (4, 3)}, 2, 6, use_rslora=True)
    both = randomly(4, n=2, spec=spec)
    summed = concat(both, [1, 1])
    torch.testing.assert_close(
        delta(summed, "x"), delta(both[0], "x") + delta(both[1], "x"), atol=1e-5, rtol=1e-5
    )


def test_delta_norms_equal_the_full_matrices() -> None:
    both = randomly(5, n=2)
    for name, norms in both.delta_norms().items():
        full = torch.linalg.matrix_norm(delta(both, name)).double()
        torch.testing.assert_close(norms, full, atol=1e-5, rtol=1e-6)


def test_zeros_change_nothing() -> None:
    assert all(not norms.any() for norms in SPEC.zeros(3).delta_norms().values())


def test_specification_survives_json_that_sorts_keys() -> None:
    again = LoRASpec.from_json(json.loads(json.dumps(SPEC.to_json(), sort_keys=True)))
    assert again == SPEC and list(again.targets) == list(SPEC.targets)


@pytest.mark.parametrize(
    "changes",
    [
        {"rank": 0},
        {"rank": "8"},
        {"alpha": float("nan")},
        {"targets": []},
        {"targets": [["q", 0, 4]]},
        {"targets": [["q", float("inf"), 4]]},
        {"targets": [["q", 4.5, 4]]},
        {"targets": [["../q", 4, 4]]},
        {"use_rslora": "false"},
        {"base_model": 7},
        {"base_model": " "},
        {"base_model": "a\x1b[2J"},
        {"alpha": 10**400},
        {"more": 1},
    ],
)
def test_impossible_specifications_are_refused(changes: dict) -> None:
    with pytest.raises(T2LError):
        LoRASpec.from_json({**SPEC.to_json(), **changes})


def test_foreign_and_damaged_weights_are_refused_by_name() -> None:
    state = randomly().to_peft()
    key = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    with pytest.raises(T2LError, match="lacks"):
        LoRAWeights.from_peft(SPEC, {k: v for k, v in state.items() if k != key})
    with pytest.raises(T2LError, match="shape"):
        LoRAWeights.from_peft(SPEC, {**state, key: torch.zeros(3, 7)})
    with pytest.raises(T2LError, match="should not"):
        LoRAWeights.from_peft(SPEC, {**state, "lm_head.weight": torch.zeros(1)})
    with pytest.raises(T2LError, match="NaN"):
        LoRAWeights.from_peft(SPEC, {**state, key: torch.full((3, 6), torch.nan)}).check_finite()
    other = LoRASpec("other/base", 2, SPEC.targets, 3, 6)
    with pytest.raises(T2LError, match="other/base"):
        stack([randomly(), randomly(spec=other)])
    with pytest.raises(T2LError, match="rank"):
        stack([randomly(), randomly(spec=LoRASpec("some/base", 2, SPEC.targets, 4, 8))])
    with pytest.raises(T2LError, match="weights"):
        concat(randomly(n=2), [1.0])


def random_adapter(targets: dict[str, tuple[int, int]], rank: int, alpha: float, **more) -> LoRAWeights:
    spec = LoRASpec(more.pop("base_model", "some/base"), 2, targets, rank, alpha, **more)
    return spec.zeros().map(torch.randn_like)


def test_adapters_of_other_ranks_modules_and_scalings_stand_in_one_stack() -> None:
    torch.manual_seed(1)
    q, v = {"self_attn.q_proj": (6, 4)}, {"self_attn.v_proj": (6, 2)}
    several = [
        random_adapter(q, 2, 4),
        random_adapter(v | q, 3, 3),
        random_adapter(v, 4, 4, use_rslora=True),
    ]
    together = stack(align(several))
    assert together.spec.rank == 4 and set(together.spec.targets) == {*q, *v}
    for row, adapter in enumerate(several):
        for name in together.spec.targets:
            expected = delta(adapter, name) if name in adapter.spec.targets else torch.zeros(())
            got = delta(together[row], name)
            torch.testing.assert_close(got, expected.expand_as(got))


def test_alike_adapters_are_aligned_as_they_are() -> None:
    one, two = (random_adapter({"mlp.up_proj": (3, 5)}, 2, 4) for _ in range(2))
    assert [a is b for a, b in zip(align([one, two]), [one, two], strict=True)] == [True, True]
    assert align([]) == []


def test_adapters_of_another_base_or_size_are_not_aligned() -> None:
    one = random_adapter({"mlp.up_proj": (3, 5)}, 2, 4)
    with pytest.raises(T2LError, match="is for other/base"):
        align([one, random_adapter({"mlp.up_proj": (3, 5)}, 3, 4, base_model="other/base")])
    with pytest.raises(T2LError, match=r"mlp\.up_proj \(3 to 6\)"):
        align([one, random_adapter({"mlp.up_proj": (3, 6)}, 2, 4)])
