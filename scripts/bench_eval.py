"""What an answer costs where many adapters answer many examples: milliseconds, ratios, medians over rounds.
Peers in the same run: ours without reading common starts once, and PEFT with one adapter after another."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from bench_compare import rounds

from t2l import engine
from t2l.adapter import Adapter
from t2l.base import BaseModel, quiet
from t2l.errors import run_script
from t2l.eval.run import answer
from t2l.generator import Generator
from t2l.packed import pack_linears
from t2l.studio import DEFAULT_CHECKPOINT, find_checkpoint
from t2l.tasks import pick, read_suite

SUITE = Path(__file__).resolve().parent.parent / "data" / "suite"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--task", default="kebab_case", help="of data/suite")
    parser.add_argument("--examples", type=int, default=30, help="that every adapter answers")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    task = pick(read_suite(SUITE), [args.task])[args.task]
    generator = Generator.load(find_checkpoint(args.checkpoint))
    # PEFT runs on a model of its own: packed weights are part of what is measured.
    plain, ours = (BaseModel.load(generator.spec.base_model, dtype=args.dtype) for _ in range(2))
    pack_linears(ours.model)
    made = generator.generate(list(task.descriptions))
    n = made.n or 1
    examples = task.test[: args.examples]
    prompts = [ours.prompt_ids([{"role": "user", "content": example.input}]) for example in examples]
    rows = [number for number in range(n) for _ in prompts]

    def stacked() -> None:
        answer(ours, prompts * n, made, task.max_new_tokens, rows)

    def apart() -> None:
        with patch.object(engine, "_SPARED", 0.0):
            stacked()

    with tempfile.TemporaryDirectory() as folder:
        from peft import PeftModel

        for number in range(n):
            Adapter(made[number], "bench", "bench", "").save(f"{folder}/{number}")
        model: Any = PeftModel.from_pretrained(plain.model, f"{folder}/0", adapter_name="0").eval()
        for number in range(1, n):
            model.load_adapter(f"{folder}/{number}", adapter_name=str(number))
        plain.tokenizer.padding_side = "left"
        batch = plain.tokenizer.pad({"input_ids": prompts}, return_tensors="pt")
        settings: dict[str, Any] = {"max_new_tokens": task.max_new_tokens, "do_sample": False}

        def peft() -> None:
            for number in range(n):
                model.set_adapter(str(number))
                model.generate(**batch, **settings)

        works: dict[str, Callable[[], object]] = {
            "ours": stacked,
            "ours_starts_read_apart": apart,
            "peft_one_by_one": peft,
        }
        times = rounds(works, args.repeats)
    ms = {name: 1000 * value / len(rows) for name, value in times.items()}
    result = {"dtype": args.dtype, "threads": torch.get_num_threads(), "answers": len(rows), **ms}
    result |= {f"{name}_over_ours": value / ms["ours"] for name, value in ms.items() if name != "ours"}
    if args.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<32} {value if isinstance(value, str | int) else f'{value:.2f}'}")


if __name__ == "__main__":
    run_script(main)
