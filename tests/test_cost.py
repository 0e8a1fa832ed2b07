"""Cost: operations counted by hand, and what must follow from the sizes of prompts and adapters."""

from __future__ import annotations

import torch
from test_eval_methods import place, sources, suite  # noqa: F401
from torch import nn

from t2l.eval.cost import cost, flops
from t2l.packed import pack_linears


def test_a_product_counts_two_operations_for_each_pair_packed_or_not() -> None:
    linear = nn.Linear(256, 512).requires_grad_(False)
    x = torch.randn(7, 256)
    by_hand = 2 * 7 * 256 * 512
    assert flops(lambda: linear(x)) == by_hand
    pack_linears(linear)
    with torch.no_grad():
        assert flops(lambda: linear(x)) == by_hand
    assert flops(lambda: x @ x.T + x.sum()) == 2 * 7 * 7 * 256


def test_costs_follow_from_the_prompts_and_the_adapter(sources, suite) -> None:  # noqa: F811
    base, task = sources.base, suite[0]
    encoder = nn.Linear(64, 64).requires_grad_(False)

    class Described:
        """A generator whose encoder is one product and whose network is none."""

        encoder = type("Encoder", (), {"encode": lambda self, texts: encoder(torch.ones(len(texts), 64))})()

        def generate(self, texts):
            self.encoder.encode(texts)
            return sources.stack[:1]

    found = cost(base, Described(), task, repeats=1, n=16, shots=2)  # type: ignore[arg-type]
    counted, config = found["flops"], base.model.config
    assert counted["generation"] == counted["encoder"] == 2 * 64 * 64
    # Of one prompt: every Linear, the scores and sums of attention, and one row of logits.
    tokens = found["tokens"]["base"]
    linears = sum(m.weight.numel() for m in base.model.model.modules() if isinstance(m, nn.Linear))
    attention = 2 * config.num_hidden_layers * 2 * tokens * tokens * config.hidden_size
    logits = 2 * config.hidden_size * config.vocab_size
    assert counted["base_prompt"] == 2 * tokens * linears + attention + logits
    spec = sources.stack.spec
    lora = 2 * tokens * spec.n_layers * spec.rank * sum(i + o for i, o in spec.targets.values())
    assert counted["adapter_prompt"] == counted["base_prompt"] + lora
    assert counted["in_context_prompt"] > 2 * counted["adapter_prompt"]
    assert found["steps"] == 40 and counted["fine_tuning"] == 40 * counted["tuning_step"]
    ratio = counted["fine_tuning"] / counted["generation"]
    assert found["fine_tuning_over_generation"]["flops"] == ratio > 1
    assert all(value > 0 for value in found["seconds"].values())
