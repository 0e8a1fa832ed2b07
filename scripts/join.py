"""Joins two checkpoints of one form: a gate that reads the description says which of them makes an adapter.

    python scripts/join.py GENERAL SPECIALIST OUT --tasks SUITES --specialist-tasks SUITES

The gate is a small network on the encoder's vectors of descriptions 0 to 5. All families of a side weigh the
same, a task without one being its own; tasks of both sides count as the specialist's. In doubt the general
one makes the adapter. Descriptions 6 and 7 say how many end on the right side. What is trained from OUT goes
on from GENERAL alone. A specialist that GENERAL has already is left out of OUT.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2l.encoder import TextEncoder
from t2l.errors import T2LError, run_script
from t2l.generator import Condition, Generator, new_gate
from t2l.hypernet import T2L
from t2l.likeness import TaskIndex
from t2l.tasks import Task, family_weights, training_tasks
from t2l.train.contrast import learned
from t2l.train.distill import alike, pooled_generator

TRAINED = 6
STEPS, ROWS, RATE = 300, 4096, 3e-3
NOISE = 0.5  # on vectors of mean square 1, against learning descriptions by heart
MARGIN = (
    2.0  # log odds by which a specialist has to be ahead; chosen on descriptions 6 and 7 of trained tasks
)
Sides = tuple[Tensor, Tensor]


def train_gate(usual: Sides, special: Sides, seed: int = 0) -> nn.Sequential:
    """A gate between two sides, above zero where the second is ahead by MARGIN.

    A side is (vectors (n, c), weights (n,)); both sides weigh the same.
    """
    x = torch.cat([usual[0], special[0]])
    y = torch.cat([torch.zeros(len(usual[0])), torch.ones(len(special[0]))])
    weight = torch.cat([w / w.sum() for _, w in (usual, special)])
    torch.manual_seed(seed)
    gate = new_gate(x.shape[1])
    optimizer = torch.optim.AdamW(gate.parameters(), RATE, weight_decay=1e-3)
    for _ in range(STEPS):
        drawn = torch.multinomial(weight, ROWS, replacement=True)
        told = gate(x[drawn] + NOISE * torch.randn(ROWS, x.shape[1]))[:, 0]
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(told, y[drawn]).backward()
        optimizer.step()
    last = gate.requires_grad_(False)[2]
    assert isinstance(last, nn.Linear)
    last.bias.sub_(MARGIN)
    # As it is stored.
    return gate.bfloat16().float()


def joined(general: Generator, special: Generator, gate: nn.Sequential) -> Generator:
    """One checkpoint of both, the second instead of a specialist of the first.

    Raises T2LError where they differ in more than their training.
    """
    if special.specialist is not None:
        raise T2LError(
            "A checkpoint that has a specialist already cannot be one; give what it was joined of."
        )
    if not alike(general, special) or general.network.config != special.network.config:
        raise T2LError("The checkpoints differ in more than their training; join two of one form.")
    assert isinstance(special.network, T2L)
    return replace(general, specialist=special.network, gate=gate, _id="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("general")
    parser.add_argument("specialist")
    parser.add_argument("out")
    parser.add_argument("--tasks", required=True, help="suites of the general one, separated by commas")
    parser.add_argument("--specialist-tasks", required=True, help="suites of the specialist, by commas")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    general, special = pooled_generator(args.general), pooled_generator(args.specialist)
    encoder = general.encoder
    assert isinstance(encoder, TextEncoder)  # it reads one embedding of a text
    own, _ = training_tasks(args.specialist_tasks.split(","), (), False)
    names = {task.name for task in own}
    others = [task for task in training_tasks(args.tasks.split(","), (), False)[0] if task.name not in names]
    if not others:
        raise T2LError("--tasks has no task but the specialist's, so a gate has nothing to tell apart.")

    def read(tasks: Sequence[Task]) -> list[Tensor]:
        return [encoder.encode_cached([Condition(d).text for d in task.descriptions]) for task in tasks]

    def weighed(tasks: Sequence[Task], vectors: Sequence[Tensor]) -> Sides:
        likely = family_weights(tasks, 1.0)
        used = [v[:TRAINED] for v in vectors]
        return torch.cat(used), torch.cat(
            [torch.full((len(v),), w) for v, w in zip(used, likely, strict=True)]
        )

    usual, specials = read(others), read(own)
    gate = train_gate(weighed(others, usual), weighed(own, specials))
    result = joined(general, special, gate)
    right = {
        where: float(
            (result.special(torch.cat([v[TRAINED:] for v in vectors])) == (where == "specialist"))
            .float()
            .mean()
        )
        for where, vectors in (("general", usual), ("specialist", specials))
    }
    centres = TaskIndex.of(
        [t.name for t in own], [t.descriptions[0] for t in own], [v[:TRAINED] for v in specials]
    )
    was = general.training.get("specialist")
    # What a specialist that goes brought alone. `t2l train distill` has the name of its second teacher there.
    former = set(was.get("brought", was.get("tasks", ()))) if isinstance(was, dict) else set()
    kept = dict.fromkeys(name for name in learned(args.general) if name not in former)
    brought = sorted({*learned(args.specialist), *names} - kept.keys())
    known = general.index
    if known is not None:
        old = known.subset([n for n, name in enumerate(known.names) if name not in names | former])
        centres = TaskIndex(
            old.names + centres.names,
            old.descriptions + centres.descriptions,
            torch.cat([old.centres, centres.centres]),
            old.far,
        )
    training = {
        **general.training,
        "tasks": [*kept, *brought],
        "specialist": dict(special.training) | {"tasks": sorted(names), "brought": brought},
        "gate": right,
    }
    replace(result, training=training, index=centres, _id="").save(args.out)
    for side, share in right.items():
        print(
            f"{100 * share:.1f} % of the other descriptions of the {side} tasks are on its side", flush=True
        )
    if args.json:
        print(json.dumps({"out": args.out, "tasks": [len(others), len(own)], "right": right}))


if __name__ == "__main__":
    run_script(main)
