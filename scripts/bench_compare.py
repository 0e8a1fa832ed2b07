"""What base and adapted answers side by side cost a step: milliseconds and ratios, medians over rounds.
Peers in the same run: HF generate, PEFT's mixed batch, two calls in turn; same tokens, same type."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch

from t2l.adapter import Adapter
from t2l.base import DEFAULT_BASE, BaseModel, quiet
from t2l.engine import Decoding, decode
from t2l.errors import run_script
from t2l.lora import LoRAWeights, stack
from t2l.packed import pack_linears

TARGETS = ("self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.down_proj")
PROMPT = "Write a long story about a dragon and a small village by the sea."


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rounds(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each, taken in turns, so that a busy moment meets all; the first is warm-up."""
    taken = [{name: seconds(work) for name, work in works.items()} for _ in range(repeats + 1)]
    return {name: statistics.median(row[name] for row in taken[1:]) for name in works}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default=DEFAULT_BASE)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--tokens", type=int, default=48, help="new tokens of each answer")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    # The peers run on a model of their own: packed weights are part of what is measured.
    plain, ours = (BaseModel.load(args.base, dtype=args.dtype) for _ in range(2))
    packed = pack_linears(ours.model)
    spec = ours.spec(TARGETS)
    generator = torch.Generator().manual_seed(0)
    adapter = spec.zeros().map(lambda t: torch.randn(t.shape, generator=generator) * 1e-3)
    prompt = ours.prompt_ids([{"role": "user", "content": PROMPT}])
    # Nothing ends early: every method makes the same number of tokens.
    ours.model.generation_config.eos_token_id = None
    ours.tokenizer.eos_token = None
    steps = args.tokens

    def engine(weights: LoRAWeights | None, rows: int) -> Callable[[], object]:
        return lambda: [None for _ in decode(ours, [prompt] * rows, weights, Decoding(steps))]

    def generate(model: Any, rows: int, **more: Any) -> Callable[[], object]:
        ids = torch.tensor([prompt] * rows)
        settings: dict[str, Any] = {"max_new_tokens": steps, "min_new_tokens": steps, "do_sample": False}
        return lambda: model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings, **more)

    first = {
        "hf_generate_base": generate(plain.model, 1),
        "hf_generate_two_rows": generate(plain.model, 2),
        "ours_base_alone": engine(None, 1),
        "ours_adapted_alone": engine(adapter, 1),
        "ours_side_by_side": engine(stack([spec.zeros(), adapter]), 2),
        "ours_eight_columns": engine(stack([spec.zeros(), *[adapter] * 7]), 8),
    }
    times = rounds(first, args.repeats)
    # PEFT changes the model that it wraps, so it comes last.
    with tempfile.TemporaryDirectory() as folder:
        Adapter(adapter, "bench", "bench", "").save(f"{folder}/adapter")
        from peft import PeftModel

        wrapped = PeftModel.from_pretrained(plain.model, f"{folder}/adapter").eval()
        mixed = generate(wrapped, 2, adapter_names=["__base__", "default"])
        alone = generate(wrapped, 1)

        def two_calls() -> None:
            with wrapped.disable_adapter():
                alone()
            alone()

        again = {"ours_side_by_side": first["ours_side_by_side"]}
        peft = rounds({"peft_mixed_batch": mixed, "peft_two_calls": two_calls, **again}, args.repeats)
    times |= {name: value for name, value in peft.items() if name not in times}
    ms = {name: 1000 * value / steps for name, value in times.items()}
    side = ms["ours_side_by_side"]
    ratios = {
        "side_by_side_over_base_alone": side / ms["ours_base_alone"],
        "eight_columns_over_base_alone": ms["ours_eight_columns"] / ms["ours_base_alone"],
        "hf_base_over_side_by_side": ms["hf_generate_base"] / side,
        "hf_two_rows_over_side_by_side": ms["hf_generate_two_rows"] / side,
        "peft_mixed_over_side_by_side": ms["peft_mixed_batch"] / (1000 * peft["ours_side_by_side"] / steps),
        "peft_two_calls_over_side_by_side": ms["peft_two_calls"] / (1000 * peft["ours_side_by_side"] / steps),
    }
    facts = {"dtype": args.dtype, "threads": torch.get_num_threads(), "tokens": steps, "packed": packed}
    if args.json:
        print(json.dumps({**facts, "ms_per_step": _rounded(ms), "ratios": _rounded(ratios)}))
        return
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    for name, value in ms.items():
        print(f"{name:<34} {value:8.1f} ms a step  {1000 / value:6.1f} steps/s")
    for name, value in ratios.items():
        print(f"{name:<34} {value:8.2f}")


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


if __name__ == "__main__":
    run_script(main)
