"""What the tests share: the recorded reference, a tiny random Llama, and the embedded base loaded once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from t2l.base import BaseModel

FIXTURES = Path(__file__).parent / "fixtures" / "t2l"
REPO = Path(__file__).parent.parent


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    # Nothing here may reach for a hub; what is not embedded must fail at once.
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(2)
    from transformers.utils import logging

    logging.disable_progress_bar()


@pytest.fixture(scope="session")
def base() -> BaseModel:
    """The embedded base in float32, for comparisons of numbers and texts."""
    return BaseModel.load(dtype="float32", device="cpu")


@pytest.fixture
def tiny():
    """A 2-layer random Llama with the shapes of a real one: grouped heads, out > in in the MLP."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
    )
    return LlamaForCausalLM(config).eval().requires_grad_(False)
