"""Phrases of our own for functions that were held out: how many of them give an adapter that does the task.
A phrase is right where its adapter answers more than half of the inputs exactly."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import yaml

from t2l.base import BaseModel, quiet
from t2l.errors import T2LError, run_script
from t2l.eval.metrics import strict
from t2l.eval.run import answer
from t2l.generator import Generator
from t2l.packed import pack_linears
from t2l.studio import DEFAULT_CHECKPOINT, find_checkpoint

PHRASES = Path(__file__).resolve().parent.parent / "data" / "phrases.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT)
    parser.add_argument("--phrases", default=PHRASES, help="file of functions, phrases and examples")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    try:
        asked = yaml.safe_load(Path(args.phrases).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as err:
        raise T2LError(f"{args.phrases} cannot be read ({err}); give a file like {PHRASES}.") from err
    generator = Generator.load(find_checkpoint(args.checkpoint))
    base = BaseModel.load(generator.spec.base_model, dtype=args.dtype)
    pack_linears(base.model)
    right = {}
    for name, task in asked.items():
        inputs = [example["input"] for example in task["examples"]]
        wanted = [example["output"] for example in task["examples"]]
        right[name] = 0
        for phrase in task["phrases"]:
            chats = [
                base.told([{"role": "user", "content": text}], generator.said(phrase)) for text in inputs
            ]
            prompts = [base.prompt_ids(chat) for chat in chats]
            answers = answer(base, prompts, generator.generate([phrase])[0], 32)
            hits = sum(strict(a, w) for a, w in zip(answers, wanted, strict=True))
            right[name] += 2 * hits > len(inputs)
            print(f"{name:<14} {hits:.0f} of {len(inputs)}  {phrase}  {answers}", flush=True)
        print(f"{name:<14} {right[name]} of {len(task['phrases'])} phrases right", flush=True)
    if args.json:
        print(json.dumps(right))


if __name__ == "__main__":
    run_script(main)
