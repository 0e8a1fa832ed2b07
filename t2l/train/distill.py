"""Distillation: a hypernetwork learns to make the adapters that a trained one makes.
Knows descriptions and networks; no base model and no example is read."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from t2l.encoder import TextEncoder
from t2l.errors import T2LError, check_range, check_whole
from t2l.generator import Condition, Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.likeness import TaskIndex
from t2l.lora import LoRAWeights
from t2l.official import load_generator
from t2l.tasks import digest, require_descriptions, training_tasks
from t2l.train.loop import FitConfig, fit, make_accelerator
from t2l.train.recon import relative_errors, relative_loss
from t2l.train.sft import VALIDATED, blur, stack_conditions


@dataclass(frozen=True)
class DistillRun:
    """What `train_distill` trains: the network's form, its teacher, and whose descriptions both read.

    teacher: folder of a checkpoint that reads descriptions; base, encoder, targets and rank are its own.
    tasks: folders of task suites. descriptions: how many of each task's are read.
    tasks_per_step: adapters of a step. condition_noise: the teacher is asked near descriptions, see
        `t2l.train.sft.blur`; 0 asks it at descriptions alone.
    val_tasks: tasks whose descriptions are kept out and scored.
    """

    teacher: str
    tasks: tuple[str, ...]
    variant: str = "s"
    latent_size: int = 128
    head_size: int = 256
    share: str = "none"
    descriptions: int = 6
    val_tasks: tuple[str, ...] = ()
    open_license: bool = False
    tasks_per_step: int = 16
    condition_noise: float = 1.0

    def __post_init__(self) -> None:
        for name in ("descriptions", "tasks_per_step"):
            check_whole(getattr(self, name), name)
        check_range(self.condition_noise, "condition_noise", 0, 10)


def train_distill(
    run: DistillRun, fitting: FitConfig, out: str | Path, *, stop_after: int | None = None
) -> int:
    """Trains a T2L to make what its teacher makes of a suite's descriptions; returns the steps done.

    Writes `out`/generator (what `Generator.load` and `init` of SFT read). Tasks of split eval are never read.
    Raises T2LError for a teacher that reads anything but one embedding of a text.
    """
    teacher = load_generator(run.teacher)
    taught = teacher.network
    if not isinstance(taught, T2L) or taught.config.condition != "pooled" or teacher.tasks:
        raise T2LError(
            f"{run.teacher} does not read descriptions as one embedding each; give a checkpoint of "
            '`t2l train sft` or `t2l train recon` with condition="pooled".'
        )
    accelerator = make_accelerator(fitting, out, cpu=not torch.cuda.is_available())
    rank, world = accelerator.process_index, accelerator.num_processes
    tasks, held_out = training_tasks(run.tasks, run.val_tasks, run.open_license)
    require_descriptions((*tasks, *held_out), run.descriptions)
    if run.tasks_per_step > len(tasks) or run.tasks_per_step % world:
        raise T2LError(
            f"tasks_per_step={run.tasks_per_step} must be shared by {world} processes and at most "
            f"{len(tasks)}, the number of tasks."
        )
    encoder = teacher.encoder
    assert isinstance(encoder, TextEncoder)  # it reads one embedding of a text
    vectors = [
        encoder.encode_cached([Condition(d).text for d in task.descriptions]) for task in (*tasks, *held_out)
    ]
    trained = [v[: run.descriptions] for v in vectors[: len(tasks)]]
    config = T2LConfig(
        teacher.spec,
        taught.config.condition_size,
        run.variant,
        run.latent_size,
        run.head_size,
        run.share,
        shift="element",
        scale="scalar",
    )
    torch.manual_seed(fitting.seed)
    network = T2L(config).initialise("zero", fitting.seed)
    if taught.config.shift == "element":
        # What the teacher's own training began at is the best start there is.
        network.shift.load_state_dict(taught.shift.state_dict())
    taught.to(accelerator.device)

    @torch.no_grad()
    def ask(condition: Tensor) -> LoRAWeights:
        return taught.eval()(condition)

    def sample(step: int) -> Tensor:
        draw = random.Random(f"{fitting.seed}/{step}")
        asked = []
        for number in draw.sample(range(len(tasks)), run.tasks_per_step):
            texts = trained[number]
            one, other = (texts[draw.randrange(len(texts))] for _ in range(2))
            asked.append(blur(one, other, run.condition_noise, draw) if run.condition_noise else one)
        return stack_conditions(asked[rank::world])

    def loss(student: nn.Module, condition: Tensor) -> dict[str, Tensor]:
        condition = condition.to(accelerator.device)
        return {"loss": relative_loss(student(condition), ask(condition))}

    validate = _validation(ask, accelerator.device, run, trained, vectors, len(held_out))
    folder = Path(out)
    found = {"data": digest([*tasks, *held_out])}
    facts = {"method": "distill", **asdict(run), "teacher_id": teacher.id, "fit": asdict(fitting), **found}

    def export(student: nn.Module, step: int) -> None:
        assert isinstance(student, T2L)
        # What the teacher knows its adapters hold, and so do these.
        known = [*(task.name for task in tasks), *teacher.training.get("tasks", ())]
        training = {**facts, "tasks": list(dict.fromkeys(known)), "steps_done": step}
        Generator(
            student,
            teacher.encoder_name,
            teacher.base_weights_id,
            training,
            encoder_adapter=teacher.encoder_adapter,
            index=TaskIndex.of([t.name for t in tasks], [t.descriptions[0] for t in tasks], trained),
            pull=teacher.pull,
            says_task=teacher.says_task,
        ).save(folder / "generator")

    return fit(
        network,
        sample,
        loss,
        folder,
        fitting,
        run=facts,
        known=found,
        validate=validate,
        export=export,
        accelerator=accelerator,
        stop_after=stop_after,
    )


def _validation(
    ask: Callable[[Tensor], LoRAWeights],
    device: torch.device,
    run: DistillRun,
    trained: Sequence[Tensor],
    vectors: Sequence[Tensor],
    held_out: int,
) -> Callable[[nn.Module], dict[str, float]]:
    """A function student -> mean relative error of ΔW on each kind of description, 0 where it is exact."""
    new = (v[run.descriptions :] for v in vectors[: len(trained)])
    groups: dict[str, list[Tensor]] = {
        "seen": [v[0] for v in trained],
        "unseen_descriptions": [v[0] for v in new if len(v)],
        "unseen_tasks": [v[0] for v in vectors[len(vectors) - held_out :]],
    }

    def validate(student: nn.Module) -> dict[str, float]:
        means: dict[str, float] = {}
        for kind, every in groups.items():
            errors = []
            # An even choice tells enough in a short time.
            for one in every[:: -(-len(every) // VALIDATED) or 1]:
                condition = one.unsqueeze(0).to(device)
                errors += relative_errors(student(condition), ask(condition)).values()
            if errors:
                means[f"{kind}_error"] = float(torch.stack(errors).mean())
        return means

    return validate
