"""A large base at its true size with random numbers, on a GPU: making an adapter, and streaming side by side.
Milliseconds, tokens a second and memory; the base alone against base and adapted in one pass; to a file."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from t2l.base import BaseModel
from t2l.engine import Decoding, decode
from t2l.errors import run_script
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRASpec, LoRAWeights, stack
from t2l.presets import PRESETS

KINDS = {"mistral-7b": "Mistral", "llama-3.1-8b": "Llama", "gemma-2-2b": "Gemma2"}


class Numbers:
    """In the tokenizer's place: random weights say nothing, so that an answer is its tokens' numbers."""

    eos_token_id = None

    def decode(self, ids: Sequence[int], skip_special_tokens: bool) -> str:
        return " ".join(map(str, ids))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=KINDS, default="mistral-7b")
    parser.add_argument("--layers", type=int, default=0, help="fewer than the base has, to try the script")
    parser.add_argument("--variant", choices=["l", "m", "s"], default="l")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--prompt", type=int, default=256, help="tokens of the prompt")
    parser.add_argument("--tokens", type=int, default=128, help="new tokens of each answer")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", default="results/gpu.json")
    args = parser.parse_args()
    device = torch.device(args.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("There is no GPU here; to try the script: --device cpu --layers 1 --tokens 4.")
    base = random_base(args.preset, args.layers, device)
    with torch.no_grad():
        adapter = random_network(base, args.variant)(torch.randn(1, 1024))[0]
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "torch": torch.__version__,
        "preset": args.preset,
        "layers": base.model.config.num_hidden_layers,
        "parameters": base.model.num_parameters(),
        "dtype": "bfloat16",
        "n": args.repeats,
        "generation": measure_generation(base, args.variant, args.repeats),
        "streaming": measure_streaming(base, adapter, args),
    }
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    Path(args.out).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def random_base(preset: str, layers: int, device: torch.device) -> BaseModel:
    """The architecture and the sizes of a preset's base, with random numbers, in bfloat16."""
    import transformers

    shape, kind = PRESETS[preset].shape, KINDS[preset]
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=layers or shape.n_layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_size,
        tie_word_embeddings=shape.tied,
        eos_token_id=None,
        # Of this version Mistral reads everything; the class's own default is the first version's window.
        **({"sliding_window": None} if kind == "Mistral" else {}),
    )
    torch.manual_seed(0)
    # Made where it runs, so that 7 B numbers never pass through the host's memory.
    with device:
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.generation_config.eos_token_id = None
    return BaseModel(PRESETS[preset].base_model, "random", model.eval().requires_grad_(False), Numbers())


def random_network(base: BaseModel, variant: str) -> T2L:
    """A hypernetwork of the paper's sizes (q and v, rank 8) for that base."""
    made = base.spec(["self_attn.q_proj", "self_attn.v_proj"], rank=8, alpha=16)
    spec = LoRASpec(made.base_model, made.n_layers, made.targets, 8, 16, use_rslora=True)
    torch.manual_seed(0)
    return T2L(T2LConfig(spec, 1024, variant)).eval().requires_grad_(False)


def measure_generation(base: BaseModel, variant: str, repeats: int) -> dict[str, float]:
    """Milliseconds from an embedding to an adapter: on the CPU, where the program makes it, and on a GPU."""
    found = {}
    for place in dict.fromkeys(("cpu", base.device.type)):
        network = random_network(base, variant).to(place)
        network = network.freeze() if place == "cpu" else network
        embedding = torch.randn(1, 1024, device=place)

        def make(network: T2L = network, embedding: torch.Tensor = embedding) -> None:
            with torch.no_grad():
                network(embedding)

        times = [seconds(make, torch.device(place)) for _ in range(repeats + 1)]
        found[f"{place}_ms"] = round(1000 * statistics.median(times[1:]), 3)
    return found


def measure_streaming(base: BaseModel, adapter: LoRAWeights, args: argparse.Namespace) -> dict[str, Any]:
    """Of each way to answer: the first token's ms, the others' ms a step, tokens a second, memory in GB."""
    zeros, device = adapter.spec.zeros(), base.device
    prompt = torch.randint(3, base.model.config.vocab_size, (args.prompt,)).tolist()
    ways: dict[str, tuple[LoRAWeights | None, int]] = {
        "base_alone": (None, 1),
        "adapted_alone": (adapter, 1),
        "side_by_side": (stack([zeros, adapter]), 2),
        "eight_columns": (stack([zeros, *[adapter] * 7]), 8),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    memory = dict.fromkeys(ways, 0.0)
    # In turns, so that a busy moment meets all; the first round is warm-up.
    for turn in range(args.repeats + 1):
        for name, (weights, rows) in ways.items():
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            texts = decode(base, [prompt] * rows, weights, Decoding(args.tokens))
            first = seconds(lambda texts=texts: next(texts), device)
            rest = seconds(lambda texts=texts: [None for _ in texts], device)
            if turn:
                taken[name].append((first, rest / max(1, args.tokens - 1)))
            if device.type == "cuda":
                memory[name] = max(memory[name], torch.cuda.max_memory_allocated(device) / 1e9)
    found: dict[str, Any] = {}
    for name, times in taken.items():
        first, step = (statistics.median(values) for values in zip(*times, strict=True))
        found[name] = {
            "first_token_ms": round(1000 * first, 2),
            "step_ms": round(1000 * step, 3),
            "tokens_per_second": round(ways[name][1] / step, 1),
            **({"peak_gb": round(memory[name], 2)} if memory[name] else {}),
        }
    alone = found["base_alone"]["step_ms"]
    found["side_by_side_over_base_alone"] = round(found["side_by_side"]["step_ms"] / alone, 3)
    found["prompt_tokens"], found["new_tokens"] = args.prompt, args.tokens
    return found


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Wall time of a piece of work, with all that the device still has to do."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


if __name__ == "__main__":
    run_script(main)
