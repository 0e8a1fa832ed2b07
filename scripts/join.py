"""Joins two checkpoints of one form: a plane between their tasks' descriptions says which makes an adapter.

    python scripts/join.py GENERAL SPECIALIST OUT --tasks SUITES --specialist-tasks SUITES

The plane is a logistic regression on the encoder's vectors of descriptions 0 to 5; both sides weigh the same,
and so do all families of a side, a task without one being its own. Tasks of both sides count as the
specialist's. Descriptions 6 and 7 say how many end on the right side. What is trained from OUT goes on from
GENERAL alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from t2l.encoder import TextEncoder
from t2l.errors import T2LError, run_script
from t2l.generator import Condition, Generator
from t2l.hypernet import T2L
from t2l.likeness import TaskIndex
from t2l.tasks import Task, family_weights, training_tasks
from t2l.train.contrast import learned

TRAINED = 6
L2 = 1e-4  # keeps the weights of sides that a plane separates from growing without end
Sides = tuple[Tensor, Tensor]


def plane(usual: Sides, special: Sides) -> Tensor:
    """Weights and bias (c + 1,) of a logistic regression between two sides, above 0 for the second.

    A side is (vectors (n, c), weights (n,)); both sides weigh the same.
    """
    x = torch.cat([usual[0], special[0]])
    y = torch.cat([torch.zeros(len(usual[0])), torch.ones(len(special[0]))])
    weight = torch.cat([w / w.sum() / 2 for _, w in (usual, special)])
    gate = torch.zeros(x.shape[1] + 1, requires_grad=True)
    solver = torch.optim.LBFGS([gate], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        off = F.binary_cross_entropy_with_logits(x @ gate[:-1] + gate[-1], y, reduction="none")
        value = (weight * off).sum() + L2 * gate[:-1].square().sum()
        value.backward()
        return value

    solver.step(loss)
    return gate.detach()


def joined(general: Generator, special: Generator, gate: Tensor) -> Generator:
    """One checkpoint of both; raises T2LError where they differ in more than their training."""

    def facts(of: Generator) -> tuple:
        fitted = of.encoder_adapter
        held = (
            None
            if fitted is None
            else (fitted.spec, [t.tolist() for t in (*fitted.A.values(), *fitted.B.values())])
        )
        return (
            of.network.config,
            list(of.spec.targets),
            of.base_weights_id,
            of.encoder_name,
            of.says_task,
            of.pull,
            held,
        )

    if (
        not isinstance(general.network, T2L)
        or not isinstance(special.network, T2L)
        or general.reads != "text"
    ):
        raise T2LError("Only checkpoints that read descriptions can be joined.")
    if special.specialist is not None or general.specialist is not None:
        raise T2LError("A checkpoint that has a specialist already cannot be joined again; give its parts.")
    if general.network.config.condition != "pooled" or facts(general) != facts(special):
        raise T2LError(
            "The checkpoints differ in more than their training, or read tokens; join two of one form."
        )
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

    general, special = Generator.load(args.general), Generator.load(args.specialist)
    encoder = general.encoder
    if not isinstance(encoder, TextEncoder):
        raise T2LError(f"{args.general} reads no descriptions.")
    own, _ = training_tasks(args.specialist_tasks.split(","), (), False)
    names = {task.name for task in own}
    others = [task for task in training_tasks(args.tasks.split(","), (), False)[0] if task.name not in names]

    def read(tasks: Sequence[Task]) -> list[Tensor]:
        return [encoder.encode_cached([Condition(d).text for d in task.descriptions]) for task in tasks]

    def weighed(tasks: Sequence[Task], vectors: Sequence[Tensor]) -> Sides:
        likely = family_weights(tasks, 1.0)
        used = [v[:TRAINED] for v in vectors]
        return torch.cat(used), torch.cat(
            [torch.full((len(v),), w) for v, w in zip(used, likely, strict=True)]
        )

    usual, specials = read(others), read(own)
    gate = plane(weighed(others, usual), weighed(own, specials))
    result = joined(general, special, gate.bfloat16().float())
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
    known = general.index
    if known is not None:
        kept = [n for n, name in enumerate(known.names) if name not in names]
        centres = TaskIndex(
            (*(known.names[n] for n in kept), *centres.names),
            (*(known.descriptions[n] for n in kept), *centres.descriptions),
            torch.cat([known.centres[kept], centres.centres]),
            known.far,
        )
    both = [*learned(args.general), *learned(args.specialist), *names]
    training = {
        **general.training,
        "tasks": list(dict.fromkeys(both)),
        "specialist": dict(special.training) | {"tasks": sorted(names)},
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
