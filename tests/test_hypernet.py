"""T2L's forms, sizes and initialisations; the numbers of the reference are in test_official.py."""

from __future__ import annotations

import pytest
import torch

from t2l.errors import T2LError
from t2l.hypernet import T2L, VARIANTS, T2LConfig
from t2l.lora import LoRASpec
from t2l.packed import _available


def mistral() -> LoRASpec:
    targets = {"self_attn.q_proj": (4096, 4096), "self_attn.v_proj": (4096, 1024)}
    return LoRASpec("mistralai/Mistral-7B-Instruct-v0.2", 32, targets, 8, 16, use_rslora=True)


@pytest.mark.parametrize(("variant", "count"), [("l", 55_424_000), ("m", 34_412_288), ("s", 4_996_096)])
def test_parameter_counts_of_the_paper_at_mistral_size(variant: str, count: int) -> None:
    with torch.device("meta"):
        network = T2L(T2LConfig(mistral(), 1024, variant))
    assert sum(p.numel() for p in network.parameters()) == count


def small(**changes) -> T2LConfig:
    targets = {"self_attn.q_proj": (32, 32), "mlp.up_proj": (32, 48), "mlp.down_proj": (48, 32)}
    spec = LoRASpec("some/base", 3, targets, rank=4, alpha=8)
    return T2LConfig(spec, **{"condition_size": 16, "latent_size": 16, "head_size": 24, **changes})


@pytest.mark.parametrize("share", ["none", "layers", "all"])
@pytest.mark.parametrize(
    ("variant", "positions"),
    [
        ("l", "learned"),
        ("m", "learned"),
        ("s", "learned"),
        ("s", "rotary"),
        ("rankwise", "learned"),
        ("rankwise", "rotary"),
    ],
)
def test_every_form_gives_a_stack_of_the_specified_shapes(variant: str, positions: str, share: str) -> None:
    network = T2L(small(variant=variant, positions=positions, share=share)).eval()
    with torch.no_grad():
        made = network(torch.randn(5, 16))
    assert made.n == 5
    different = made.A["mlp.up_proj"]
    assert not torch.allclose(different[0], different[1])
    assert torch.equal(different[:, 0], different[:, 1]) == (share != "none")
    # share="all": every module is a slice of one pair of the largest shape.
    q, down = made.A["self_attn.q_proj"], made.A["mlp.down_proj"]
    assert torch.equal(q, down[..., :32]) == (share == "all")


@pytest.mark.parametrize("share", ["none", "layers"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_stack_has_the_bytes_of_the_adapters_made_one_by_one(variant: str, share: str) -> None:
    network = T2L(small(variant=variant, share=share)).eval()
    conditions = torch.randn(4, 16)
    with torch.no_grad():
        together, alone = network(conditions), [network(c[None])[0] for c in conditions]
    # With gradients all are made in one batch, whose products sum in another order.
    learning = network(conditions)
    for name in together.spec.targets:
        for index, single in enumerate(alone):
            assert torch.equal(together.A[name][index], single.A[name])
            assert torch.equal(together.B[name][index], single.B[name])
        torch.testing.assert_close(learning.A[name].detach(), together.A[name], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(learning.B[name].detach(), together.B[name], atol=1e-6, rtol=1e-5)


def wide(variant: str) -> T2L:
    """Large enough that its heads are packed; q is square, up is wider than its input."""
    targets = {"self_attn.q_proj": (96, 96), "mlp.up_proj": (96, 192), "mlp.down_proj": (192, 96)}
    torch.manual_seed(0)
    return T2L(T2LConfig(LoRASpec("some/base", 3, targets, 4, 8), 16, variant, 64, 256)).eval()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("heads", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 6e-3)])
def test_a_frozen_network_makes_the_same_adapters(variant: str, heads: torch.dtype, tolerance: float) -> None:
    plain, frozen = wide(variant), wide(variant).freeze(heads)
    packed = [head for head in frozen.heads if "forward" in vars(head)]
    cut = {"m": 2, "s": 2}.get(variant, 0)
    # S reads its heads row by row; two of its three have over 2^15 numbers.
    served = _available(heads)
    assert len(packed) == (2 if variant == "s" else 3) * served and len(frozen._packed) == cut * served
    conditions = torch.randn(2, 16)
    with torch.no_grad():
        one, other = plain(conditions), frozen(conditions)
    for name in one.spec.targets:
        for expected, made in ((one.A[name], other.A[name]), (one.B[name], other.B[name])):
            assert made.dtype == torch.float32
            assert (made - expected).norm() <= tolerance * expected.norm()


def test_a_frozen_head_that_changes_is_used_as_it_is_now() -> None:
    network, condition = wide("m").freeze(), torch.randn(1, 16)
    with torch.no_grad():
        before = network(condition)
        for head in network.heads:
            head.weight.mul_(2)
            head.bias.mul_(2)
        after = network(condition)
    for name in before.spec.targets:
        torch.testing.assert_close(after.A[name], 2 * before.A[name])
        torch.testing.assert_close(after.B[name], 2 * before.B[name])


@pytest.mark.parametrize("variant", VARIANTS)
def test_tokens_are_read_whatever_the_padding_and_add_nothing_at_first(variant: str) -> None:
    torch.manual_seed(0)
    network = T2L(small(variant=variant, condition="tokens", queries=3)).eval()
    tokens = torch.randn(2, 5, 16)
    padded = torch.cat([tokens, torch.zeros(2, 4, 16)], dim=1)
    pooled = T2L(small(variant=variant)).eval()
    pooled.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("reader.")})
    with torch.no_grad():
        made, again = network(tokens), network(padded)
        mean = torch.nn.functional.normalize(tokens.sum(1), dim=-1) * 4
        first = pooled(mean)
        torch.nn.init.normal_(network.reader.out.weight)
        other = network(tokens)
    for name in made.B:
        torch.testing.assert_close(made.B[name], again.B[name], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(made.B[name], first.B[name], atol=1e-5, rtol=1e-4)
        assert not torch.allclose(made.B[name], other.B[name], atol=1e-3)
    with pytest.raises(T2LError, match=r"expected \(n, t, 16\)"):
        network(mean)


@pytest.mark.parametrize("variant", VARIANTS)
def test_zero_initialisation_starts_at_the_base_and_can_learn(variant: str) -> None:
    network = T2L(small(variant=variant, shift="element", scale="scalar")).initialise("zero")
    made = network(torch.randn(2, 16))
    for norms in made.delta_norms().values():
        assert torch.equal(norms, torch.zeros_like(norms))
    sum(b.sum() for b in made.B.values()).backward()
    assert all(head.weight.grad.abs().sum() > 0 for head in network.heads)


@pytest.mark.parametrize("variant", VARIANTS)
def test_reference_initialisation_puts_the_lora_into_the_bias(variant: str) -> None:
    network = T2L(small(variant=variant)).initialise("reference").eval()
    with torch.no_grad():
        made = network(torch.randn(2, 16))
    start = made.A["mlp.down_proj"]
    assert torch.equal(start[0], start[1]) and torch.equal(start[:, 0], start[:, 2])
    assert 0 < start.abs().max() <= 48**-0.5
    zero = all(not norms.any() for norms in made.delta_norms().values())
    # L starts at the base; the others begin with B made of numbers of A, as the published recipe does.
    assert zero == (variant == "l")


def test_where_b_is_longer_than_a_every_rank_has_its_start() -> None:
    network = T2L(small(variant="m")).initialise("reference")
    rows = network.heads[1].bias.view(4, 48)
    assert rows[:, :32].abs().amin() > 0 and not rows[:, 32:].any()


def test_configuration_survives_json_with_its_module_order() -> None:
    import json

    config = small(variant="s", positions="rotary")
    again = T2LConfig.from_json(json.loads(json.dumps(config.to_json(), sort_keys=True)))
    assert again == config and list(again.spec.targets) == list(config.spec.targets)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"variant": "xl"}, "xl"),
        ({"share": "some"}, "some"),
        ({"variant": "m", "positions": "rotary"}, "rotary"),
        ({"latent_size": 0}, "latent_size"),
        ({"condition_size": "16"}, "condition_size"),
        ({"scale": "layer"}, "layer"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(changes: dict, named: str) -> None:
    with pytest.raises(T2LError, match=named):
        small(**changes)


def test_initialisations_without_a_place_are_refused() -> None:
    with pytest.raises(T2LError, match="shift"):
        T2L(small()).initialise("zero")
    with pytest.raises(T2LError, match="head_bias"):
        T2L(small(head_bias=False)).initialise("reference")
    with pytest.raises(T2LError, match="expected"):
        T2L(small())(torch.randn(2, 17))
