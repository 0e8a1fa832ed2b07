"""A whole base on disk that trains in milliseconds: a random Llama, a tokenizer of characters, five tasks."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable
from pathlib import Path

import torch

TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
TASKS: dict[str, Callable[[str], str]] = {
    "copy": str,
    "first": lambda word: word[0],
    "last": lambda word: word[-1],
    "reverse": lambda word: word[::-1],
    "twice": lambda word: word * 2,
}
TARGETS = ("self_attn.q_proj", "mlp.down_proj")


def write_base(folder: Path) -> str:
    """Writes the base; returns its name, which is its folder."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<end>", "<user>", "<assistant>", "<unk>"]
    vocabulary = {text: number for number, text in enumerate([*special, *string.ascii_lowercase, " "])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<end>",
        unk_token="<unk>",
        additional_special_tokens=special[1:3],
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        eos_token_id=0,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


def write_suite(folder: Path, examples: int = 30) -> str:
    """Writes the five tasks, with two descriptions each; returns their folder."""
    draw = random.Random(0)
    for name, function in TASKS.items():
        words = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(3, 5))) for _ in range(examples)]
        task = folder / name
        task.mkdir(parents=True)
        (task / "task.yaml").write_text(
            f"name: {name}\ndescriptions: ['Do {name}.', 'Please {name} it.']\n", encoding="utf-8"
        )
        lines = [json.dumps({"input": word, "output": function(word)}) for word in words]
        (task / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder)
