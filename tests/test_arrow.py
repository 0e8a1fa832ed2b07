"""Arrow routing: PEFT's own numbers, and what follows from its definition."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from t2l.attach import attached, spec_for
from t2l.errors import T2LError
from t2l.eval.arrow import prototypes, routed
from t2l.lora import LoRAWeights
from t2l.train.library import write_peft

TARGETS = ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj")


def some(model, n: int) -> LoRAWeights:
    """Adapters whose first singular value stands out, so that PEFT's power iteration has converged."""
    generator = torch.Generator().manual_seed(0)
    made = spec_for(model, "tiny/Llama", TARGETS, rank=3, alpha=9).zeros(n)
    made = made.map(lambda t: torch.randn(t.shape, generator=generator))
    sizes = torch.tensor([6.0, 0.5, 0.3])
    return LoRAWeights(made.spec, {k: v * sizes[:, None] for k, v in made.A.items()}, made.B)


def logits(model) -> torch.Tensor:
    ids = torch.randint(0, 96, (3, 11), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model(ids).logits


@pytest.mark.parametrize(("top_k", "temperature"), [(1, 1.0), (2, 1.0), (3, 0.3), (4, 2.0)])
def test_arrow_gives_pefts_logits(tiny, tmp_path: Path, top_k: int, temperature: float) -> None:
    from peft import ArrowConfig
    from peft.tuners.lora import create_arrow_model

    library = some(tiny, 4)
    before = logits(tiny)
    with routed(tiny, library, top_k, temperature):
        ours = logits(tiny)
    assert torch.equal(logits(tiny), before)
    folders = [str(tmp_path / str(number)) for number in range(4)]
    for number, folder in enumerate(folders):
        write_peft(library[number], folder)
    config = ArrowConfig(top_k=top_k, router_temperature=temperature, rng_seed=0)
    theirs = logits(create_arrow_model(tiny, folders, config).eval())
    assert (ours - before).abs().max() > 0.1
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_a_prototype_is_the_first_right_singular_vector() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(5, 3, 20, generator=generator), torch.randn(5, 12, 3, generator=generator)
    b[4] = 0
    found = prototypes(a, b)
    for number in range(4):
        first = torch.linalg.svd(b[number] @ a[number]).Vh[0]
        assert abs(float(first @ found[number])) == pytest.approx(1, abs=1e-5)
    assert not found[4].any()


def test_a_library_of_one_is_that_adapter(tiny) -> None:
    library = some(tiny, 1)
    with routed(tiny, library, 1):
        alone = logits(tiny)
    with attached(tiny, library[0]):
        torch.testing.assert_close(alone, logits(tiny), atol=1e-4, rtol=0)


def test_a_token_alone_decides_its_route(tiny) -> None:
    library, module = some(tiny, 4), tiny.model.layers[0].self_attn.q_proj
    x = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(2))
    with routed(tiny, library, 2), torch.no_grad():
        whole, part = module(x), module(x[:1, 2:3])
    torch.testing.assert_close(whole[:1, 2:3], part, atol=1e-4, rtol=0)


def test_what_cannot_be_routed_is_refused_and_leaves_nothing(tiny) -> None:
    library, before = some(tiny, 2), logits(tiny)
    for top_k in (0, 3):
        with pytest.raises(T2LError, match="from 1 to the 2"), routed(tiny, library, top_k):
            pass
    with pytest.raises(T2LError, match="from 1 to the 1"), routed(tiny, library[0], 1):
        pass
    with attached(tiny, library[0]), pytest.raises(T2LError, match="already runs"), routed(tiny, library, 1):
        pass
    with pytest.raises(KeyError), routed(tiny, library, 1):
        raise KeyError
    assert torch.equal(logits(tiny), before)
