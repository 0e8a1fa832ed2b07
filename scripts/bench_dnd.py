"""How long example prompts take to become an adapter: medians, in parts, for prompts of a given length.
Knows the networks alone: no base model is loaded."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch

from t2l.base import quiet
from t2l.dnd import DnD, DnDConfig
from t2l.encoder import TextEncoder
from t2l.errors import T2LError, run_script
from t2l.generator import Condition, Generator
from t2l.lora import LoRASpec
from t2l.studio import find_checkpoint

# The embedded base's, for a network whose weights are not trained: they cost the same time.
SPEC = LoRASpec(
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    30,
    {
        "self_attn.q_proj": (576, 576),
        "self_attn.v_proj": (576, 192),
        "self_attn.o_proj": (576, 576),
        "mlp.down_proj": (1536, 576),
    },
    8,
    16,
)


def median_ms(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def open_generator(checkpoint: str, size: int) -> Generator:
    if not checkpoint:
        return Generator(DnD(DnDConfig(SPEC, 384, size=size)).eval())
    generator = Generator.load(find_checkpoint(checkpoint))
    if generator.reads != "prompts":
        raise T2LError(f"{checkpoint} reads descriptions; give a checkpoint made by `t2l train dnd`.")
    return generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--checkpoint", default="", help="default: random weights at the embedded base's size"
    )
    parser.add_argument("--size", type=int, default=64, help="of a network with random weights")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64, help="of each prompt")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    quiet()
    generator = open_generator(args.checkpoint, args.size)
    network, encoder = generator.network, generator.encoder
    assert isinstance(network, DnD) and isinstance(encoder, TextEncoder)
    # Two tokens of every text are the encoder's own.
    prompts = [f"{number} " + "word " * (args.tokens - 3) for number in range(args.prompts)]
    config = network.config
    states = encoder.prompt_states(prompts, config.length, masked=config.masked)
    batch = states[[number % len(prompts) for number in range(config.prompts)]].unsqueeze(0)
    with torch.no_grad():
        tokens = network(batch, as_tokens=True)
        result = {
            "threads": torch.get_num_threads(),
            "million_parameters": sum(p.numel() for p in network.parameters()) / 1e6,
            "encoder_ms": median_ms(
                lambda: encoder.prompt_states(prompts, config.length, masked=config.masked), args.repeats
            ),
            "decoder_ms": median_ms(lambda: network(batch, as_tokens=True), args.repeats),
            "tokens_to_adapter_ms": median_ms(lambda: network.grid.decode(tokens), args.repeats),
        }
    condition = Condition(prompts=tuple(prompts))
    result["prompts_to_adapter_ms"] = median_ms(lambda: generator.generate([condition]), args.repeats)
    if args.json:
        print(json.dumps({key: round(value, 3) for key, value in result.items()}))
        return
    for key, value in result.items():
        print(f"{key:<28} {value:8.2f}")


if __name__ == "__main__":
    run_script(main)
