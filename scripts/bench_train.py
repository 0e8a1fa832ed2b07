"""A step of SFT, and a library of LoRAs: median seconds of several batches, and peak memory of one.
Peers in the same run: LoRA copied to every token, PEFT with one LoRA, and one task after another."""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psutil
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2l.attach import FreeLoRA, attached, target_modules
from t2l.base import BaseModel, quiet
from t2l.errors import run_script
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRAWeights
from t2l.tasks import read_suite
from t2l.train.library import Adapters
from t2l.train.loop import FitConfig
from t2l.train.sft import (
    IGNORED,
    SFTConfig,
    SFTData,
    Step,
    Tokens,
    answer_losses,
    generated_l2,
    pack,
    prepare,
    sft_loss,
)

_SAMPLED = 4
TARGETS = ["self_attn.q_proj", "self_attn.v_proj"]
ALL = [*TARGETS, "self_attn.k_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]


@contextmanager
def peak(device: torch.device, found: dict[str, float], name: str) -> Iterator[None]:
    """Notes how many MB the block needed at most beyond what was held before."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield
        found[name] = (torch.cuda.max_memory_allocated() - before) / 1e6
        return
    if sys.platform == "linux":
        # What the allocator keeps of earlier blocks would hide what this one needs.
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    process, highest, over = psutil.Process(), [0], threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        while not over.wait(0.002):
            highest[0] = max(highest[0], process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        found[name] = (highest[0] - before) / 1e6


def measure(device: torch.device, ways: dict[str, Callable[[int], None]], rounds: int) -> dict[str, Any]:
    """Every way on the batches 0, 1, ..., in turns: one round for memory, then those that are timed."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    memory: dict[str, float] = {}
    for name, way in ways.items():
        with peak(device, memory, name):
            way(0)
            _finish(device)
    for number in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way(number)
            _finish(device)
            seconds[name].append(time.perf_counter() - start)
    return {name: {"seconds": statistics.median(seconds[name]), "peak_mb": memory[name]} for name in ways}


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


@contextmanager
def copied_to_tokens(model: nn.Module, weights: LoRAWeights) -> Iterator[None]:
    """The reference's hooks: A and B once more for every token, then a product of single rows.

    Source: described from the published training code; it keeps b·t·r·(i + o) numbers for each module.
    """

    def hook(a: Tensor, b: Tensor) -> Any:
        def add(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            x = args[0]
            batch, length, size = x.shape
            left = a.to(x.dtype).mT.repeat_interleave(length, dim=0)
            right = b.to(x.dtype).mT.repeat_interleave(length, dim=0)
            change = torch.bmm(torch.bmm(x.reshape(batch * length, 1, size), left), right)
            return output + weights.spec.scaling * change.view(batch, length, -1)

        return add

    handles = [
        module.register_forward_hook(hook(weights.A[name][:, layer], weights.B[name][:, layer]))
        for name, linears in target_modules(model, weights.spec).items()
        for layer, module in enumerate(linears)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def padded(rows: Sequence[Sequence[Tokens]], device: torch.device) -> dict[str, Tensor]:
    """Every example a row of its own, padded to a multiple of eight: ids, attention_mask, labels."""
    examples = [example for row in rows for example in row]
    length = -(-max(len(p) + len(a) for p, a in examples) // 8) * 8

    def column(row: list[int], value: int) -> list[int]:
        return row + [value] * (length - len(row))

    ids = [column([*p, *a], 0) for p, a in examples]
    mask = [column([1] * (len(p) + len(a)), 0) for p, a in examples]
    labels = [column([*[IGNORED] * len(p), *a], IGNORED) for p, a in examples]
    named = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    return {name: torch.tensor(value, device=device) for name, value in named.items()}


def mean_loss(model: Any, batch: dict[str, Tensor], **more: Any) -> Tensor:
    """Mean over rows of the answers' cross-entropy, from logits of every position."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], **more).logits
    labels = batch["labels"][:, 1:]
    losses = F.cross_entropy(logits[:, :-1].float().mT, labels, reduction="none", ignore_index=IGNORED)
    return (losses.sum(1) / (labels != IGNORED).sum(1)).mean()


def one_linear(device: torch.device, rounds: int) -> dict[str, Any]:
    """The known figures of the reference's hook: 1024 to 1024, rank 8, 8 rows of 256 tokens, one thread."""
    from t2l.attach import spec_for

    model = nn.Module()
    model.model = nn.Module()
    linear = nn.Linear(1024, 1024, bias=False).requires_grad_(False)
    model.model.layers = nn.ModuleList([nn.ModuleDict({"proj": linear})])
    model.to(device)
    x = torch.randn(8, 256, 1024, device=device, requires_grad=True)
    network = FreeLoRA(spec_for(model, "one", ["proj"], 8, 16), 8).to(device)
    everyone = torch.arange(8, device=device)

    def bare(_: int) -> None:
        linear(x).sum().backward()

    def copied(_: int) -> None:
        with copied_to_tokens(model, network(everyone)):
            linear(x).sum().backward()

    def ours(_: int) -> None:
        with attached(model, network(everyone)):
            linear(x).sum().backward()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return measure(device, {"bare": bare, "copied_to_tokens": copied, "attached": ours}, rounds)
    finally:
        torch.set_num_threads(threads)


def sft_steps(
    base: BaseModel, peer: BaseModel, data: SFTData, rounds: int, targets: Sequence[str]
) -> dict[str, Any]:
    """8 tasks, one example each, as in the reference; then up to 8 packed examples each."""
    from peft import LoraConfig, get_peft_model

    spec = base.spec(targets)
    config = T2LConfig(spec, 384, "m", shift="element", scale="scalar")
    network = T2L(config).initialise("zero").to(base.device)
    loss = sft_loss(base, data.config)

    def ours(rows: list[list[Tokens]], condition: Tensor) -> None:
        loss(network, Step(pack(rows), condition, len(rows)))["loss"].backward()
        network.zero_grad()

    def one_each(number: int) -> tuple[list[list[Tokens]], Tensor]:
        rows, condition = data.rows(number)
        return [row[:1] for row in rows], condition

    def copied(number: int) -> None:
        rows, condition = one_each(number)
        weights = network(condition.to(base.device))
        with copied_to_tokens(base.model, weights):
            value = mean_loss(
                base.model, padded(rows, base.device), output_hidden_states=True, use_cache=False
            )
        (value + data.config.l2 * generated_l2(weights)).backward()
        network.zero_grad()

    # PEFT wraps the modules of a base of its own.
    names = [name.rpartition(".")[2] for name in targets]
    wrapped = get_peft_model(peer.model, LoraConfig(r=8, lora_alpha=16, target_modules=names))

    def peft(number: int) -> None:
        rows, _ = one_each(number)
        mean_loss(wrapped, padded(rows, base.device), use_cache=False).backward()
        wrapped.zero_grad()

    ways = {
        "t2l": lambda number: ours(*one_each(number)),
        "copied_to_tokens": copied,
        "peft": peft,
        "t2l_packed": lambda number: ours(*data.rows(number)),
    }
    found = measure(base.device, ways, rounds)
    wrapped.unload()
    return found


def libraries(base: BaseModel, data: SFTData, rounds: int, n: int) -> dict[str, Any]:
    """A step of n adapters, 8 examples each, packed: together, and one after another.

    Of the latter a few are timed and stand for all.
    """
    spec = base.spec(TARGETS)
    network = Adapters(spec, n).to(base.device)
    optimizer = torch.optim.AdamW(network.each.parameters())
    loss = sft_loss(base, data.config, separate=True)

    def together(number: int) -> None:
        rows, _ = data.rows(number)
        loss(network, Step(pack(rows), torch.arange(n), sum(map(len, rows))))["total"].backward()
        optimizer.step()
        optimizer.zero_grad()

    def in_turn(number: int) -> None:
        rows, _ = data.rows(number)
        for index, row in enumerate(rows[:_SAMPLED]):
            weights = network(torch.tensor([index]))[0]
            with attached(base.model, weights):
                losses, share = answer_losses(base.model, pack([row]).to(base))
            (losses * share).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    found = measure(base.device, {"together": together, "in_turn": in_turn}, rounds)
    found["in_turn"]["seconds"] *= n / min(n, _SAMPLED)
    return found


def eight_bits(name: str, data: SFTData, rounds: int) -> dict[str, Any]:
    """A step with the base as training has it, in float32 and in 8 bits, and their gradients' cosine."""
    bases = {
        kind: prepare(name, "float32", replace(data.config, int8=kind == "int8"), FitConfig(steps=1), "")[0]
        for kind in ("float32", "int8")
    }
    config = T2LConfig(bases["int8"].spec(ALL), 384, "m", shift="element", scale="scalar")
    # Without dropout, so that both see the same network.
    network = T2L(config).initialise("zero").eval()
    gradients = {}

    def way(kind: str) -> Callable[[int], None]:
        loss = sft_loss(bases[kind], data.config)

        def step(number: int) -> None:
            rows, condition = data.rows(number)
            loss(network, Step(pack(rows), condition, sum(map(len, rows))))["loss"].backward()
            found = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
            gradients[kind] = torch.cat(found)
            network.zero_grad()

        return step

    result = measure(torch.device("cpu"), {kind: way(kind) for kind in bases}, rounds)
    result["cosine"] = float(F.cosine_similarity(gradients["float32"], gradients["int8"], 0))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="data/suite")
    parser.add_argument("--base", help="Hub id or folder (default: the embedded base)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--library", type=int, default=32, help="tasks of the library")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    named = {"name": args.base} if args.base else {}
    base, other = (BaseModel.load(**named, dtype=args.dtype) for _ in range(2))
    for one in (base, other):
        one.model.set_attn_implementation("eager" if one.device.type == "cpu" else "sdpa")
    tasks = list(read_suite(args.tasks, split="train").values())

    def data(n: int) -> SFTData:
        # Long enough for eight examples of most tasks.
        config = SFTConfig(tasks_per_step=n, tokens_per_row=160)
        return SFTData(base, tasks, list(torch.randn(len(tasks), 1, 384)), config)

    result: dict[str, Any] = {
        "dtype": str(base.dtype).removeprefix("torch."),
        "device": base.device.type,
        "one_linear": one_linear(base.device, args.rounds),
        "library": libraries(base, data(args.library), args.rounds, args.library),
        "sft": sft_steps(base, other, data(8), args.rounds, TARGETS),
        "sft_all": sft_steps(base, other, data(8), args.rounds, ALL),
    }
    if base.device.type == "cpu":
        result["int8"] = eight_bits(base.id, data(8), args.rounds)
        result["int8_cosine"] = result["int8"].pop("cosine")
        float32, int8 = (result["int8"][name]["seconds"] for name in ("float32", "int8"))
        result["float32_over_int8"] = float32 / int8
    bare, copied, ours = (result["one_linear"][name] for name in ("bare", "copied_to_tokens", "attached"))
    for fact in ("seconds", "peak_mb"):
        ratio = (copied[fact] - bare[fact]) / (ours[fact] - bare[fact])
        result[f"copied_over_attached_overhead_{fact}"] = ratio
    for part in ("sft", "sft_all"):
        for peer in ("copied_to_tokens", "peft"):
            for fact in ("seconds", "peak_mb"):
                ratio = result[part][peer][fact] / result[part]["t2l"][fact]
                result[f"{part}_{peer}_over_t2l_{fact}"] = ratio
    result["in_turn_over_together"] = (
        result["library"]["in_turn"]["seconds"] / result["library"]["together"]["seconds"]
    )
    if args.json:
        print(json.dumps(result))
        return
    for part in ("one_linear", "sft", "sft_all", "library", "int8"):
        for name, row in result.get(part, {}).items():
            print(f"{part:<11} {name:<17} {1000 * row['seconds']:9.1f} ms {row['peak_mb']:9.1f} MB")
    for key in [key for key in result if "_over_" in key or key.endswith("_cosine")]:
        print(f"{key:<40} {result[key]:.2f}")


if __name__ == "__main__":
    run_script(main)
