"""Trained tasks: what a generator's adapters keep of one LoRA trained for each task, on test examples.
Peer in the same run: a LoRA each by the same loop, of the same shapes, by rows of its own task alone."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from typing import Any

import torch

from t2l.attach import FreeLoRA
from t2l.base import BaseModel, quiet
from t2l.errors import T2LError, run_script
from t2l.eval.metrics import lenient, strict
from t2l.eval.run import answer
from t2l.generator import Generator
from t2l.lora import LoRAWeights
from t2l.packed import pack_linears
from t2l.studio import DEFAULT_CHECKPOINT, find_checkpoint
from t2l.tasks import Task, pick, read_suites
from t2l.train.loop import FitConfig, fit
from t2l.train.sft import SFTConfig, SFTData, kept_out, sft_loss, validation


def one_lora_each(
    base: BaseModel, generator: Generator, tasks: Sequence[Task], steps: int, rate: float, tokens: int
) -> tuple[LoRAWeights, float]:
    """A stack of LoRAs, one a task, and their mean loss on the examples that the loop keeps out."""
    config = SFTConfig(tasks_per_step=len(tasks), tokens_per_row=tokens)
    numbers = [torch.tensor([index]) for index in range(len(tasks))]
    data = SFTData(base, tasks, numbers, config)
    kept = {
        "kept_out": [
            (numbers[index][0], examples)
            for index, task in enumerate(tasks)
            if (examples := kept_out(base, task))
        ]
    }
    network = FreeLoRA(generator.spec, len(tasks))
    validate = validation(base, kept)
    with tempfile.TemporaryDirectory() as folder:
        fitting = FitConfig(steps, rate, save_minutes=60, validate_every=steps)
        fit(network, data.step, sft_loss(base, config), folder, fitting)
    with torch.no_grad():
        return network(torch.arange(len(tasks))), validate(network)["kept_out_loss"]


def scores(
    base: BaseModel, task: Task, weights: LoRAWeights, limit: int, said: str = ""
) -> tuple[float, float]:
    """Strict and lenient means over a task's first test examples; `said` is what prompts say of it."""
    asked = task.test[:limit]
    prompts = [
        base.prompt_ids(base.told([{"role": "user", "content": example.input}], said)) for example in asked
    ]
    answers = answer(base, prompts, weights, task.max_new_tokens)
    pairs = list(zip(answers, (example.output for example in asked), strict=True))
    return (
        statistics.mean(strict(a, right) for a, right in pairs),
        statistics.mean(lenient(a, right) for a, right in pairs),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", required=True, help="folders of task suites, separated by commas")
    parser.add_argument("--names", help="tasks, separated by commas; default: evenly spaced trained ones")
    parser.add_argument("--n-tasks", type=int, default=10)
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT)
    parser.add_argument("--steps", type=int, default=100, help="a row of every task each")
    parser.add_argument("--tokens-per-row", type=int, default=96)
    parser.add_argument("--rates", default="1e-3,3e-3", help="the one with the lowest kept-out loss counts")
    parser.add_argument("--limit", type=int, default=50, help="test examples of each task")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    generator = Generator.load(find_checkpoint(args.checkpoint))
    suite = read_suites(args.tasks.split(","), split="train")
    trained = [suite[name] for name in generator.training.get("tasks", []) if name in suite]
    # Those without a family were not written as parameter values of one function.
    apart = [task for task in trained if not task.family]
    tasks = apart[:: max(1, len(apart) // args.n_tasks)][: args.n_tasks]
    if args.names:
        tasks = list(pick({task.name: task for task in trained}, args.names.split(",")).values())
    if not tasks:
        raise T2LError("The checkpoint was trained on none of these tasks; give its --tasks folders.")
    base = BaseModel.load(generator.spec.base_model, dtype=args.dtype)
    base.model.set_attn_implementation("eager")
    pack_linears(base.model)
    tries = {
        rate: one_lora_each(base, generator, tasks, args.steps, float(rate), args.tokens_per_row)
        for rate in args.rates.split(",")
    }
    best = min(tries, key=lambda rate: tries[rate][1])
    base.model.set_attn_implementation("sdpa")
    rows: list[dict[str, Any]] = []
    for index, task in enumerate(tasks):
        own = scores(base, task, tries[best][0][index], args.limit)
        # Mean over two descriptions that were trained on, never the better one.
        texts = [task.descriptions[0], task.descriptions[3]]
        made = generator.generate(texts)
        ours = [scores(base, task, made[n], args.limit, generator.said(text)) for n, text in enumerate(texts)]
        row = {"task": task.name, "lora": own[0], "t2l": statistics.mean(score[0] for score in ours)}
        row |= {"lora_lenient": own[1], "t2l_lenient": statistics.mean(score[1] for score in ours)}
        rows.append(row)
        print(f"{task.name:<28} LoRA {100 * row['lora']:5.1f}  T2L {100 * row['t2l']:5.1f}", flush=True)
    means = {key: statistics.mean(row[key] for row in rows) for key in rows[0] if key != "task"}
    kept = means["t2l"] / means["lora"] if means["lora"] else float("nan")
    print(
        f"mean of {len(rows)}: LoRA {100 * means['lora']:.1f}, T2L {100 * means['t2l']:.1f}, "
        f"kept {100 * kept:.0f} % (learning rate {best} of {args.rates}, {args.steps} steps)"
    )
    if args.json:
        losses = {rate: tried[1] for rate, tried in tries.items()}
        print(json.dumps({"rows": rows, "means": means, "kept": kept, "rate": best, "losses": losses}))


if __name__ == "__main__":
    run_script(main)
