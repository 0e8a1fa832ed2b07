"""Write lengths.yaml, the max_new_tokens of the family tasks: `measure.py TOKENIZER_JSON`, with SmolLM2's.

The longest answer in tokens x 1.15 + 2, rounded up to a multiple of 4, at least 8. It is recorded, so that
building needs no tokenizer; run this after a change of the families.
"""

import math
import sys
from pathlib import Path

import families  # noqa: F401  fills base.TASKS
from families import base
from tokenizers import Tokenizer


def measure(tokenizer: Tokenizer) -> dict[str, int]:
    result = {}
    for name in base.TASKS:
        outputs = [output for _, output in base.examples(name)]
        longest = max(len(tokenizer.encode(output).ids) for output in outputs)
        result[name] = max(8, math.ceil((longest * 1.15 + 2) / 4) * 4)
    return result


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: measure.py TOKENIZER_JSON")
    lengths = measure(Tokenizer.from_file(sys.argv[1]))
    text = "".join(f"{name}: {length}\n" for name, length in lengths.items())
    Path(__file__).with_name("lengths.yaml").write_text(text, encoding="utf-8", newline="\n")
