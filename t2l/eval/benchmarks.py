"""The papers' ten benchmarks, through lm-eval with an adapter attached; programs run in a sandbox alone.
Knows lm-eval's own interface, which is optional; no task of a suite."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from t2l.attach import attached
from t2l.base import BaseModel
from t2l.errors import T2LError
from t2l.lora import LoRAWeights

# Our name -> lm-eval's name, the split that is scored, and the metric that counts.
BENCHMARKS = {
    "arc_challenge": ("arc_challenge", "test", "acc"),
    "arc_easy": ("arc_easy", "test", "acc"),
    "boolq": ("boolq", "validation", "acc"),
    "gsm8k": ("gsm8k", "test", "exact_match"),
    "hellaswag": ("hellaswag", "validation", "acc"),
    "openbookqa": ("openbookqa", "test", "acc"),
    "piqa": ("piqa", "validation", "acc"),
    "winogrande": ("winogrande", "validation", "acc"),
}
# Their answers are programs. The prompts are ours, since lm-eval's run the answers where it runs itself.
CODE: dict[str, dict[str, Any]] = {
    "humaneval": {"dataset_path": "openai/openai_humaneval", "doc_to_text": "{{prompt}}"},
    "mbpp": {
        "dataset_path": "google-research-datasets/mbpp",
        "dataset_name": "full",
        "doc_to_text": "{{text}} Your code should pass these tests:\\n\\n{{test_list | join('\\n')}}\\n",
    },
}
_SECONDS, _BYTES = 10, 2**30
# How a program ends that came to its end: one that leaves early, even with status 0, has passed no test.
_PASSED = 77
# Run before the program in its own process: it cannot fill the disk, or take all memory and time.
_LIMITS = f"""
import resource
for kind, most in (("CPU", {_SECONDS}), ("AS", {_BYTES}), ("FSIZE", 2**20), ("NPROC", 1), ("CORE", 0)):
    resource.setrlimit(getattr(resource, "RLIMIT_" + kind), (most, most))
exec(compile(open("program.py").read(), "program.py", "exec"), {{"__name__": "__main__"}})
__import__("os")._exit({_PASSED})
"""


def run_benchmarks(
    base: BaseModel,
    weights: LoRAWeights | None,
    names: Sequence[str],
    *,
    data: str | Path | None = None,
    limit: int | None = None,
    shots: int = 0,
    code: bool = False,
) -> dict[str, dict[str, Any]]:
    """Scores of a base, or of one adapter on it, by benchmark: {"score", "metric", "n"}; chat template on.

    data: folder with NAME/SPLIT.jsonl (and train.jsonl for solved examples) in the published format, in place
    of the Hub. limit: examples of each. shots: solved examples in the prompt.
    code: HumanEval and MBPP may run what the model writes, each program in a process without network, with
    limits. Raises T2LError without lm-eval, for an unknown benchmark, for code where it is not allowed or
    cannot be kept in, and where a data set is missing.
    """
    check_benchmarks(names, limit=limit, shots=shots, code=code, data=data)
    tasks = [_task(name, None if data is None else Path(data)) for name in names]
    # Both are wrapped in a way that hides their parameters from type checkers.
    lm_eval: Any = importlib.import_module("lm_eval")
    hf: Any = importlib.import_module("lm_eval.models.huggingface")
    model = hf.HFLM(pretrained=base.model, tokenizer=base.tokenizer, device=str(base.device), batch_size=8)
    with nullcontext() if weights is None else attached(base.model, weights):
        try:
            found: Any = lm_eval.simple_evaluate(
                model,
                tasks=tasks,
                num_fewshot=shots,
                limit=limit,
                bootstrap_iters=0,
                apply_chat_template=True,
            )
        except (OSError, ValueError, KeyError, ConnectionError) as err:
            reason = (str(err).strip().splitlines() or [type(err).__name__])[0][:300]
            raise T2LError(
                f"The benchmarks cannot be run ({reason}); check the network, or give data=, a folder with "
                "NAME/SPLIT.jsonl in the published format."
            ) from err
    return {name: _score(name, found) for name in names}


def check_benchmarks(
    names: Sequence[str], *, limit: int | None, shots: int, code: bool, data: str | Path | None = None
) -> None:
    """Raises T2LError for what `run_benchmarks` cannot run here, before a base is loaded."""
    known = [*BENCHMARKS, *CODE]
    if unknown := [name for name in names if name not in known]:
        raise T2LError(f"The benchmark {unknown[0]!r} is unknown; choose from {', '.join(known)}.")
    if programs := [name for name in names if name in CODE]:
        if not code:
            raise T2LError(
                f"{programs[0]} runs programs that the model writes; allow it with code=True (--code)."
            )
        check_sandbox()
    if not importlib.util.find_spec("lm_eval"):
        raise T2LError("Benchmarks need the package lm-eval; install it (pip install lm-eval).")
    for name in names if shots > 0 else ():
        if name in CODE:
            raise T2LError(f"{name} has no examples to be shown as solved ones; leave shots away.")
        if data is not None and not (Path(data) / name / "train.jsonl").is_file():
            # lm-eval would draw them from what is scored.
            raise T2LError(
                f"{Path(data) / name / 'train.jsonl'} is missing, which solved examples come from."
            )
    if not names or (limit is not None and limit < 1) or shots < 0:
        raise T2LError(f"names, limit {limit} and shots {shots}: give a benchmark, at least 1, at least 0.")


def _task(name: str, data: Path | None) -> Any:
    """What lm-eval is asked for: its own task, with local files in place of the Hub's where given."""
    theirs, split, _ = BENCHMARKS.get(name, (name, "test", ""))
    here: dict[str, Any] = {}
    if data is not None:
        file = data / name / f"{split}.jsonl"
        if not file.is_file():
            raise T2LError(f"{file} is missing; put the published rows of {name} there, or leave data away.")
        files, train = {split: str(file)}, data / name / "train.jsonl"
        here = {"dataset_path": "json", "dataset_name": None, "dataset_kwargs": {"data_files": files}}
        if train.is_file():
            files["train"] = str(train)
        else:
            here |= {"training_split": None, "fewshot_split": None}
        if split == "test":
            here["validation_split"] = None
    if name not in CODE:
        # Only within a group does lm-eval change a task of its own.
        return {"group": f"{name}_here", "task": [{"task": theirs, **here}]} if here else theirs
    return {
        "task": f"{name}_answers",
        "output_type": "generate_until",
        "test_split": "test",
        "doc_to_target": "",
        "generation_kwargs": {"until": [], "max_gen_toks": 512, "do_sample": False},
        "metric_list": [{"metric": "bypass"}],
        **CODE[name],
        **here,
    }


def _score(name: str, found: dict[str, Any]) -> dict[str, Any]:
    if name in CODE:
        samples = found["samples"][f"{name}_answers"]
        right = [passes(program(name, sample["doc"], sample["resps"][0][0])) for sample in samples]
        return {"score": sum(right) / len(right), "metric": "pass@1", "n": len(right)}
    theirs, _, metric = BENCHMARKS[name]
    scores = found["results"][theirs]
    # "acc,none", or "exact_match,flexible-extract" where an answer is searched for a number.
    wanted = [key for key in scores if key.partition(",")[0] == metric]
    best = next((key for key in wanted if "flexible" in key), wanted[0])
    n = len({sample["doc_id"] for sample in found["samples"][theirs]})
    return {"score": float(scores[best]), "metric": best, "n": n}


def program(name: str, row: dict[str, Any], answer: str) -> str:
    """An answer as a whole program, whose last act is to pass its tests. name: humaneval or mbpp."""
    fenced = re.search(r"```(?:python)?\n(.*?)(?:```|\Z)", answer, re.DOTALL)
    text = fenced[1] if fenced else answer
    if name == "mbpp":
        return "\n".join([row.get("test_setup_code") or "", text, *row["test_list"]])
    # What the prompt imports an answer may use, also one that writes the function anew.
    whole = row["prompt"] + ("\n" + text if f"def {row['entry_point']}" in text else text)
    return "\n".join([whole, row["test"], f"check({row['entry_point']})"])


def check_sandbox() -> None:
    """Raises T2LError where this machine cannot run a program without network and in its own namespaces."""
    if not passes("assert 1 + 1 == 2") or passes("assert 1 + 1 == 3"):
        raise T2LError(
            "Programs cannot be kept in here (that takes Linux's `unshare` with user namespaces); leave "
            f"{' and '.join(CODE)} out."
        )


def passes(text: str) -> bool:
    """Whether a program ends by itself without an error, in a process of its own.

    It has no network, no environment, an empty folder, 10 seconds and 1 GiB of memory. Its children end too.
    This keeps mistakes in, not an attacker: the files of this machine can be read.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    with tempfile.TemporaryDirectory(prefix="t2l-program-") as folder:
        Path(folder, "program.py").write_text(text, encoding="utf-8", errors="replace")
        command = [
            unshare,
            "--user",
            "--net",
            "--ipc",
            "--pid",
            "--fork",
            "--kill-child",
            sys.executable,
            "-I",
            "-S",
            "-c",
            _LIMITS,
        ]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=2 * _SECONDS,
                start_new_session=True,
            )
        except (subprocess.TimeoutExpired, OSError):
            return False
    return done.returncode == _PASSED
