"""The tasks of `data/written`, to train on, as a suite: `python data/build/written.py OUT`.

A language model wrote each of them one by one: eight descriptions and some twenty examples. The files hold
them in lines: `### name`, `category:`, `choices:` where labels are a closed set, `D:` a description, `E:` an
input, ||| and its output.
"""

import argparse
from pathlib import Path
from typing import Any

from build import write_training_task

WRITTEN = Path(__file__).parents[1] / "written"
LICENSE = "CC0-1.0 (written for this suite)"
LEAST = 12  # examples to train on
DESCRIPTIONS = 8
Entry = tuple[dict[str, Any], list[tuple[str, str]]]


def parse(text: str, where: str) -> list[Entry]:
    """Every task of a file with its examples; raises ValueError naming the line that is none of a task's."""
    tasks: list[Entry] = []
    for number, line in enumerate(text.splitlines(), 1):
        key, _, value = (part.strip() for part in line.partition("### " if line.startswith("#") else ":"))
        if line.startswith("### "):
            tasks.append(({"name": value, "descriptions": []}, []))
        elif tasks and key == "category":
            tasks[-1][0][key] = value
        elif tasks and key == "choices":
            tasks[-1][0][key] = [label.strip() for label in value.split("|")]
        elif tasks and key == "D" and value:
            tasks[-1][0]["descriptions"].append(value)
        elif tasks and key == "E" and value.count("|||") == 1:
            x, y = (part.strip() for part in value.split("|||"))
            tasks[-1][1].append((x, y))
        elif line.strip():
            raise ValueError(f"{where}, line {number}: {line!r} is no line of a task")
    return tasks


def tested(pairs: list[tuple[str, str]]) -> int:
    """How many of a task's examples, its last ones, are for tests."""
    return 8 if len(pairs) > 20 else 4


def check(task: dict[str, Any], pairs: list[tuple[str, str]]) -> str:
    """What is wrong with a task, or nothing."""
    if len(set(task["descriptions"])) != DESCRIPTIONS:
        return f"{len(set(task['descriptions']))} descriptions, not {DESCRIPTIONS}"
    if "category" not in task:
        return "no category"
    if not all(x and y for x, y in pairs) or len({x for x, _ in pairs}) != len(pairs):
        return "an empty example, or one input twice"
    if len(pairs) < LEAST + tested(pairs) or len({y for _, y in pairs}) < 2:
        return f"{len(pairs)} examples, or all with one answer"
    if strange := {y for _, y in pairs} - set(task.get("choices", [y for _, y in pairs])):
        return f"answers that are no choices: {sorted(strange)}"
    return ""


def build(out: Path) -> int:
    """Write every task into a folder of its own; raises ValueError naming the first that cannot serve."""
    seen: set[str] = set()
    for file in sorted(WRITTEN.glob("*.txt")):
        for number, (task, pairs) in enumerate(parse(file.read_text(encoding="utf-8"), file.name)):
            fault = "a name that is there already" if task["name"] in seen else check(task, pairs)
            if fault:
                raise ValueError(f"{file.name}, {task['name']}: {fault}")
            seen.add(task["name"])
            facts = {
                "category": task["category"],
                "source": "written by a language model",
                "license": LICENSE,
                "max_new_tokens": 48,
            }
            # Twenty of a file are one family, so that the few examples of each are not drawn too often.
            family, said = f"written_{file.stem}_{number // 20}", task["descriptions"]
            folder = out / f"written_{task['name']}"
            end = len(pairs) - tested(pairs)
            write_training_task(
                folder, facts, task.get("choices", []), family, said, pairs[:end], pairs[end:]
            )
    return len(seen)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder that the tasks are written into")
    print(f"{build(parser.parse_args().out)} tasks")


if __name__ == "__main__":
    main()
