"""How long a description takes to become an adapter, and what a stack saves: medians, with ratios.
Peer in the same run: the same adapters made one by one."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch

from t2l.base import quiet
from t2l.generator import Condition, Generator
from t2l.studio import DEFAULT_CHECKPOINT, find_checkpoint


def median_ms(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--stack", type=int, default=64, help="descriptions in one call")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    generator = Generator.load(find_checkpoint(args.checkpoint))
    texts = [f"Output the plural of the noun, in style {number}." for number in range(args.stack)]
    conditions = [Condition(text) for text in texts]
    embedding = generator.encoder.encode(texts[:1])

    def network() -> None:
        with torch.no_grad():
            generator.network(embedding)

    result = {
        "threads": torch.get_num_threads(),
        "encoder_ms": median_ms(lambda: generator.encoder.encode(texts[:1]), args.repeats),
        "network_ms": median_ms(network, args.repeats),
        "description_to_adapter_ms": median_ms(lambda: generator.generate(conditions[:1]), args.repeats),
    }
    few = max(3, args.repeats // 3)
    alone = median_ms(lambda: [generator.generate([c]) for c in conditions], few) / args.stack
    stacked = median_ms(lambda: generator.generate(conditions), few) / args.stack
    result |= {"one_by_one_ms": alone, "stacked_ms": stacked, "one_by_one_over_stacked": alone / stacked}
    if args.json:
        print(json.dumps({key: round(value, 3) for key, value in result.items()}))
        return
    for key, value in result.items():
        print(f"{key:<28} {value:8.2f}")


if __name__ == "__main__":
    main()
