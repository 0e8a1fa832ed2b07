"""Build the task suite, always the same bytes: `python data/build/build.py OUT`."""

import json
import random
import sys
from pathlib import Path

import families  # noqa: F401  fills base.TASKS
import yaml
from families import base
from generators import GENERATORS, Pair, examples

LICENSE = "CC0-1.0 (generated for this suite)"


def split(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Train and test: 70/30 below 120 pairs, 80/20 below 1000, else 800/200."""
    pairs = sorted(pairs)
    random.Random(0).shuffle(pairs)
    n = len(pairs)
    n_test = n - round(0.7 * n) if n < 120 else min(round(0.2 * n), 200)
    return pairs[n_test:], pairs[:n_test]


def write_lines(path: Path, pairs: list[Pair]) -> None:
    lines = [json.dumps({"input": i, "output": o}, ensure_ascii=False) + "\n" for i, o in pairs]
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def write_task(folder: Path, task: dict, train: list[Pair], test: list[Pair]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(task, sort_keys=False, allow_unicode=True, width=10000)
    (folder / "task.yaml").write_text(text, encoding="utf-8", newline="\n")
    write_lines(folder / "train.jsonl", train)
    write_lines(folder / "test.jsonl", test)


def write_training_task(
    folder: Path,
    facts: dict,
    choices: list[str],
    family: str,
    descriptions: list[str],
    train: list[Pair],
    test: list[Pair],
) -> None:
    """A task of split train under an open licence.

    facts: its category, source, license and max_new_tokens. choices: the labels, where they are a closed set.
    """
    task = {
        "name": folder.name,
        "category": facts["category"],
        "source": facts["source"],
        "license": facts["license"],
        "open_license": True,
        "split": "train",
        "metric": "choice" if choices else "exact_match",
        "max_new_tokens": facts["max_new_tokens"],
        **({"choices": choices} if choices else {}),
        "family": family,
        "descriptions": descriptions,
    }
    write_task(folder, task, train, test)


def read(name: str) -> dict:
    return yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def agree(one: set[str], other: set[str], where: str) -> None:
    if one != other:
        raise SystemExit(f"error: not in both {where}: {', '.join(sorted(one ^ other))}")


def build_first(out: Path) -> None:
    """The 60 tasks that are described one by one."""
    facts = read("tasks.yaml")
    agree(set(facts), set(GENERATORS), "tasks.yaml and generators.py")
    for name, fact in facts.items():
        train, test = split(examples(name))
        task: dict = {
            "name": name,
            "category": fact["category"],
            "source": "programmatic",
            "license": LICENSE,
        }
        task |= {"open_license": True} | {key: fact[key] for key in ("split", "metric", "max_new_tokens")}
        if fact["metric"] == "choice":
            task["choices"] = sorted({output for _, output in train + test})
        task["descriptions"] = fact["descriptions"]
        write_task(out / name, task, train, test)


def build_families(out: Path) -> None:
    """The tasks that come from families."""
    lengths = read("lengths.yaml")
    agree(set(lengths), set(base.TASKS), "lengths.yaml and the families")
    for name, member in base.TASKS.items():
        train, test = base.split(base.examples(name))
        task: dict = {"name": name, "category": member.category, "source": "programmatic", "license": LICENSE}
        task |= {"open_license": True, "split": member.split}
        task |= {"metric": "choice" if member.choice else "exact_match", "max_new_tokens": lengths[name]}
        if member.choice:
            task["choices"] = sorted({output for _, output in train + test})
        task["family"] = member.family
        task["descriptions"] = member.descriptions
        write_task(out / name, task, train, test)


def build(out: Path) -> None:
    agree(set(), GENERATORS.keys() & base.TASKS.keys(), "generators.py alone or the families alone")
    build_first(out)
    build_families(out)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: build.py OUT")
    build(Path(sys.argv[1]))
