"""Methods: what the base is told, and which adapter it answers with; each one is a value.
Knows tasks, descriptions and where adapters come from; decodes and scores nothing."""

from __future__ import annotations

import functools
import hashlib
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from t2l.adapter import Adapter
from t2l.base import BaseModel
from t2l.dnd import DnD
from t2l.encoder import TextEncoder
from t2l.engine import Chat
from t2l.errors import T2LError
from t2l.eval.arrow import directions
from t2l.eval.finetune import drawn, finetune, recipe_id
from t2l.eval.formats import (
    DESCRIBED_SHOTS,
    DESCRIBED_SHOTS_FORMAT,
    DESCRIPTION,
    DESCRIPTION_FORMAT,
    PLAIN_SHOTS,
    SHOTS,
    SHOTS_FORMAT,
    TRAINED_FORMAT,
)
from t2l.generator import Condition, Generator
from t2l.likeness import TaskIndex
from t2l.lora import LoRASpec, LoRAWeights, mix
from t2l.peft_folder import CONFIG
from t2l.tasks import Example, Task
from t2l.train.recon import Library

# Terse, input-and-output format, free.
THREE = (0, 3, 6)
N_SHOTS, N_PROMPTS = 5, 16
# In place of a description: words without a task, no words, and another subject.
JUNK = (
    "blue seven window of perhaps the running",
    "xq zvv 0193 kkjh wpo 77 !! ;;",
    "The weather was mild and the train to the coast left a little late.",
)


@dataclass(frozen=True)
class Ask:
    """One question to a method: a task, under one of its descriptions where that matters.

    number: of the description. of: name of the task whose adapter answers. text: what that adapter is made
    from, or found by. examples: the training examples that prompt or adapter are made of. seed: of what is
    drawn.
    """

    task: Task
    number: int | None = None
    of: str | None = None
    text: str | None = None
    examples: tuple[Example, ...] = ()
    seed: int | None = None


@dataclass
class Sources:
    """Where adapters come from. tasks: the suite, whose descriptions a library's tasks are found by.

    Raises T2LError for a generator, a library or a LoRA that was made for another base.
    """

    base: BaseModel
    generator: Generator | None = None
    library: Library | None = None
    multitask: Adapter | None = None
    tasks: Mapping[str, Task] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = {
            "checkpoint": self.generator,
            "library": self.library,
            "multi-task LoRA": self.multitask,
        }
        for name, source in made.items():
            if source is not None and source.spec.base_model != self.base.id:
                raise T2LError(
                    f"The {name} is for {source.spec.base_model}, the base is {self.base.id}; give one that "
                    "was made for this base."
                )

    @property
    def spec(self) -> LoRASpec:
        """The form of a fine-tuned LoRA: that of what it is compared with."""
        for source in (self.generator, self.library, self.multitask):
            if source is not None:
                return source.spec
        return self.base.spec(("self_attn.q_proj", "self_attn.v_proj"))

    @functools.cached_property
    def stack(self) -> LoRAWeights:
        """Every adapter of the library."""
        assert self.library
        return self.library.read(list(self.library.folders))

    @functools.cached_property
    def directions(self) -> dict[str, Tensor]:
        """What Arrow compares a token with, for every adapter of the library."""
        return directions(self.stack)

    @functools.cached_property
    def mean(self) -> LoRAWeights:
        """The mean of A and of B over the library."""
        n = self.stack.n or 1
        return mix(self.stack, [1 / n] * n)

    @functools.cached_property
    def _encoder(self) -> TextEncoder:
        return TextEncoder()

    @functools.cached_property
    def _index(self) -> TaskIndex:
        assert self.library
        names = list(self.library.folders)
        if missing := [name for name in names if name not in self.tasks]:
            raise T2LError(
                f"The library has an adapter of {missing[0]}, but --tasks does not describe that task; add "
                "its suite."
            )
        texts = [[Condition(text).text for text in self.tasks[name].descriptions] for name in names]
        return TaskIndex.of(
            names, [text[0] for text in texts], [self._encoder.encode_cached(text) for text in texts]
        )

    def nearest(self, description: str) -> str:
        """The task of the library whose descriptions are nearest to this one, by the default encoder."""
        return self._index.nearest(self._encoder.encode([Condition(description).text])[0], 1)[0].name

    def similarity(self, text: str | None) -> float | None:
        """Cosine of a description with the nearest trained task of the generator, where it has an index."""
        if text is None or self.generator is None or self.generator.index is None:
            return None
        condition = self.generator.encoder.encode([Condition(text).text])[0]
        return round(self.generator.index.nearest(condition, 1)[0].similarity, 4)


PromptFunction = Callable[[Ask, str], Chat]
AdapterFunction = Callable[[Sources, Ask], LoRAWeights]
# (sources, task, tasks measured together, number) -> (task whose adapter it is, text that it is made from).
Whose = Callable[[Sources, Task, Sequence[Task], int | None], tuple[str | None, str | None]]


def _input_alone(ask: Ask, text: str) -> Chat:
    return [{"role": "user", "content": text}]


def _described(ask: Ask, text: str) -> Chat:
    return DESCRIPTION[DESCRIPTION_FORMAT](ask.task.descriptions[ask.number or 0], text)


def _told(ask: Ask, text: str) -> Chat:
    return DESCRIPTION[TRAINED_FORMAT](ask.task.descriptions[ask.number or 0], text)


def _shown_before(ask: Ask, text: str) -> Chat:
    return SHOTS[PLAIN_SHOTS](ask.examples, text)


def _told_and_shown_before(ask: Ask, text: str) -> Chat:
    said = {"role": "system", "content": ask.task.descriptions[ask.number or 0]}
    return [said, *SHOTS[PLAIN_SHOTS](ask.examples, text)]


def _in_context(ask: Ask, text: str) -> Chat:
    return SHOTS[SHOTS_FORMAT](ask.examples, text)


def _described_in_context(ask: Ask, text: str) -> Chat:
    return DESCRIBED_SHOTS[DESCRIBED_SHOTS_FORMAT](ask.task.descriptions[ask.number or 0], ask.examples, text)


def _own(sources: Sources, task: Task, tasks: Sequence[Task], number: int | None) -> tuple[str, str]:
    return task.name, task.descriptions[number or 0]


def _other(sources: Sources, task: Task, tasks: Sequence[Task], number: int | None) -> tuple[str, str]:
    other = other_task(task, tasks, max(THREE))
    return other.name, other.descriptions[number or 0]


def _another(sources: Sources, task: Task, tasks: Sequence[Task], number: int | None) -> tuple[str, None]:
    return other_task(task, tasks).name, None


def _junk(sources: Sources, task: Task, tasks: Sequence[Task], number: int | None) -> tuple[None, str]:
    return None, JUNK[number or 0]


def _itself(sources: Sources, task: Task, tasks: Sequence[Task], number: int | None) -> tuple[str, None]:
    return task.name, None


def _nearest(sources: Sources, task: Task, tasks: Sequence[Task], number: int | None) -> tuple[str, str]:
    text = task.descriptions[number or 0]
    return sources.nearest(text), text


def _generated(sources: Sources, ask: Ask) -> LoRAWeights:
    assert sources.generator and ask.text is not None
    return sources.generator.generate([ask.text])[0]


def _prompted(sources: Sources, texts: Iterable[str]) -> LoRAWeights:
    assert sources.generator
    prompts = tuple(text for text in texts if text.strip())
    return sources.generator.generate([Condition(prompts=prompts)])[0]


def _shown(sources: Sources, ask: Ask) -> LoRAWeights:
    return _prompted(sources, (example.input for example in ask.examples))


def _shown_nothing(sources: Sources, ask: Ask) -> LoRAWeights:
    assert sources.generator
    if not isinstance(sources.generator.network, DnD):
        raise T2LError("dnd_mean needs a checkpoint that reads prompts; give one made by `t2l train dnd`.")
    return sources.generator.network.mean_adapter()


def _of_library(sources: Sources, ask: Ask) -> LoRAWeights:
    assert sources.library and ask.of is not None
    return sources.library.read([ask.of])[0]


def _trained(sources: Sources, ask: Ask) -> LoRAWeights:
    assert sources.library
    names = sorted(name for name in sources.library.folders if name != ask.task.name)
    if not names:
        raise T2LError("The library holds no other task's adapter; give one of several tasks.")
    return sources.library.read([random.Random(f"{ask.seed}/{ask.task.name}").choice(names)])[0]


def _multitask(sources: Sources, ask: Ask) -> LoRAWeights:
    assert sources.multitask
    return sources.multitask.weights


def _finetuned(sources: Sources, ask: Ask) -> LoRAWeights:
    return finetune(sources.base, ask.examples, sources.spec, ask.seed or 0)


@dataclass(frozen=True)
class Method:
    """What a method is called, what it says to the base, and the adapter that it answers with.

    A score is the mean over `descriptions` (numbers within a task) and seeds, never the best of them.
    whose: the task and the text of the adapter. needs: "generator", "library", "multitask" or nothing.
    format: the prompt format's name, where there is a choice. examples: training examples that it reads,
    None for all; tasks with fewer are left out. drawn: they are drawn, so that there are seeds. routed: the
    adapter is a stack, whose members Arrow mixes for every token.
    """

    label: str
    prompt: PromptFunction = _input_alone
    descriptions: tuple[int | None, ...] = (None,)
    adapter: AdapterFunction | None = None
    whose: Whose | None = None
    needs: str = ""
    format: str | None = None
    examples: int | None = 0
    drawn: bool = False
    routed: bool = False

    @property
    def leads(self) -> bool:
        """Whether it answers with a generated adapter of the task itself: what is evaluated."""
        shown = self.adapter is _shown and self.whose is _itself
        return self.whose is _own or (shown and self.examples == N_PROMPTS)

    @property
    def tells(self) -> bool:
        """Whether the prompt says the task as in training, see `Generator.says_task`."""
        return self.prompt in (_told, _told_and_shown_before)


def _t2l(label: str, descriptions: tuple[int, ...], whose: Whose = _own, told: bool = False) -> Method:
    prompt, form = (_told, TRAINED_FORMAT) if told else (_input_alone, None)
    return Method(label, prompt, descriptions, _generated, whose, "generator", form)


def _dnd(n: int) -> Method:
    label = f"**Drag-and-Drop**, {n} prompt{'s' * (n > 1)} without answers"
    return Method(label, adapter=_shown, whose=_itself, needs="generator", examples=n, drawn=True)


def _icl(k: int) -> Method:
    label = f"base, {k} solved example{'s' * (k > 1)} in the prompt"
    return Method(label, _in_context, format=SHOTS_FORMAT, examples=k)


def _tuned(n: int | None) -> Method:
    label = f"LoRA fine-tuned on {n or 'all training'} examples of the task"
    return Method(label, adapter=_finetuned, whose=_itself, examples=n, drawn=True)


METHODS = {
    "base": Method("base, input alone"),
    "description": Method("base, description in the prompt", _described, THREE, format=DESCRIPTION_FORMAT),
    "icl_1": _icl(1),
    "icl_3": _icl(3),
    "icl": _icl(N_SHOTS),
    "icl_10": _icl(10),
    "description_icl": Method(
        f"base, description and {N_SHOTS} solved examples in the prompt",
        _described_in_context,
        THREE,
        format=DESCRIBED_SHOTS_FORMAT,
        examples=N_SHOTS,
    ),
    "mean": Method("mean of a library of LoRAs", adapter=lambda s, _: s.mean, needs="library"),
    # What Drag-and-Drop's authors compare with: over many tasks the average score of training LoRAs.
    "training": Method(
        "the library's LoRA of another task, drawn", adapter=_trained, needs="library", drawn=True
    ),
    "multitask": Method("one multi-task LoRA", adapter=_multitask, needs="multitask"),
    "multitask_told": Method(
        "one multi-task LoRA, description in the prompt too",
        _told,
        THREE,
        _multitask,
        needs="multitask",
        format=TRAINED_FORMAT,
    ),
    "nearest": Method(
        "LoRA of the library's task with the nearest description",
        _input_alone,
        THREE,
        _of_library,
        _nearest,
        "library",
    ),
    "arrow": Method(
        "Arrow routing over the library", adapter=lambda s, _: s.stack, needs="library", routed=True
    ),
    "oracle": Method(
        "the library's LoRA of the task itself", _input_alone, (None,), _of_library, _itself, "library"
    ),
    "t2l": _t2l("**Text-to-LoRA**, input alone", THREE),
    # The protocol of the paper, whose prompts hold the definition of the task.
    "t2l_told": _t2l("**Text-to-LoRA**, description in the prompt too", THREE, told=True),
    # For tasks that were trained on: descriptions that were trained on as well, and two that were not.
    "t2l_seen": _t2l("Text-to-LoRA, trained task, trained descriptions", (0, 3)),
    "t2l_unseen": _t2l("Text-to-LoRA, trained task, new descriptions", (6, 7)),
    "t2l_icl": Method(
        f"**Text-to-LoRA**, {N_SHOTS} solved examples in the prompt too",
        _shown_before,
        THREE,
        _generated,
        _own,
        "generator",
        PLAIN_SHOTS,
        examples=N_SHOTS,
    ),
    "t2l_told_icl": Method(
        f"**Text-to-LoRA**, description and {N_SHOTS} solved examples in the prompt too",
        _told_and_shown_before,
        THREE,
        _generated,
        _own,
        "generator",
        f"{TRAINED_FORMAT}, {PLAIN_SHOTS}",
        examples=N_SHOTS,
    ),
    "multitask_icl": Method(
        f"one multi-task LoRA, {N_SHOTS} solved examples in the prompt too",
        _shown_before,
        adapter=_multitask,
        needs="multitask",
        format=PLAIN_SHOTS,
        examples=N_SHOTS,
    ),
    "t2l_told_seen": _t2l(
        "Text-to-LoRA, trained task, trained descriptions, in the prompt too", (0, 3), told=True
    ),
    "t2l_told_unseen": _t2l(
        "Text-to-LoRA, trained task, new descriptions, in the prompt too", (6, 7), told=True
    ),
    "t2l_told_other": _t2l(
        "control: the description in the prompt, adapter of another task's description",
        THREE,
        _other,
        told=True,
    ),
    "t2l_styles": _t2l("Text-to-LoRA, all eight descriptions", tuple(range(8))),
    "t2l_other": _t2l("control: adapter of another task's description", THREE, _other),
    "t2l_junk": _t2l("control: adapter of a text that is no task", tuple(range(len(JUNK))), _junk),
    **{f"dnd_{n}": _dnd(n) for n in (1, 4, 64)},
    "dnd": _dnd(N_PROMPTS),
    "dnd_other": Method(
        "control: Drag-and-Drop, another task's prompts",
        adapter=_shown,
        whose=_another,
        needs="generator",
        examples=N_PROMPTS,
        drawn=True,
    ),
    "dnd_junk": Method(
        "control: Drag-and-Drop, prompts of no task",
        adapter=lambda s, _: _prompted(s, JUNK),
        needs="generator",
    ),
    "dnd_mean": Method(
        "control: Drag-and-Drop's mean adapter, no prompts", adapter=_shown_nothing, needs="generator"
    ),
    **{f"finetune_{n}": _tuned(n) for n in (16, 32, 64, 128, 256, 512)},
    "finetune_full": _tuned(None),
}


def own_way(name: str, generator: Generator | None) -> str:
    """The method that asks as `name` does, in the way that the generator's adapters are asked elsewhere."""
    told = name.replace("t2l", "t2l_told", 1)
    return told if generator and generator.says_task and told in METHODS else name


def adapters_id(method: Method, sources: Sources) -> str | None:
    """Names the library, the multi-task LoRA or the recipe that a method's adapters come from."""
    if method.drawn and not method.needs:
        return recipe_id(sources.spec)
    if method.needs == "library" and sources.library:
        return sources.library.id
    if method.needs == "multitask" and sources.multitask:
        return sources.multitask.weights_sha256
    return None


def asks(
    name: str, task: Task, tasks: Sequence[Task], sources: Sources, limit: int, seeds: int
) -> list[Ask] | str:
    """Every question of a method about a task, or the reason why the task is left out.

    Raises T2LError for a description that is missing, and for a training example among those that are asked.
    """
    method = METHODS[name]
    if method.needs == "library" and method.whose is _itself:
        assert sources.library
        if task.name not in sources.library.folders:
            return "the library has no adapter of it"
    if len(task.train) < (1 if method.examples is None else method.examples):
        return f"it has no {method.examples or ''} training examples".replace("  ", " ")
    needed = max([number or 0 for number in method.descriptions] if method.whose is not _junk else [0])
    if needed >= len(task.descriptions):
        raise T2LError(f"Task {task.name} has no description {needed}; add it or leave out {name}.")
    if method.examples != 0:
        asked = {example.input for example in task.test[:limit]}
        both = next((example.input for example in task.train if example.input in asked), None)
        if both is not None:
            raise T2LError(
                f"Task {task.name} has {both[:60]!r} in train.jsonl and in test.jsonl; remove one of them, "
                f"or leave out {name}."
            )
    found = []
    for number in method.descriptions:
        of, text = method.whose(sources, task, tasks, number) if method.whose else (None, None)
        if text is None and number is not None:
            text = task.descriptions[number]
        if method.drawn:
            # Of a control the examples are the other task's.
            shown = next((other for other in tasks if other.name == of), task)
            if len(shown.train) < (method.examples or 0):
                return f"{shown.name}, its control, has no {method.examples} training examples"
            every = [(seed, drawn(shown, method.examples, seed)) for seed in range(seeds)]
        else:
            every = [(None, task.train[: method.examples])]
        found += [Ask(task, number, of, text, examples, seed) for seed, examples in every]
    return found


def other_task(task: Task, tasks: Sequence[Task], description: int = 0) -> Task:
    """The task whose adapter is the control for `task`: always the same one, whatever the order of `tasks`.

    Never the task itself, one of its family, one of its name with another number (add_3, add_5), or one
    without that description. Raises T2LError where `tasks` has no such task.
    """
    others = [
        other
        for other in tasks
        if _stem(other.name) != _stem(task.name)
        and (not task.family or other.family != task.family)
        and len(other.descriptions) > description
    ]
    if not others:
        raise T2LError(f"There is no other function than {task.name} to take an adapter from; add tasks.")
    # The lowest hash of the pair: a draw that adding or removing third tasks seldom changes.
    return min(others, key=lambda other: hashlib.sha256(f"{task.name} {other.name}".encode()).digest())


def _stem(name: str) -> str:
    return re.sub(r"(_\d+)+$", "", name)


def read_multitask(folder: str | Path) -> Adapter:
    """A multi-task LoRA: a PEFT folder, or one of `t2l train multitask`, of which the best state counts."""
    places = [Path(folder, name) for name in ("", "best", "adapter")]
    place = next((place for place in places if (place / CONFIG).is_file()), None)
    if place is None:
        raise T2LError(f"{folder} holds no adapter; give a PEFT folder or one of `t2l train multitask`.")
    return Adapter.load(place)
