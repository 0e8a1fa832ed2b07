"""What the tests share: the recorded reference, a tiny random Llama, and the embedded base loaded once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "20000")
# Before huggingface_hub is imported, which reads it once: nothing here may reach for a hub; what is not
# embedded must fail at once.
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch

from t2l.base import BaseModel


# Optional: who runs a few tests in one process needs no pytest-xdist.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file's tests stay in one process, for what they set up, and all in Chromium, for their one app."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "browser" if "browser/" in file else file

    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    # Two of the suite's processes run beside each other on two cores, see scripts/setup.py.
    torch.set_num_threads(1 if os.environ.get("PYTEST_XDIST_WORKER") else 2)
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


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """full_disk(n): a block in which a file cannot grow over n bytes; its writes fail, as on a full disk."""
    resource = pytest.importorskip("resource", reason="only Unix can limit the size of files")

    @contextmanager
    def block(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return block
