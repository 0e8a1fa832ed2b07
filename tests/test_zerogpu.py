"""The GPU boundary of ZeroGPU, with a stand-in for `spaces` that forks: what crosses, what stays, what ends.
Nothing here has run on ZeroGPU itself."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from paths import REPO

from t2l.base import BaseModel
from t2l.engine import Decoding, Engine
from t2l.errors import T2LError
from t2l.studio import Studio

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
PLURAL, CAPITAL = "Output the plural of the noun.", "Give the capital of the country."
SHORT = Decoding(max_new_tokens=10)


@pytest.fixture(scope="module")
def spaces():
    """The stand-in, whatever is installed beside it."""
    path, loaded = list(sys.path), sys.modules.pop("spaces", None)
    sys.path.insert(0, str(REPO / "tests" / "zerogpu_stub"))
    import spaces

    assert Path(spaces.__file__).is_relative_to(REPO)
    yield spaces
    sys.path[:] = path
    del sys.modules["spaces"]
    if loaded:
        sys.modules["spaces"] = loaded


@pytest.fixture(scope="module")
def studio(spaces, base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """A studio behind the boundary, in float32, on the base that the other tests have loaded."""
    studio = Studio(dtype="float32", device="cpu", shelf=tmp_path_factory.mktemp("shelf"), gpu=spaces.GPU)
    studio._engine = Engine(base)
    studio.load()
    return studio


@pytest.fixture(scope="module")
def here(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """The same base with no boundary."""
    here = Studio(shelf=tmp_path_factory.mktemp("here"))
    here._engine, here._generators = studio._engine, studio._generators
    return here


def ask(studio: Studio, text: str, prompt: str, decoding: Decoding = SHORT) -> list[list[str]]:
    return list(studio.compare(prompt, [studio.make(text).weights], decoding))


def nobody_works(spaces) -> bool:
    return not multiprocessing.active_children()


def test_answers_are_those_without_the_boundary_and_only_cpu_tensors_cross(
    spaces, studio: Studio, here: Studio
) -> None:
    spaces.crossed.clear()
    there = ask(studio, PLURAL, "hammer")
    assert there == ask(here, PLURAL, "hammer") and there[-1][1].strip() == "hammers"
    assert len(spaces.crossed) == 2 * len(studio.generator.spec.targets)
    assert nobody_works(spaces)


def test_the_stand_in_lets_no_other_tensors_cross(spaces) -> None:
    def show(tensor: torch.Tensor) -> Iterator[list[float]]:
        yield tensor.tolist()

    assert list(spaces.GPU(show)(torch.ones(2))) == [[1, 1]]
    with pytest.raises(TypeError, match="tensor on meta"):
        list(spaces.GPU(show)(torch.ones(2, device="meta")))


def test_workers_forked_in_the_middle_of_an_answer_give_their_own(studio: Studio, here: Studio) -> None:
    expected, beside_expected = ask(here, CAPITAL, "France"), ask(here, PLURAL, "hammer")
    begun, over = threading.Event(), threading.Event()

    def answer_on() -> list[list[list[str]]]:
        weights, answers = here.make(PLURAL).weights, []
        while not over.is_set():
            answers.append([])
            for texts in here.compare("hammer", [weights], SHORT):
                answers[-1].append(texts)
                begun.set()
        return answers

    with ThreadPoolExecutor(1) as others:
        beside = others.submit(answer_on)
        try:
            assert begun.wait(60)
            answers = [ask(studio, CAPITAL, "France") for _ in range(4)]
        finally:
            over.set()
        assert answers == [expected] * 4
        assert all(answer == beside_expected for answer in beside.result(60))


def test_a_lock_that_another_thread_holds_at_the_fork_stops_nobody(studio: Studio, here: Studio) -> None:
    weights, expected = studio.make(PLURAL).weights, ask(here, PLURAL, "hammer")
    columns = studio.generator.spec.zeros(2)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with studio._lock:
            held.set()
            done.wait(60)

    with ThreadPoolExecutor(1) as others:
        other = others.submit(hold)
        held.wait()
        chats = [[{"role": "user", "content": "hammer"}]] * 2
        columns = columns.map(lambda t: t.clone())
        for name in columns.A:
            columns.A[name][1], columns.B[name][1] = weights.A[name], weights.B[name]
        try:
            assert list(studio._answers(chats, columns, SHORT)) == expected
        finally:
            done.set()
        other.result(60)


def test_closing_midway_ends_the_worker_within_a_step(spaces, studio: Studio) -> None:
    steps = multiprocessing.Value("i", 0)

    def count(*_: object) -> None:
        with steps.get_lock():
            steps.value += 1

    handle = studio.engine.base.model.lm_head.register_forward_pre_hook(count)
    try:
        weights = studio.make(PLURAL).weights
        stream = studio.compare("Tell me of the sea.", [weights], Decoding(max_new_tokens=400))
        next(stream), next(stream)
        before = steps.value
        stream.close()
    finally:
        handle.remove()
    assert nobody_works(spaces)
    # Pipes and threads lie between: the worker is a few steps ahead of its reader, not hundreds.
    assert steps.value - before < 40


def test_an_error_of_the_worker_arrives_as_the_same_one(studio: Studio, here: Studio) -> None:
    with pytest.raises(T2LError) as alone:
        ask(here, PLURAL, "7 " * 9000)
    with pytest.raises(T2LError) as across:
        ask(studio, PLURAL, "7 " * 9000)
    assert "tokens" in str(across.value) and str(across.value) == str(alone.value)


def test_seconds_are_asked_for_by_tokens(spaces, studio: Studio) -> None:
    spaces.seconds.clear()
    for tokens in (15, 300):
        stream = studio.compare("Hi", [studio.make(PLURAL).weights], Decoding(max_new_tokens=tokens))
        next(stream)
        stream.close()
    assert spaces.seconds == [9, 28]


def test_the_main_process_needs_no_number_of_the_base(
    spaces, studio: Studio, here: Studio, base: BaseModel
) -> None:
    made = here.describe(PLURAL)
    expected, heat = ask(here, PLURAL, "hammer"), here.about(made.adapter.id).heat
    kept = {name: parameter.data for name, parameter in base.model.named_parameters()}

    def bring_back() -> None:
        for name, parameter in base.model.named_parameters():
            parameter.data = kept[name]

    spaces.begin.append(bring_back)
    try:
        for parameter in base.model.parameters():
            parameter.data = torch.empty(0)
        made = studio.describe(PLURAL, visitor="k" * 43)
        id = made.adapter.id
        assert studio.about(id, visitor="k" * 43).heat == heat
        assert studio.zip(id, visitor="k" * 43).is_file()
        assert ask(studio, PLURAL, "hammer") == expected
    finally:
        spaces.begin.clear()
        bring_back()
