"""Cost: what an adapter costs once, and what a query costs, in floating-point operations and seconds.
Knows torch's own counter; scores nothing."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from t2l.attach import FreeLoRA, attached
from t2l.base import BaseModel
from t2l.engine import Decoding, decode
from t2l.errors import T2LError
from t2l.eval.finetune import RECIPE, steps
from t2l.eval.methods import METHODS, Ask
from t2l.generator import Generator
from t2l.lora import LoRAWeights
from t2l.packed import pack_linears
from t2l.tasks import Task
from t2l.train.sft import SFTConfig, Step, pack, sft_loss, tokenise


def _packed(x: Sequence[int], *rest: Any, out_shape: Sequence[int], **more: Any) -> int:
    """What torch does not count by itself: a product with packed weights, x (..., i) -> (..., o)."""
    return 2 * math.prod(x) * out_shape[-1]


def _attention(q: Sequence[int], k: Sequence[int], *rest: Any, **more: Any) -> int:
    """The CPU's fused attention, which torch does not count either: scores, and sums of values."""
    return 4 * math.prod(q) * k[-2]


def flops(work: Callable[[], object]) -> int:
    """Floating-point operations of one call: two for each multiplication and addition of a matrix product.

    Element-wise work is not counted, as is usual. Source: torch.utils.flop_counter.
    """
    from torch.utils.flop_counter import FlopCounterMode

    uncounted: dict[Any, Any] = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
    if torch.backends.mkldnn.is_available():
        uncounted[torch.ops.mkldnn._linear_pointwise] = _packed
    with FlopCounterMode(display=False, custom_mapping=uncounted) as counter:
        work()
    return int(counter.get_total_flops())


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median wall-clock seconds of a call, after one that is not counted."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def cost(
    base: BaseModel, generator: Generator, task: Task, *, repeats: int = 5, n: int = 128, shots: int = 5
) -> dict[str, Any]:
    """What one task and one query of it cost by generation, by fine-tuning, and in context.

    n: training examples of fine-tuning, by the recipe of `t2l.eval.finetune`, from which a step is measured
    and multiplied. A query: reading the prompt of the task's first test input, and every further token.
    Raises T2LError for a task with too few examples.
    """
    if len(task.train) < max(n, shots) or not task.test:
        raise T2LError(
            f"Task {task.name} has no {max(n, shots)} training examples and a test; choose another."
        )
    text, query = task.descriptions[0], task.test[0].input
    encoder: Any = generator.encoder
    weights = generator.generate([text])[0]
    pack_linears(base.model)
    tuning = _tuning_step(base, task, weights)
    alone, shown = (
        base.prompt_ids(METHODS[name].prompt(Ask(task, examples=task.train[:shots]), query))
        for name in ("base", "icl")
    )
    prefill = {
        "base": _prefill(base, alone, None),
        "adapter": _prefill(base, alone, weights),
        "in_context": _prefill(base, shown, None),
    }
    with torch.no_grad():
        counted = {
            "generation": flops(lambda: generator.generate([text])),
            "encoder": flops(lambda: encoder.encode([text])),
            **{f"{name}_prompt": flops(work) for name, work in prefill.items()},
        }
    counted["tuning_step"] = flops(tuning)
    timed = {
        "generation": seconds(lambda: generator.generate([text]), repeats),
        "tuning_step": seconds(tuning, repeats),
        **{f"{name}_prompt": seconds(work, repeats) for name, work in prefill.items()},
    }
    for name, prompt, adapter in (
        ("base", alone, None),
        ("adapter", alone, weights),
        ("in_context", shown, None),
    ):
        timed[f"{name}_token"] = _token_seconds(base, prompt, adapter, repeats)
    count = steps(n)
    return {
        "task": task.name,
        "threads": torch.get_num_threads(),
        "dtype": str(base.dtype).removeprefix("torch."),
        "weights_id": base.weights_id,
        "examples": n,
        "steps": count,
        "shots": shots,
        "tokens": {"base": len(alone), "in_context": len(shown)},
        "flops": {**counted, "fine_tuning": counted["tuning_step"] * count},
        "seconds": {**timed, "fine_tuning": timed["tuning_step"] * count},
        "fine_tuning_over_generation": {
            "flops": counted["tuning_step"] * count / counted["generation"],
            "seconds": timed["tuning_step"] * count / timed["generation"],
        },
        "in_context_over_adapter": {
            kind: values["in_context_prompt"] / values["adapter_prompt"]
            for kind, values in (("flops", counted), ("seconds", timed))
        },
        # After so many queries of the task the adapter has paid for itself against solved examples.
        "queries_until_even": counted["generation"]
        / max(1, counted["in_context_prompt"] - counted["adapter_prompt"]),
    }


def _tuning_step(base: BaseModel, task: Task, weights: LoRAWeights) -> Callable[[], object]:
    """One forward and backward pass of fine-tuning, without the optimiser's element-wise step."""
    examples = [tokenise(base, example) for example in task.train[: RECIPE["examples_per_step"]]]
    step = Step(pack([examples]), torch.zeros(1, dtype=torch.long), len(examples))
    network, loss = FreeLoRA(weights.spec, 1).to(base.device), sft_loss(base, SFTConfig(tasks_per_step=1))

    attention = base.model.config._attn_implementation

    def work() -> None:
        # As `finetune` has it on a CPU.
        base.model.set_attn_implementation("eager" if base.device.type == "cpu" else attention)
        network.zero_grad()
        loss(network, step)["loss"].backward()
        base.model.set_attn_implementation(attention)

    return work


def _prefill(base: BaseModel, prompt: list[int], weights: LoRAWeights | None) -> Callable[[], object]:
    ids = torch.tensor([prompt], device=base.device)

    @torch.no_grad()
    def work() -> None:
        if weights is None:
            base.model(ids, logits_to_keep=1)
            return
        with attached(base.model, weights):
            base.model(ids, logits_to_keep=1)

    return work


def _token_seconds(
    base: BaseModel, prompt: list[int], weights: LoRAWeights | None, repeats: int, tokens: int = 8
) -> float:
    """Median seconds of a token after the first one."""
    times = []
    for _ in range(repeats):
        stream, last = decode(base, [prompt], weights, Decoding(tokens)), None
        for _ in stream:
            now = time.perf_counter()
            if last is not None:
                times.append(now - last)
            last = now
    # An answer that ends at once tells nothing of its tokens.
    return statistics.median(times) if times else float("nan")
