"""SFT: a hypernetwork learns through the frozen base, from examples of many tasks at once.
Knows tasks, networks and the base; not how steps are counted or saved."""

from __future__ import annotations

import json
import multiprocessing
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2l.adapter import Adapter
from t2l.attach import attached, transformer_layers
from t2l.base import DEFAULT_BASE, BaseModel, choose_device, choose_dtype
from t2l.dnd import DnD
from t2l.encoder import DEFAULT_ENCODER, TextEncoder
from t2l.errors import T2LError, check_range, check_whole
from t2l.generator import Condition, Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.likeness import TaskIndex
from t2l.lora import LoRAWeights
from t2l.packed import pack_linears
from t2l.tasks import (
    Example,
    Task,
    digest,
    draw_tasks,
    family_weights,
    require_descriptions,
    training_tasks,
    with_paraphrases,
)
from t2l.train.contrast import keep_out, learned, load_encoder_adapter
from t2l.train.int8 import multiply_in_int8
from t2l.train.loop import RUN, FitConfig, best_kept, defaults, fit, is_sharded, make_accelerator

IGNORED = -100
VALIDATED = 64
# Shows `multiply_in_int8` which channels are loud; they hardly depend on what is said.
_TYPICAL = """Rivers carry sand to the sea; in 1874 some 3,500 people of Łódź wrote:
"x = [i ** 2 for i in y]". Qui va là? https://example.org/a?b=c#d - NO, it's 12:30!"""


@dataclass(frozen=True)
class SFTConfig:
    """What a step of SFT is made of.

    tasks_per_step: rows of a step, each one task under one of its descriptions and so one adapter.
    examples_per_task: at most so many examples share a row, and `tokens_per_row` at most so many tokens,
        unless a single example is longer. max_tokens: longer examples are refused before training starts.
    l2: coefficient of the mean squares of the generated A and B, summed over modules (reference 1e-3).
    condition_noise: against learning descriptions by heart, see `blur`; 0 takes one description as it is.
    described: fraction of the rows whose prompts say the task too, in the words of the description that
        was drawn; 1 is the reference's protocol, whose prompts hold the task's definition. From 0.5 on the
        adapters of what is trained have their task said, see `Generator.says_task`.
    turns: fraction of the rows whose examples are turns of one conversation instead of separate chats, so
        that each reads those before it as solved examples (compare MetaICL, arXiv 2110.15943).
    family_power: a task is drawn with its family's size to the power of minus this: 0 draws every task alike,
        1 every family.
    neftune: uniform noise on the base's input embeddings, at most neftune/sqrt(t·d) for t tokens of d
        numbers (arXiv 2310.05914; reference 5). lora_dropout: of what the adapters read (reference 0.05).
    accumulate: passes that a step is cut into; the numbers stay the same. mixed_precision: no or bf16.
    gradient_checkpointing: layers are computed again in the backward pass; less memory, same gradients.
    int8: the base multiplies in 8 bits, see `t2l.train.int8`; for a float32 base on a CPU.
    patience: validations without a lower loss after which training ends; 0 never ends it.
    """

    tasks_per_step: int = 16
    examples_per_task: int = 8
    tokens_per_row: int = 128
    max_tokens: int = 1024
    l2: float = 1e-3
    label_smoothing: float = 0.0
    condition_noise: float = 0.0
    described: float = 0.0
    turns: float = 0.0
    family_power: float = 0.5
    neftune: float = 0.0
    lora_dropout: float = 0.0
    accumulate: int = 1
    mixed_precision: str = "no"
    gradient_checkpointing: bool = False
    int8: bool = False
    patience: int = 0

    def __post_init__(self) -> None:
        for name in ("tasks_per_step", "examples_per_task", "tokens_per_row", "max_tokens", "accumulate"):
            check_whole(getattr(self, name), name)
        check_range(self.condition_noise, "condition_noise", 0, 10)
        for name in ("described", "turns", "family_power"):
            check_range(getattr(self, name), name, 0, 1)
        if self.l2 < 0 or not 0 <= self.label_smoothing < 1:
            raise T2LError("l2 must be at least 0 and label_smoothing at least 0 and below 1.")
        if not 0 <= self.neftune <= 100 or not 0 <= self.lora_dropout < 1:
            raise T2LError("neftune must be from 0 to 100 and lora_dropout at least 0 and below 1.")
        if self.mixed_precision not in ("no", "bf16"):
            raise T2LError(f"mixed_precision must be no or bf16, not {self.mixed_precision!r}.")
        if self.int8 and self.mixed_precision == "bf16":
            raise T2LError(
                "int8 and mixed_precision bf16 both say how the base multiplies; choose one of them."
            )
        check_whole(self.patience, "patience", 0)


@dataclass(frozen=True)
class Rows:
    """Examples packed for one pass: row b holds examples of one task behind their shared template start.

    ids, positions, labels, weights: (b, t); labels are IGNORED except on answer tokens and `weights` are what
    each label counts in the loss. mask: (b, 1, t, t), added to attention scores: a token sees the shared
    start and its own example. Ten short examples cost one template instead of ten, and hardly any padding.
    """

    ids: Tensor
    positions: Tensor
    labels: Tensor
    weights: Tensor
    mask: Tensor

    def to(self, base: BaseModel) -> Rows:
        """On the base's device; the mask in its type."""
        ids, positions, labels, weights = (
            t.to(base.device) for t in (self.ids, self.positions, self.labels, self.weights)
        )
        return Rows(ids, positions, labels, weights, self.mask.to(base.device, base.dtype))

    def real(self) -> Tensor:
        """(b, t) bool: what is no padding. Every row ends with a label."""
        return (self.labels != IGNORED).flip(1).cumsum(1).flip(1) > 0

    def __getitem__(self, picked: slice) -> Rows:
        """Some of the rows, no longer than they need; their weights stay as they are."""
        t = int(self.real()[picked].sum(1).max())
        ids, positions, labels, weights = (
            x[picked, :t] for x in (self.ids, self.positions, self.labels, self.weights)
        )
        return Rows(ids, positions, labels, weights, self.mask[picked, :, :t, :t])


Tokens = tuple[list[int], list[int]]


class Turns(list[Tokens]):
    """A row whose examples are turns of one conversation: every prompt but the first is what it adds."""


def tokenise(base: BaseModel, example: Example, description: str = "") -> Tokens:
    """(prompt tokens, answer tokens) of an example in the base's stock template.

    description: of its task, which the prompt says as well; see `BaseModel.told`.
    """
    chat = base.told([{"role": "user", "content": example.input}], description)
    return base.prompt_ids(chat), base.answer_ids(chat, example.output)


def pack(rows: Sequence[Sequence[Tokens]], pad_id: int = 0) -> Rows:
    """Packs each row's examples behind the longest start that all their prompts share; `Turns` one by one.

    Every row counts the same in the loss, within a row every example, within an example every token.
    """
    packed = [_pack_row(row, 1 / len(rows)) for row in rows]
    length = max(len(row[0]) for row in packed)
    columns = list(zip(*packed, strict=True))
    fill = (pad_id, 0, IGNORED, 0.0, -1)
    ids, positions, labels, weights, segment = (
        torch.tensor([[*row, *[value] * (length - len(row))] for row in rows_])
        for rows_, value in zip(columns, fill, strict=True)
    )
    query, key = segment.unsqueeze(2), segment.unsqueeze(1)
    seen = torch.ones(length, length, dtype=torch.bool).tril() & ((key == 0) | (key == query)) & (key >= 0)
    # Padding looks at itself, since a row of scores that is all minus infinity has no softmax.
    seen |= torch.eye(length, dtype=torch.bool)
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.bfloat16).min)
    return Rows(ids, positions, labels, weights, mask.unsqueeze(1))


def _pack_row(row: Sequence[Tokens], share: float) -> tuple[list, list, list, list, list]:
    prompts = [prompt for prompt, _ in row]
    first, joined, common = prompts[0], isinstance(row, Turns), 0
    if not joined:
        # The last prompt token stays with its example: the answer's first token is predicted from it.
        start = min(len(p) for p in prompts) - 1
        common = next((n for n in range(start) if any(p[n] != first[n] for p in prompts)), start)
    ids, positions = list(first[:common]), list(range(common))
    labels, weights, segment = [IGNORED] * common, [0.0] * common, [0] * common
    for number, (prompt, answer) in enumerate(row, 1):
        rest, begin = len(prompt) - common, len(ids) if joined else common
        ids += prompt[common:] + answer
        positions += range(begin, begin + rest + len(answer))
        labels += [IGNORED] * rest + answer
        weights += [0.0] * rest + [share / (len(row) * len(answer))] * len(answer)
        # All see segment 0: a turn those before it.
        segment += [0 if joined else number] * (rest + len(answer))
    return ids, positions, labels, weights, segment


def answer_losses(
    model: Any, rows: Rows, label_smoothing: float = 0.0, neftune: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of every answer token and its weight in the loss, both (labels,).

    Logits are computed at label positions only. neftune: see `SFTConfig`; drawn from torch's generator, and
    none on padding. Raises T2LError for a base whose logits are made otherwise.
    """
    read: dict[str, Tensor] = {"input_ids": rows.ids}
    if neftune:
        embedded, real = model.get_input_embeddings()(rows.ids), rows.real().unsqueeze(-1)
        size = neftune / (real.sum(1, keepdim=True) * embedded.shape[-1]).sqrt()
        noise = torch.empty_like(embedded, dtype=torch.float32).uniform_(-1, 1) * size * real
        read = {"inputs_embeds": embedded + noise.to(embedded.dtype)}
    hidden = model.model(
        **read, attention_mask=rows.mask, position_ids=rows.positions, use_cache=False
    ).last_hidden_state
    wanted = rows.labels[:, 1:] != IGNORED
    logits = model.lm_head(hidden[:, :-1][wanted]).float()
    config = model.config.get_text_config()
    cap = getattr(config, "final_logit_softcapping", None)
    if cap:
        logits = torch.tanh(logits / cap) * cap
    for name in ("logit_scale", "logits_scaling"):
        if getattr(config, name, 1) not in (None, 1, 1.0):
            raise T2LError(f"Bases with {name} (here {getattr(config, name)}) cannot be trained on yet.")
    losses = F.cross_entropy(
        logits, rows.labels[:, 1:][wanted], reduction="none", label_smoothing=label_smoothing
    )
    return losses, rows.weights[:, 1:][wanted]


def generated_l2(weights: LoRAWeights) -> Tensor:
    """Sum over modules of mean A² + mean B²; source: the reference's training code."""
    squares = [tensor.float().pow(2).mean() for side in (weights.A, weights.B) for tensor in side.values()]
    return torch.stack(squares).sum()


@dataclass(frozen=True)
class Step:
    """One step's share of a process, or a cut of it: packed examples and the condition of each row's adapter.

    tasks: their names. share: how much of the process's rows are here.
    """

    rows: Rows
    condition: Tensor
    examples: float
    tasks: tuple[str, ...] = ()
    share: float = 1.0


def cut(step: Step, n: int) -> list[Step]:
    """A step's rows in n steps, or as many as it has rows; their losses add up to its own."""
    count = len(step.condition)
    if n == 1:
        return [step]
    made = []
    for first in range(min(n, count)):
        picked = slice(first, None, n)
        condition = step.condition[picked]
        share = len(condition) / count
        made.append(
            Step(
                step.rows[picked],
                condition,
                step.examples * share,
                step.tasks[picked],
                step.share * share,
            )
        )
    return made


def sft_loss(
    base: BaseModel, config: SFTConfig, *, separate: bool = False, held: ExitStack | None = None
) -> Callable[[nn.Module, Step], dict[str, Tensor]]:
    """The loss of a step: answer tokens' cross-entropy plus L2 on what was generated.

    separate: rows train adapters that have nothing in common, so "total", which is differentiated, is their
    sum and not their mean. held: `fit`'s, where the adapters stay attached for the backward pass.
    """

    def loss(network: nn.Module, step: Step) -> dict[str, Tensor]:
        condition, rows = step.condition.to(base.device), None
        if condition.dim() == 1 and len(numbers := condition.unique()) < len(condition):
            # Several rows of one adapter: it is made once.
            condition, rows = numbers, torch.searchsorted(numbers, condition)
        weights = network(condition)
        if weights.n == 1:
            weights, rows = weights[0], None
        with ExitStack() as own:
            (held or own).enter_context(attached(base.model, weights, rows, config.lora_dropout))
            losses, share = answer_losses(
                base.model, step.rows.to(base), config.label_smoothing, config.neftune
            )
        answers, l2 = (losses * share).sum(), generated_l2(weights) * step.share
        value = answers + config.l2 * l2.to(answers.device)
        return {
            "loss": value,
            **({"total": value * (len(step.condition) / step.share)} if separate else {}),
            "answer_loss": answers.detach(),
            "l2": l2.detach(),
            "tokens": torch.tensor(float((step.rows.positions > 0).sum())),
            "examples": torch.tensor(float(step.examples)),
        }

    return loss


def _longest(base: BaseModel, texts: Sequence[str]) -> str:
    """The text of most tokens."""
    return max(zip(base.tokenizer(list(texts))["input_ids"], texts, strict=True), key=lambda p: len(p[0]))[1]


class SFTData:
    """Tokenised examples of many tasks and their conditions; `step(n)` is a function of the number n alone.

    conditions: for every task (descriptions, c), or (descriptions, t, c) of tokens with zeros as padding, or
    (1,) adapter number for a network without input. descriptions: how many of a task's may stand in a
    prompt. Tasks of large families are drawn less often, see
    `SFTConfig`, so that a function with forty parameter values does not crowd out one with two.
    Of each task's training examples the last tenth, at most 16, is kept out for validation (`reserved`).
    """

    def __init__(
        self,
        base: BaseModel,
        tasks: Sequence[Task],
        # Anything that gives a tensor for a number: a tensor, or draws of prompts.
        conditions: Sequence[Any],
        config: SFTConfig,
        *,
        seed: int = 0,
        share: tuple[int, int] = (0, 1),
        descriptions: int = 6,
    ) -> None:
        rank, world = share
        if config.tasks_per_step % world:
            raise T2LError(f"tasks_per_step={config.tasks_per_step} cannot be shared by {world} processes.")
        if config.tasks_per_step > len(tasks):
            raise T2LError(
                f"tasks_per_step={config.tasks_per_step}, but there are only {len(tasks)} training tasks."
            )
        for task in tasks:
            if not task.train:
                raise T2LError(f"Task {task.name} has no training examples; remove it or add train.jsonl.")
        self.base, self.tasks, self.conditions, self.config = base, list(tasks), list(conditions), config
        self._weights = family_weights(tasks, config.family_power)
        self.seed, self.rank, self.world, self.descriptions = seed, rank, world, descriptions
        self._tokens: dict[tuple[int, int, str], Tokens] = {}
        for number, task in enumerate(tasks):
            said = _longest(base, task.descriptions[:descriptions]) if config.described else ""
            frame = sum(map(len, tokenise(base, Example("a", "a"), said)))
            for index, example in enumerate(task.train):
                # No token is shorter than a byte: few examples need be looked at before training starts.
                if frame + len(f"{example.input}{example.output}".encode()) > config.max_tokens:
                    self.tokens(number, index, said)

    def tokens(self, task: int, index: int, description: str = "") -> Tokens:
        """Tokens of example `index` of a task, kept once made; raises T2LError for one that is too long.

        description: what the prompt says of the task.
        """
        key = (task, index, description)
        if key not in self._tokens:
            prompt, answer = tokenise(self.base, self.tasks[task].train[index], description)
            if len(prompt) + len(answer) > self.config.max_tokens:
                raise T2LError(
                    f"Example {index + 1} of task {self.tasks[task].name} has {len(prompt) + len(answer)} "
                    f"tokens, more than max_tokens={self.config.max_tokens}; remove it or raise the limit."
                )
            self._tokens[key] = prompt, answer
        return self._tokens[key]

    def row(self, draw: random.Random, task: int, description: str = "") -> list[Tokens]:
        """Random examples of one task, as many as the row's budgets of examples and tokens admit.

        description: what their prompts say of the task. Where it is to be a conversation, its tokens may be
        some more than the budget.
        """
        free = len(self.tasks[task].train) - reserved(self.tasks[task])
        chosen, drawn, used = [], [], 0
        for index in draw.sample(range(free), min(self.config.examples_per_task, free)):
            prompt, answer = self.tokens(task, index, description)
            new = _added(chosen, prompt, answer)
            if chosen and used + new > self.config.tokens_per_row:
                break
            chosen.append((prompt, answer))
            used += new
            drawn.append(index)
        if not self.config.turns or draw.random() >= self.config.turns:
            return chosen
        pairs = [(example.input, example.output) for example in (self.tasks[task].train[i] for i in drawn)]
        return Turns(self.base.turns(pairs, description))

    def step(self, number: int) -> Step:
        """What step `number` asks of this process."""
        rows, condition = self.rows(number)
        tasks = tuple(self.tasks[task].name for task, _, _ in self._picks(number))
        return Step(pack(rows), condition, sum(map(len, rows)), tasks)

    def rows(self, number: int) -> tuple[list[list[Tokens]], Tensor]:
        """Examples and condition of every row of step `number` that belongs to this process."""
        rows, conditions = [], []
        for task, description, key in self._picks(number):
            own = random.Random(f"{self.seed}/{number}/{key}")
            rows.append(self.row(own, task, self._said(own, task, description)))
            condition = self.conditions[task][description]
            if self.config.condition_noise:
                other = self.conditions[task][own.randrange(len(self.conditions[task]))]
                condition = blur(condition, other, self.config.condition_noise, own)
            conditions.append(condition)
        return rows, stack_conditions(conditions)

    def _said(self, draw: random.Random, task: int, description: int) -> str:
        """What a row's prompts say of the task: the description of its adapter, another one, or nothing."""
        if not self.config.described or draw.random() >= self.config.described:
            return ""
        texts = self.tasks[task].descriptions[: self.descriptions]
        # A network without input has one condition for all of a task's descriptions.
        return texts[description] if len(self.conditions[task]) > 1 else draw.choice(texts)

    def _picks(self, number: int) -> list[tuple[int, int, float]]:
        """Task, description and a random key of every row of this process."""
        draw = random.Random(f"{self.seed}/{number}")
        tasks = draw_tasks(draw, self._weights, self.config.tasks_per_step)
        picks = [(task, draw.randrange(len(self.conditions[task])), draw.random()) for task in tasks]
        return picks[self.rank :: self.world]


def blur(condition: Tensor, other: Tensor, noise: float, draw: random.Random) -> Tensor:
    """A condition near two descriptions of one task, the same for the same `draw`; against learning by heart.

    Pooled, (c,): a random place between both, plus normal noise of size `noise` (a condition's numbers have
    mean square 1), scaled back to its length. Tokens, (t, c): in half of the draws those of both, one in ten
    left out, plus noise relative to their mean that all share and half as much noise of their own.
    Prompts, (N, L, C): such noise, relative to a state's size, on every state that is no padding.
    """
    generator = torch.Generator().manual_seed(draw.getrandbits(63))
    if condition.dim() == 1:
        blurred = condition.lerp(other, draw.random())
        blurred = blurred + noise * torch.randn(condition.shape, generator=generator)
        return blurred * (condition.norm() / blurred.norm())
    if condition.dim() == 3:
        real = condition.any(-1, keepdim=True)
        size = condition[real.squeeze(-1)].square().mean().sqrt()
        shared = torch.randn(condition.shape[-1], generator=generator)
        own = torch.randn(condition.shape, generator=generator)
        return condition + noise * size * real * (shared + own / 2)
    tokens = torch.cat([condition, other]) if draw.random() < 0.5 else condition
    tokens = tokens[tokens.any(-1)]
    kept = torch.rand(len(tokens), generator=generator) >= 0.1
    kept[0] = True
    tokens = tokens[kept]
    shared = tokens.mean(0).square().mean().sqrt() * torch.randn(tokens.shape[-1], generator=generator)
    own = tokens.square().mean().sqrt() * torch.randn(tokens.shape, generator=generator)
    return tokens + noise * (shared + own / 2)


def stack_conditions(conditions: Sequence[Tensor]) -> Tensor:
    """One tensor for the network: (n, c), (n, t, c) with zeros as padding, (n, N, L, C), or numbers (n,)."""
    if conditions[0].dim() != 2:
        return torch.stack(list(conditions))
    tokens = [condition[condition.any(-1)] for condition in conditions]
    return torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)


def reserved(task: Task) -> int:
    """How many training examples at the end of a task's list are kept out for validation."""
    return min(16, len(task.train) // 10)


def _added(row: Sequence[Tokens], prompt: list[int], answer: list[int]) -> int:
    """Tokens by which an example makes a row longer, at most."""
    # The shared start is counted once, as a bound: what the first two prompts have in common.
    return len(prompt) + len(answer) - (_common(row[0][0], prompt) if row else 0)


def _common(a: list[int], b: list[int]) -> int:
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


Entry = tuple[Tensor, list[Tokens]]


def kept_out(base: BaseModel, task: Task, description: str = "") -> list[Tokens]:
    """The examples of a task that are validated on: those that `SFTData` never draws."""
    return [
        tokenise(base, example, description) for example in task.train[len(task.train) - reserved(task) :]
    ]


def first_ones(base: BaseModel, task: Task, description: str = "") -> list[Tokens]:
    """The examples of a task that is kept out whole, by which it is validated.

    Raises T2LError for a task without any.
    """
    if not task.train:
        raise T2LError(f"Task {task.name} has no training examples to be validated by; keep another one out.")
    return [tokenise(base, example, description) for example in task.train[:16]]


def filled(groups: dict[str, list[Entry]], patience: int) -> dict[str, list[Entry]]:
    """The groups that have entries; raises T2LError where patience would wait for none."""
    groups = {name: entries for name, entries in groups.items() if entries}
    if patience and not groups:
        raise T2LError(f"patience={patience} needs validation, but no task has ten training examples.")
    return groups


@torch.no_grad()
def entry_losses(
    base: BaseModel, network: nn.Module, entries: Sequence[Entry], rows_per_pass: int = 16
) -> Tensor:
    """The answer loss of every (condition, examples), each the mean over its examples: (entries,)."""
    # What attention takes grows with the square of a row: long examples are asked in several rows.
    parts = [(n, part) for n, (_, examples) in enumerate(entries) for part in _short_rows(examples)]
    found = torch.zeros(len(entries))
    for start in range(0, len(parts), rows_per_pass):
        some = parts[start : start + rows_per_pass]
        weights = network(stack_conditions([entries[n][0] for n, _ in some]).to(base.device))
        rows = pack([part for _, part in some]).to(base)
        with attached(base.model, weights):
            losses, share = answer_losses(base.model, rows)
        row = (rows.labels[:, 1:] != IGNORED).nonzero()[:, 0]
        means = torch.zeros(len(some), device=row.device).index_add(0, row, losses * share) * len(some)
        for (n, part), mean in zip(some, means.cpu(), strict=True):
            found[n] += mean * (len(part) / len(entries[n][1]))
    return found


def _short_rows(examples: Sequence[Tokens], most: int = 1024) -> Iterator[Sequence[Tokens]]:
    """The examples in parts of at most so many tokens, their common start counted once, or of one example."""
    part: list[Tokens] = []
    used = 0
    for prompt, answer in examples:
        new = _added(part, prompt, answer)
        if part and used + new > most:
            yield part
            part, used = [], 0
            new = _added(part, prompt, answer)
        part.append((prompt, answer))
        used += new
    yield part


def validation(
    base: BaseModel, groups: dict[str, list[Entry]], accelerator: Any = None
) -> Callable[[nn.Module], dict[str, float]]:
    """A function network -> mean answer loss of each group, a list of (condition, examples).

    accelerator: a run's, whose processes share the entries; none of them has to itself where the network is
    shared out too, since all must ask it alike.
    """
    rank, world = 0, 1
    if accelerator and not is_sharded(accelerator):
        rank, world = accelerator.process_index, accelerator.num_processes

    def validate(network: nn.Module) -> dict[str, float]:
        means = {}
        for name, entries in groups.items():
            mine = entries[rank::world]
            losses = entry_losses(base, network, mine) if mine else torch.zeros(0)
            means[f"{name}_loss"] = losses.sum() / len(entries)
        if accelerator and world > 1:
            means = accelerator.reduce({k: v.to(accelerator.device) for k, v in means.items()}, "sum")
        return {name: float(mean) for name, mean in means.items()}

    return validate


def prepare(
    name: str, dtype: str, sft: SFTConfig, fitting: FitConfig, out: str | Path, begun: str | Path = ""
) -> tuple[BaseModel, Any]:
    """A base made ready for training, and the run's Accelerator; raises T2LError for what cannot be had.

    begun: folder of the run's settings, default `out`: what "auto" meant when it began it means to the end.
    """
    # First, since it tells this process which GPU is its own.
    cpu = choose_device("auto").type == "cpu"
    accelerator = make_accelerator(fitting, out, cpu=cpu, mixed_precision=sft.mixed_precision)
    base = BaseModel.load(name, dtype=_settled(dtype, accelerator, Path(begun or out) / RUN))
    if cpu:
        # The backward of fused attention is a slow path on CPU: 1.3 times the plain one's time.
        base.model.set_attn_implementation("eager")
    if sft.int8:
        if not cpu or base.dtype != torch.float32:
            place = _name(base.dtype) if cpu else base.device.type
            raise T2LError(
                f"int8 is for a float32 base on a CPU, not for {place}; give dtype float32 or leave int8."
            )
        chat = base.told([{"role": "user", "content": _TYPICAL}], "Translate it.")
        ids = base.tokenizer.apply_chat_template(chat, return_dict=False)[: base.context_length]
        multiply_in_int8(base.model, lambda: base.model(torch.tensor([ids])))
        pack_linears(base.model.get_output_embeddings())
    elif cpu:
        pack_linears(base.model)
    if sft.gradient_checkpointing:
        checkpoint_layers(base.model)
    return base, accelerator


def _settled(dtype: str, accelerator: Any, file: Path) -> str:
    """The type of the base: for "auto" what the run began with, else what its first process measures."""
    from accelerate.utils import broadcast_object_list

    if dtype != "auto":
        return dtype
    chosen = [""]
    if accelerator.is_main_process:
        with suppress(OSError, ValueError, AttributeError):
            chosen = [json.loads(file.read_text(encoding="utf-8")).get("base_dtype", "")]
        chosen = [chosen[0] or _name(choose_dtype("auto", choose_device("auto")))]
    broadcast_object_list(chosen)
    return chosen[0]


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def trained_on(base: BaseModel, tasks: Sequence[Task]) -> dict[str, str]:
    """What a run must find again when it goes on, beside its settings: base, its type, and the data."""
    return {"weights_id": base.weights_id, "base_dtype": _name(base.dtype), "data": digest(tasks)}


def checkpoint_layers(model: Any) -> None:
    """Lets the layers be computed again in the backward pass; raises T2LError for a base that cannot."""
    try:
        model.activation_checkpointing_enable({"use_reentrant": False})
    except ValueError as err:
        raise T2LError(f"{err} Train without gradient_checkpointing.") from err
    for layer in transformer_layers(model):
        # The layer alone, so that no dropout inside it wakes up.
        layer.training = True


@dataclass(frozen=True)
class SFTRun:
    """What `train_sft` trains: the network's form and where its data come from.

    tasks: folders of task suites. condition: "pooled" or "tokens", see `T2LConfig`.
    encoder_adapter: folder of a fitted encoder, see `t2l.train.contrast`; default the one of `init`, if any.
    init: a checkpoint of the same form to begin from; where it reads pooled conditions, tokens may be added.
    offset: folder of an adapter, such as a multi-task LoRA: what is generated is added to its A and B, so
        that training begins there.
    learn_offset: what is added, that adapter or a LoRA's random start, learns too.
    descriptions: how many of each task's descriptions are trained on; the others are scored as unseen.
    paraphrases: file of further descriptions to train on, see `t2l.tasks.read_paraphrases`.
    workers: processes that make the batches of the steps to come, for a GPU that would wait for them; 0 none.
        Where they differ, a run goes on all the same.
    val_tasks: names of tasks of split train that are kept out and scored as unseen tasks.
    names: only these tasks are trained on. open_license: only tasks whose data may be passed on freely.
    Raises T2LError where nothing would be trained on.
    """

    tasks: tuple[str, ...]
    names: tuple[str, ...] = ()
    variant: str = "m"
    condition: str = "pooled"
    init: str = ""
    base: str = DEFAULT_BASE
    encoder: str = DEFAULT_ENCODER
    encoder_adapter: str = ""
    targets: tuple[str, ...] = ("self_attn.q_proj", "self_attn.v_proj")
    rank: int = 8
    alpha: float = 16
    latent_size: int = 128
    head_size: int = 512
    share: str = "none"
    descriptions: int = 6
    paraphrases: str = ""
    val_tasks: tuple[str, ...] = ()
    open_license: bool = False
    dtype: str = "auto"
    offset: str = ""
    learn_offset: bool = False
    workers: int = 0

    def __post_init__(self) -> None:
        if self.init and self.offset:
            raise T2LError("init and offset both say where training begins; give one of them.")
        check_whole(self.descriptions, "descriptions")
        check_whole(self.workers, "workers", 0)
        if self.workers and "fork" not in multiprocessing.get_all_start_methods():
            raise T2LError(f"workers={self.workers} needs an operating system that forks; give 0.")


def train_sft(run: SFTRun, sft: SFTConfig, fitting: FitConfig, out: str | Path) -> int:
    """Trains a T2L by SFT on a suite's tasks of split train; returns the steps done.

    Writes `out`/generator (what `Generator.load` reads) at every checkpoint, beside the state that a second
    call with the same arguments continues from, and `out`/best, that of the lowest validation loss: of unseen
    tasks, else of unseen descriptions, else of seen ones. Tasks of split eval are never read.
    """
    base, accelerator = prepare(run.base, run.dtype, sft, fitting, out)
    tasks, held_out = training_tasks(run.tasks, run.val_tasks, run.open_license, run.names)
    require_descriptions((*tasks, *held_out), run.descriptions)
    start = Generator.load(run.init) if run.init else None
    before: list[str] = []
    for source in filter(None, (run.init, run.encoder_adapter, run.offset)):
        names = learned(source)
        keep_out(run.val_tasks, names, source)
        before += names
    if start and start.encoder_name != run.encoder:
        raise T2LError(f"{run.init} reads descriptions by {start.encoder_name}, not by {run.encoder}.")
    fitted = load_encoder_adapter(run.encoder_adapter) if run.encoder_adapter else None
    if start and not fitted:
        fitted = start.encoder_adapter
    encoder = TextEncoder(run.encoder, fitted)
    config = T2LConfig(
        base.spec(run.targets, run.rank, run.alpha),
        encoder.size,
        run.variant,
        run.latent_size,
        run.head_size,
        run.share,
        condition=run.condition,
        shift="element",
        scale="scalar",
    )
    torch.manual_seed(fitting.seed)
    network = T2L(config).initialise("zero", fitting.seed)
    if start:
        begin_from(network, start.network)
    if run.offset:
        network.begin_at(Adapter.load(run.offset).weights)
    if run.learn_offset:
        network.free_shift()

    def embed(texts: Sequence[str]) -> Tensor:
        said = [Condition(text).text for text in texts]
        return encoder.encode_cached(said, tokens=run.condition == "tokens")

    # The same tasks without the descriptions that are scored as unseen.
    said_so = with_paraphrases(tasks, run.paraphrases, run.descriptions)
    trained, unsaid = [], []
    for task, told in zip(tasks, said_so, strict=True):
        # In one call, which is what the cache of vectors goes by.
        vectors = embed((*told.descriptions, *task.descriptions[run.descriptions :]))
        count = len(told.descriptions)
        trained.append(vectors[:count])
        unsaid.append(vectors[count:])
    # An index compares pooled vectors alone.
    pooled = run.condition == "pooled"
    index = (
        TaskIndex.of([t.name for t in tasks], [t.descriptions[0] for t in tasks], trained) if pooled else None
    )
    share = (accelerator.process_index, accelerator.num_processes)
    most = max(len(task.descriptions) for task in said_so)
    data = SFTData(base, said_so, trained, sft, seed=fitting.seed, share=share, descriptions=most)

    # An even choice, some 64 of them, tells enough in a short time.
    scored = list(zip(trained, unsaid, tasks, strict=True))[:: -(-len(tasks) // VALIDATED)]
    some = [(seen, new, task) for seen, new, task in scored if reserved(task)]
    unseen = [(embed(task.descriptions), task) for task in held_out]
    groups, says_task = {}, sft.described >= 0.5
    # The last of them judges: with prompts as those of the checkpoint's adapters will be.
    prompts = [("", False), ("described_", True)][: 2 if sft.described else 1]
    for prefix, says in prompts if says_task else prompts[::-1]:

        def said(task: Task, number: int, says: bool = says) -> str:
            return task.descriptions[number] if says else ""

        groups[f"{prefix}seen"] = [(seen[0], kept_out(base, task, said(task, 0))) for seen, _, task in some]
        groups[f"{prefix}unseen_descriptions"] = [
            (new[0], kept_out(base, task, said(task, run.descriptions))) for _, new, task in some if len(new)
        ]
        groups[f"{prefix}unseen_tasks"] = [
            (c[0], first_ones(base, task, said(task, 0))) for c, task in unseen
        ]
    groups = filled(groups, sft.patience)
    folder, memory, held = Path(out), {}, ExitStack()
    facts = {"method": "sft", **asdict(run), "sft": asdict(sft), "fit": asdict(fitting)}
    known = {**defaults(SFTRun), "sft": defaults(SFTConfig)}
    # They change nothing that is learned.
    del facts["workers"], known["workers"]
    found = trained_on(base, [*said_so, *held_out]) | {
        "init_id": start.id if start else "",
        "encoder_id": encoder.id,
    }
    facts |= found

    def save(trained_network: nn.Module, step: int, name: str) -> None:
        if not accelerator.is_main_process:
            return
        assert isinstance(trained_network, T2L)
        # Those of the runs before it too: what it has learned from, a later run must not take for new.
        names = list(dict.fromkeys([*(task.name for task in tasks), *before]))
        training = {**facts, "tasks": names, "steps_done": step}
        generator = Generator(
            trained_network,
            run.encoder,
            base.weights_id,
            training,
            encoder_adapter=fitted,
            index=index,
            says_task=says_task,
        )
        generator.save(folder / name)

    return fit(
        network,
        data.step,
        sft_loss(base, sft, held=held),
        folder,
        fitting,
        run=facts,
        known={**known, **found},
        validate=validation(base, groups, accelerator),
        judge=best_kept(memory, sft.patience, lambda network, step: save(network, step, "best")),
        export=lambda network, step: save(network, step, "generator"),
        memory=memory,
        cut=cut,
        accumulate=sft.accumulate,
        held=held,
        workers=run.workers,
        accelerator=accelerator,
    )


def begin_from(network: T2L, start: T2L | DnD) -> None:
    """Copies a trained network's weights; raises T2LError where they do not fit."""
    state, wanted = start.state_dict(), network.state_dict()
    lacking = {key for key in wanted.keys() - state.keys() if not key.startswith("reader.")}
    # Heads of two modules may have one shape: which is whose is told by the order of the targets.
    ours, theirs = (
        (s.n_layers, list(s.targets), s.rank, s.alpha, s.use_rslora)
        for s in (network.config.spec, start.config.spec)
    )
    if (
        ours != theirs
        or lacking
        or state.keys() - wanted.keys()
        or any(wanted[k].shape != state[k].shape for k in state)
    ):
        raise T2LError(
            "The checkpoint given as init has another form than this run; give the same variant, sizes, rank "
            "and alpha, the targets in the same order, or train without init."
        )
    network.load_state_dict(state, strict=False)
