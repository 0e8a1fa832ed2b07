"""Fits the text encoder to task descriptions: two wordings of one task come close, other tasks go away.
Knows tasks and the encoder; no base model and no hypernetwork."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2l.attach import FreeLoRA
from t2l.encoder import DEFAULT_ENCODER, TextEncoder, adapter_from, adapter_state
from t2l.errors import T2LError, check_range, check_whole
from t2l.files import complete_or_absent
from t2l.generator import Condition
from t2l.lora import LoRASpec, LoRAWeights
from t2l.tasks import Task, digest, draw_tasks, family_weights, training_tasks, with_paraphrases
from t2l.train.loop import FitConfig, defaults, fit

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
LIBRARY = "library.json"  # which `t2l.train.library` writes


@dataclass(frozen=True)
class ContrastRun:
    """What `train_encoder` trains, and on which descriptions.

    tasks: folders of task suites. descriptions: how many of each task's are trained on. val_tasks: names of
    tasks of split train that are kept out. targets: modules of the encoder's layers that get a LoRA.
    tasks_per_step: half of them drawn at random, half as siblings of those (another of the same family),
    which differ in a word. temperature: cosines are divided by it. paraphrases: file of further descriptions
    to train on, see `t2l.tasks.read_paraphrases`. family_power: a task is drawn with its family's size to the
    power of minus this. init: folder `encoder` of another run to begin from; targets, rank and alpha are its.
    Raises T2LError for values that cannot work.
    """

    tasks: tuple[str, ...]
    encoder: str = DEFAULT_ENCODER
    targets: tuple[str, ...] = (
        "attention.self.query",
        "attention.self.value",
        "intermediate.dense",
        "output.dense",
    )
    rank: int = 8
    alpha: float = 16
    descriptions: int = 6
    val_tasks: tuple[str, ...] = ()
    open_license: bool = False
    tasks_per_step: int = 32
    temperature: float = 0.05
    paraphrases: str = ""
    family_power: float = 0.0
    init: str = ""

    def __post_init__(self) -> None:
        for name, least in (("descriptions", 2), ("tasks_per_step", 4)):
            check_whole(getattr(self, name), name, least)
        check_range(self.family_power, "family_power", 0, 1)
        if not 0 < self.temperature <= 1:
            raise T2LError(f"temperature must be above 0 and at most 1, not {self.temperature!r}.")


def train_encoder(run: ContrastRun, fitting: FitConfig, out: str | Path) -> int:
    """Trains a LoRA of the text encoder by InfoNCE on pairs of descriptions; returns the steps done.

    Writes `out`/encoder (what `load_encoder_adapter` reads). Tasks of split eval are never read.
    Source: the loss is that of SimCSE, arXiv 2104.08821, with wordings of a task as positives.
    """
    encoder = TextEncoder(run.encoder)
    known = learned(run.init) if run.init else []
    keep_out(run.val_tasks, known, run.init)
    usable, held_out = training_tasks(run.tasks, run.val_tasks, run.open_license)
    tasks = [t for t in usable if len(t.descriptions) >= run.descriptions]
    if few := len(usable) - len(tasks):
        print(
            f"{few} tasks have fewer than {run.descriptions} descriptions and are left out.", file=sys.stderr
        )
    if len(tasks) < run.tasks_per_step:
        raise T2LError(f"tasks_per_step={run.tasks_per_step}, but there are only {len(tasks)} tasks.")
    said_so = with_paraphrases(tasks, run.paraphrases, run.descriptions)
    weights = family_weights(tasks, run.family_power)
    families: dict[str, list[int]] = {}
    for number, task in enumerate(tasks):
        families.setdefault(task.family or task.name, []).append(number)

    def sample(step: int) -> list[str]:
        """2k texts: one wording of each of k tasks, then another one of each."""
        draw = random.Random(f"{fitting.seed}/{step}")
        chosen = draw_tasks(draw, weights, run.tasks_per_step // 2)
        siblings = [draw.choice(families[tasks[n].family or tasks[n].name]) for n in chosen]
        numbers = list(dict.fromkeys([*chosen, *siblings]))
        pairs = [draw.sample(said_so[n].descriptions, 2) for n in numbers]
        return [pair[side] for side in (0, 1) for pair in pairs]

    def loss(network: nn.Module, texts: list[str]) -> dict[str, Tensor]:
        with encoder.attached(network(torch.tensor([0]))[0]):
            first, second = encoder.pooled([Condition(text).text for text in texts]).chunk(2)
        scores = first @ second.T / run.temperature
        right = torch.arange(len(scores))
        value = (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2
        return {
            "loss": value,
            "accuracy": (scores.argmax(1) == right).float().mean(),
            "tokens": torch.tensor(0.0),
        }

    def validate(network: nn.Module) -> dict[str, float]:
        with encoder.attached(network(torch.tensor([0]))[0]):
            every = [*tasks, *held_out]
            return {
                f"{name}_nearest": nearest(encoder, every, which, run.descriptions)
                for name, which in (("seen", tasks), ("unseen_tasks", held_out))
                if which
            }

    folder, names = Path(out), list(dict.fromkeys([*(task.name for task in tasks), *known]))
    found = {"data": digest([*said_so, *held_out]), "encoder_id": encoder.id}
    facts = {"method": "contrast", **asdict(run), **found}

    def export(network: nn.Module, step: int) -> None:
        _save(
            network(torch.tensor([0]))[0],
            {**facts, "tasks": names, "fit": asdict(fitting), "steps_done": step},
            folder / "encoder",
        )

    network = FreeLoRA(encoder.spec(run.targets, run.rank, run.alpha), 1, fitting.seed)
    if run.init:
        start = load_encoder_adapter(run.init)
        if start.spec != network.spec:
            raise T2LError(f"The adapter to begin from has the form {start.spec}, not {network.spec}.")
        network.begin_at(start)
    return fit(
        network,
        sample,
        loss,
        folder,
        fitting,
        run=facts,
        known={**defaults(ContrastRun), **found},
        validate=validate,
        export=export,
    )


def nearest(encoder: TextEncoder, tasks: list[Task], wanted: list[Task], descriptions: int) -> float:
    """How often the nearest first description to a wanted task's later one belongs to that task."""
    known = encoder.encode([Condition(d).text for task in tasks for d in task.descriptions[:descriptions]])
    owner = [task.name for task in tasks for _ in task.descriptions[:descriptions]]
    asked = [(task.name, d) for task in wanted for d in task.descriptions[descriptions:]]
    if not asked:
        return 0.0
    found = (encoder.encode([Condition(d).text for _, d in asked]) @ known.T).argmax(1).tolist()
    return sum(owner[index] == name for index, (name, _) in zip(found, asked, strict=True)) / len(asked)


def _save(adapter: LoRAWeights, training: dict[str, Any], folder: Path) -> None:
    from safetensors.torch import save_file

    state = {
        key: tensor.detach().to(torch.bfloat16).contiguous() for key, tensor in adapter_state(adapter).items()
    }
    with complete_or_absent(folder, (_CONFIG, _WEIGHTS)) as work:
        config = {"encoder_adapter": adapter.spec.to_json(), "training": training}
        (work / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_file(state, work / _WEIGHTS)


def learned(folder: str | Path) -> list[str]:
    """Names of the tasks that a checkpoint or a fitted encoder was trained on; none where it does not say.

    Of a multi-task LoRA, OUT/adapter or OUT/best, those that stand in OUT/run.json. Of a LoRA in a library
    its own task and those of the A that it shares.
    """
    place = Path(folder).resolve()
    if (place / _CONFIG).is_file():
        training = _read(place / _CONFIG, "training")
        # "earlier_tasks": of runs before those that carried their names on.
        return [*_texts(training.get("tasks")), *_texts(training.get("earlier_tasks"))]
    if (place.parent / LIBRARY).is_file():
        rows = _read(place.parent / LIBRARY).get("adapters")
        rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        own = [row.get("task") for row in rows if row.get("folder") == place.name]
        return [*_texts(own), *learned_by_all(place.parent)]
    return _texts(_read(place.parent / "run.json").get("tasks_learned"))


def learned_by_all(library: str | Path) -> list[str]:
    """Names of the tasks that the A which a library's LoRAs share was trained on, as far as it tells."""
    training = _read(Path(library, LIBRARY), "training")
    if "shared_tasks" in training:
        return _texts(training["shared_tasks"])
    shared = training.get("shared_a")
    return learned(shared) if shared and isinstance(shared, str) else []


def _read(file: Path, part: str = "") -> dict[str, Any]:
    """A JSON file's object, or that under one of its names; empty where there is none."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        value = value[part] if part else value
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def keep_out(wanted: Iterable[str], known: Iterable[str], source: str) -> None:
    """Raises T2LError where what training begins from was trained on a task that is to be kept out."""
    if both := set(wanted) & set(known):
        raise T2LError(
            f"{source} was trained on {min(both)}, which is to be kept out; keep out tasks that it does not "
            "know."
        )


def load_encoder_adapter(folder: str | Path) -> LoRAWeights:
    """What `train_encoder` wrote to `out`/encoder; raises T2LError for anything else."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    try:
        spec = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))["encoder_adapter"]
        state = load_file(folder / _WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as err:
        raise T2LError(f"{folder} holds no encoder adapter ({err}); give a run's folder `encoder`.") from err
    return adapter_from(LoRASpec.from_json(spec), {key: tensor.float() for key, tensor in state.items()})
