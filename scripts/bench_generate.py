"""How long an adapter takes: a description with a checkpoint, or an embedding at a large base's true size.
Peers in the same run: one by one; at true size the reference's way and the bare matrix products."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2l.adapter import Adapter, zip_folder
from t2l.base import quiet
from t2l.errors import run_script
from t2l.export import lint
from t2l.generator import Condition, Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRASpec
from t2l.packed import pack_linears
from t2l.presets import PRESETS
from t2l.studio import DEFAULT_CHECKPOINT, find_checkpoint

Work = Callable[[], object]
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def median_ms(work: Work, repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    return rounds({"": work}, repeats, clock)[""]


def rounds(works: dict[str, Work], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Median milliseconds of each, taken in turns, so that a busy moment meets all; the first is warm-up."""
    taken: list[dict[str, float]] = []
    for _ in range(repeats + 1):
        taken.append({})
        for name, work in works.items():
            start = clock()
            work()
            taken[-1][name] = 1000 * (clock() - start)
    return {name: statistics.median(row[name] for row in taken[1:]) for name in works}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT)
    parser.add_argument("--preset", choices=[name for name, preset in PRESETS.items() if preset.repo])
    parser.add_argument("--variants", default="l,m,s", help="with --preset, separated by commas")
    parser.add_argument("--threads", type=int, default=0, help="0 leaves torch's own choice")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: of this process, for one thread"
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument(
        "--stack", type=int, default=0, help="descriptions in one call (64; 32 with --preset)"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    if args.threads:
        torch.set_num_threads(args.threads)
    result = true_size(args) if args.preset else with_checkpoint(args)
    if args.json:
        print(json.dumps(result))
        return
    for key, value in result.items():
        if isinstance(value, dict):
            print(f"{key:<14}", "  ".join(f"{name} {number:g}" for name, number in value.items()))
        else:
            print(f"{key:<28} {value}")


def with_checkpoint(args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds from a description to its adapter, by itself and in a stack."""
    generator, clock = Generator.load(find_checkpoint(args.checkpoint)), CLOCKS[args.clock]
    n = args.stack or 64
    texts = [f"Output the plural of the noun, in style {number}." for number in range(n)]
    conditions = [Condition(text) for text in texts]
    embedding = generator.encoder.encode(texts[:1])

    def network() -> None:
        with torch.no_grad():
            generator.adapters(embedding)

    one = {
        "encoder_ms": lambda: generator.encoder.encode(texts[:1]),
        "network_ms": network,
        "description_to_adapter_ms": lambda: generator.generate(conditions[:1]),
    }
    many = {
        "one_by_one_ms": lambda: [generator.generate([c]) for c in conditions],
        "stacked_ms": lambda: generator.generate(conditions),
    }
    times = rounds(one, args.repeats, clock)
    times |= {key: ms / n for key, ms in rounds(many, max(3, args.repeats // 3), clock).items()}
    times["one_by_one_over_stacked"] = times["one_by_one_ms"] / times["stacked_ms"]
    return {"threads": torch.get_num_threads(), **{key: round(value, 3) for key, value in times.items()}}


def true_size(args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds an adapter for every variant and type of the heads, and what the peers take, in ratios."""
    result: dict[str, Any] = {"preset": args.preset, "threads": torch.get_num_threads(), "clock": args.clock}
    for variant in args.variants.split(","):
        for dtype in DTYPES:
            result[f"{variant} {dtype}"] = measure(args, variant, dtype)
    result["peak_resident_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
    return result


def network_of(preset: str, variant: str) -> T2L:
    """A network with random numbers at a preset's shapes, of the paper's sizes (q and v, rank 8)."""
    shape = PRESETS[preset].shape
    targets = {
        "self_attn.q_proj": (shape.hidden, shape.heads * shape.head_size),
        "self_attn.v_proj": (shape.hidden, shape.kv_heads * shape.head_size),
    }
    spec = LoRASpec(PRESETS[preset].base_model, shape.n_layers, targets, 8, 16, use_rslora=True)
    torch.manual_seed(0)
    return T2L(T2LConfig(spec, 1024, variant)).eval().requires_grad_(False)


@torch.no_grad()
def measure(args: argparse.Namespace, variant: str, dtype: str) -> dict[str, float]:
    n, clock = args.stack or 32, CLOCKS[args.clock]
    plain, ours = network_of(args.preset, variant), network_of(args.preset, variant).freeze(DTYPES[dtype])
    conditions = F.normalize(torch.randn(n, 1024), dim=-1) * 32
    times = rounds(
        {
            "reference": lambda: reference_way(plain, conditions[:1]),
            "ours": lambda: ours(conditions[:1]),
            "floor": floor(plain, DTYPES[dtype], packed=False),
            "packed floor": floor(plain, DTYPES[dtype], packed=True),
        },
        args.repeats,
        clock,
    )
    few = max(2, args.repeats // 5)
    # A stack's memory is new: to fill that is part of the least that it takes.
    least = floor(plain, DTYPES[dtype], packed=True, n=n)
    stacks = rounds({"stacked": lambda: ours(conditions), "stacked floor": least}, few, clock)
    stacked, stacked_floor = stacks["stacked"] / n, stacks["stacked floor"] / n
    low = min(times["floor"], times["packed floor"])
    expected, made = plain(conditions[:1])[0], ours(conditions[:1])[0]
    sides = [
        (one, other) for a in ("A", "B") for one, other in _pairs(getattr(expected, a), getattr(made, a))
    ]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        adapter = Adapter(ours(conditions[:1])[0], "Sort the words.", "random", "0" * 64)
        size = adapter.save(Path(folder, "adapter"))
        zipped = zip_folder(Path(folder, "adapter"), Path(folder, "adapter.zip"))
        seconds, zip_size = time.perf_counter() - start, zipped.stat().st_size
        if findings := lint(Path(folder, "adapter")):
            raise SystemExit(f"{args.preset} {variant}: {findings}")
    measured = {
        **{f"{name}_ms": value for name, value in times.items()},
        "stacked_ms": stacked,
        "over_lower_floor": times["ours"] / low,
        "stacked_floor_ms": stacked_floor,
        "stacked_over_its_floor": stacked / stacked_floor,
        "reference_over_plain_floor": times["reference"] / times["floor"],
        "reference_over_ours": times["reference"] / times["ours"],
        "reference_over_stacked": times["reference"] / stacked,
        "relative_error": max(float((x - y).norm() / x.norm()) for x, y in sides),
        "folder_mb": size / 1e6,
        "zip_mb": zip_size / 1e6,
        "click_to_zip_ms": 1000 * seconds,
    }
    return {name: round(value, 4) for name, value in measured.items()}


def _pairs(one: dict[str, Tensor], other: dict[str, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    return ((one[name], other[name]) for name in one)


def reference_way(network: T2L, embedding: Tensor) -> dict[str, Tensor]:
    """One adapter as the published code makes it, by its description: one task, module after module,
    the task's embedding expanded over the layers, whole heads, a dictionary of copies layer by layer."""
    spec, config, made = network.config.spec, network.config, {}
    layers = torch.arange(spec.n_layers)
    sides, ranks = config.variant in ("m", "s"), config.variant in ("s", "rankwise")
    for m, (name, sizes) in enumerate(spec.targets.items()):
        task = network.condition(embedding.expand(spec.n_layers, -1))
        layer = network.layer.norm(network.layer.embedding(layers))
        module = network.module.norm(network.module.embedding(torch.full_like(layers, m)))
        x = network.block1(network.mixer(torch.cat([task, layer, module], dim=-1)))
        raw = []
        for side in (0, 1) if sides else (0,):
            z = network.block2(x + network.side_norm(network.side[m, side]) if sides else x)
            if ranks:
                z = z.unsqueeze(1) + network.block2(network.rank.norm(network.rank.embedding.weight))
            raw.append(network.heads[m](network.neck(z)))
        if not sides:
            raw = list(raw[0].split([spec.rank * size for size in sizes], dim=-1))
        a, b = (part.view(spec.n_layers, spec.rank, -1)[..., :n] for part, n in zip(raw, sizes, strict=True))
        for index in range(spec.n_layers):
            made[f"{index}.{name}.A"] = a[index].clone().contiguous()
            made[f"{index}.{name}.B"] = b[index].T.clone().contiguous()
    return made


def floor(network: T2L, dtype: torch.dtype, packed: bool, n: int = 1) -> Work:
    """Nothing but the matrix products of trunk and heads, and one write of the adapter's numbers as float32.

    Of a head only the rows that a side uses. packed: with weights in the layout that `t2l.packed` uses, else
    as torch multiplies them. n: adapters, which are written into one new stack.
    """
    spec, variant, config = network.config.spec, network.config.variant, network.config
    sides = 2 if variant in ("m", "s") else 1
    w, h = config.width, config.head_size
    rows, neck_rows = spec.n_layers, spec.n_layers * (spec.rank if variant == "s" else 1)
    shapes = [(rows, config.condition_size, config.latent_size // 2)]
    for i, o in spec.targets.values():
        shapes += [(rows, w, 4 * w), (rows, 4 * w, w)] * 2
        outs = (
            [spec.rank * (i + o)]
            if sides == 1
            else [size * (spec.rank if variant == "m" else 1) for size in (i, o)]
        )
        for out in outs:
            shapes += [(rows, w, 4 * w), (rows, 4 * w, w)]
            shapes += [(neck_rows, w, 4 * w), (neck_rows, 4 * w, h), (neck_rows, h, out)]
    linears, inputs = [], []
    for count, wide, out in shapes:
        linear = nn.Linear(wide, out, bias=False, dtype=dtype).requires_grad_(False)
        linears.append(linear)
        inputs.append(torch.randn(count, wide, dtype=dtype))
    if packed:
        pack_linears(nn.ModuleList(linears))
    numbers = torch.randn(spec.n_parameters)

    def work() -> None:
        stack = torch.empty(n, len(numbers))
        for one in stack:
            for linear, x in zip(linears, inputs, strict=True):
                linear(x)
            one.copy_(numbers)

    return work


if __name__ == "__main__":
    run_script(main)
