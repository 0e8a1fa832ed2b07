"""Distillation: a hypernetwork learns to make the adapters that one trained network makes, or two.
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
from t2l.tasks import Task, digest, draw_tasks, family_weights, require_descriptions, training_tasks
from t2l.train.contrast import learned
from t2l.train.loop import FitConfig, defaults, fit, make_accelerator
from t2l.train.recon import relative_errors, relative_loss
from t2l.train.sft import VALIDATED, begin_from, blur, stack_conditions


@dataclass(frozen=True)
class DistillRun:
    """What `train_distill` trains: the network's form, its teachers, and whose descriptions they read.

    teacher: folder of a checkpoint that reads descriptions; base, encoder, targets and rank are its own.
    tasks: folders of task suites. descriptions: how many of each task's are read.
    specialist: a second teacher with the same base, encoder, targets and rank. It is asked about the suites
        `specialist_tasks`, and the first about none of their tasks; `specialist_share` of a step's adapters
        are its own. So one network learns what two were trained to make.
    init: a checkpoint of the student's form that it begins at, mostly the teacher.
    learn_offset: what all adapters have in common learns too, see `t2l.train.sft.SFTRun`.
    tasks_per_step: adapters of a step. family_power: see `t2l.train.sft.SFTConfig`.
    condition_noise: the teachers are asked near descriptions, see `t2l.train.sft.blur`; 0 asks them at
        descriptions alone.
    val_tasks: tasks whose descriptions are kept out and scored.
    Raises T2LError for settings that exclude each other.
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
    specialist: str = ""
    specialist_tasks: tuple[str, ...] = ()
    specialist_share: float = 0.25
    init: str = ""
    learn_offset: bool = False
    tasks_per_step: int = 16
    family_power: float = 0.0
    condition_noise: float = 1.0

    def __post_init__(self) -> None:
        for name in ("descriptions", "tasks_per_step"):
            check_whole(getattr(self, name), name)
        check_range(self.condition_noise, "condition_noise", 0, 10)
        check_range(self.family_power, "family_power", 0, 1)
        check_range(self.specialist_share, "specialist_share", 0, 1)
        if bool(self.specialist) != bool(self.specialist_tasks):
            raise T2LError("specialist and specialist_tasks belong together; give both or neither.")


@dataclass(frozen=True)
class _Lesson:
    """What one teacher is asked: of which tasks, at which vectors, and how many adapters a step."""

    teacher: Generator
    tasks: Sequence[Task]
    vectors: Sequence[Tensor]
    count: int

    @torch.no_grad()
    def ask(self, condition: Tensor) -> LoRAWeights:
        return self.teacher.adapters(condition)


def train_distill(
    run: DistillRun, fitting: FitConfig, out: str | Path, *, stop_after: int | None = None
) -> int:
    """Trains a T2L to make what its teachers make of suites' descriptions; returns the steps done.

    Writes `out`/generator (what `Generator.load` and `init` of SFT read). Tasks of split eval are never read.
    Raises T2LError for a teacher that reads anything but one embedding of a text.
    """
    teacher = pooled_generator(run.teacher)
    taught, encoder = teacher.network, teacher.encoder
    assert isinstance(taught, T2L) and isinstance(encoder, TextEncoder)
    accelerator = make_accelerator(fitting, out, cpu=not torch.cuda.is_available())
    rank, world = accelerator.process_index, accelerator.num_processes

    tasks, held_out = training_tasks(run.tasks, run.val_tasks, run.open_license)
    special, _ = training_tasks(run.specialist_tasks, (), run.open_license)
    special = [task for task in special if task.name not in run.val_tasks]
    others = {task.name for task in special}
    tasks = [task for task in tasks if task.name not in others]
    require_descriptions((*tasks, *held_out, *special), run.descriptions)

    def read(tasks: Sequence[Task]) -> list[Tensor]:
        return [encoder.encode_cached([Condition(d).text for d in task.descriptions]) for task in tasks]

    vectors = read((*tasks, *held_out))
    trained = [v[: run.descriptions] for v in vectors[: len(tasks)]]
    few = round(run.specialist_share * run.tasks_per_step) if special else 0
    lessons = [_Lesson(teacher, tasks, trained, run.tasks_per_step - few)]
    if special:
        said = [v[: run.descriptions] for v in read(special)]
        lessons.append(_Lesson(_like(teacher, run.specialist), special, said, few))
    for lesson in lessons:
        if not 0 < lesson.count <= len(lesson.tasks) or lesson.count % world:
            raise T2LError(
                f"tasks_per_step={run.tasks_per_step} asks a teacher for {lesson.count} adapters; they must "
                f"be shared by {world} processes, at least 1 and at most {len(lesson.tasks)}, one a task."
            )
        for part in (lesson.teacher.network, lesson.teacher.specialist):
            if part is not None:
                part.to(accelerator.device)
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
    start = _like(teacher, run.init) if run.init else None
    if start:
        begin_from(network, start.network)
    if run.learn_offset:
        network.free_shift()

    weights = [family_weights(lesson.tasks, run.family_power) for lesson in lessons]

    def sample(step: int) -> Tensor:
        draw = random.Random(f"{fitting.seed}/{step}")
        asked: list[Tensor] = []
        for lesson, likely in zip(lessons, weights, strict=True):
            own = []
            for number in draw_tasks(draw, likely, lesson.count):
                texts = lesson.vectors[number]
                one, other = (texts[draw.randrange(len(texts))] for _ in range(2))
                own.append(blur(one, other, run.condition_noise, draw) if run.condition_noise else one)
            asked += own[rank::world]
        return stack_conditions(asked)

    def loss(student: nn.Module, condition: Tensor) -> dict[str, Tensor]:
        condition = condition.to(accelerator.device)
        made, value, first = student(condition), condition.new_zeros(()), 0
        for lesson in lessons:
            part = slice(first, first := first + lesson.count // world)
            share = lesson.count / run.tasks_per_step
            value = value + share * relative_loss(made[part], lesson.ask(condition[part]))
        return {"loss": value}

    validate = _validation(lessons, accelerator.device, run, vectors, len(held_out))
    folder = Path(out)
    found = {"data": digest([*tasks, *held_out])}
    if special:
        found |= {"specialist_id": lessons[1].teacher.id, "specialist_data": digest(special)}
    if start:
        found |= {"init_id": start.id}
    facts = {"method": "distill", **asdict(run), "teacher_id": teacher.id, "fit": asdict(fitting), **found}

    def export(student: nn.Module, step: int) -> None:
        assert isinstance(student, T2L)
        # What its teachers know their adapters hold, and so do these.
        names = [task.name for lesson in lessons for task in lesson.tasks]
        for source in filter(None, (run.teacher, run.specialist, run.init)):
            names += learned(source)
        training = {**facts, "tasks": list(dict.fromkeys(names)), "steps_done": step}
        every, said = [*tasks, *special], [v for lesson in lessons for v in lesson.vectors]
        Generator(
            student,
            teacher.encoder_name,
            teacher.base_weights_id,
            training,
            encoder_adapter=teacher.encoder_adapter,
            index=TaskIndex.of([t.name for t in every], [t.descriptions[0] for t in every], said),
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
        known={**defaults(DistillRun), **found},
        validate=validate,
        export=export,
        accelerator=accelerator,
        stop_after=stop_after,
    )


def pooled_generator(source: str) -> Generator:
    """A checkpoint that reads descriptions as one embedding each; raises T2LError for another."""
    teacher = load_generator(source)
    taught = teacher.network
    if not isinstance(taught, T2L) or taught.config.condition != "pooled" or teacher.tasks:
        raise T2LError(
            f"{source} does not read descriptions as one embedding each; give a checkpoint of "
            '`t2l train sft` or `t2l train recon` with condition="pooled".'
        )
    return teacher


def alike(one: Generator, other: Generator) -> bool:
    """Whether two pooled checkpoints have one base, one encoder, one form of adapters and of prompts."""

    def facts(of: Generator) -> tuple:
        assert isinstance(of.encoder, TextEncoder)
        return of.spec, list(of.spec.targets), of.base_weights_id, of.encoder.id, of.says_task, of.pull

    return facts(one) == facts(other)


def _like(teacher: Generator, source: str) -> Generator:
    """Another checkpoint that may stand in for the teacher; raises T2LError where it may not."""
    other = pooled_generator(source)
    if not alike(teacher, other):
        raise T2LError(
            f"{source} has another base, encoder, rank, targets or prompts than the teacher; "
            "give one that differs in nothing but its training."
        )
    return other


def _validation(
    lessons: Sequence[_Lesson],
    device: torch.device,
    run: DistillRun,
    vectors: Sequence[Tensor],
    held_out: int,
) -> Callable[[nn.Module], dict[str, float]]:
    """A function student -> mean relative error of ΔW on each kind of description, 0 where it is exact."""
    first = lessons[0]
    new = (v[run.descriptions :] for v in vectors[: len(first.tasks)])
    groups: dict[str, tuple[_Lesson, list[Tensor]]] = {
        "seen": (first, [v[0] for v in first.vectors]),
        "unseen_descriptions": (first, [v[0] for v in new if len(v)]),
        "unseen_tasks": (first, [v[0] for v in vectors[len(vectors) - held_out :]]),
    }
    if run.specialist:
        groups["specialist_seen"] = (lessons[1], [v[0] for v in lessons[1].vectors])

    def validate(student: nn.Module) -> dict[str, float]:
        means: dict[str, float] = {}
        for kind, (lesson, every) in groups.items():
            errors = []
            # An even choice tells enough in a short time.
            for one in every[:: -(-len(every) // VALIDATED) or 1]:
                condition = one.unsqueeze(0).to(device)
                errors += relative_errors(student(condition), lesson.ask(condition)).values()
            if errors:
                means[f"{kind}_error"] = float(torch.stack(errors).mean())
        return means

    return validate
