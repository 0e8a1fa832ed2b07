"""What `spaces` does on ZeroGPU, without a GPU: what GPU() decorates runs in a fork, behind pickles.

After spaces 0.51.3 (zero/wrappers.py): arguments and items are pickled as multiprocessing does it, of an
exception only the name of its class arrives, and closing is noticed after the next item. Unlike there, every
call has a process of its own, only generators are served, and tensors off the CPU do not cross.
"""

from __future__ import annotations

import functools
import inspect
import multiprocessing
import pickle
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch

_FORK = multiprocessing.get_context("fork")

# What tests read: the seconds asked for, and how many tensors have crossed.
seconds: list[Any] = []
crossed: list[torch.Size] = []
# Called in every new process, where ZeroGPU would bring the model to the GPU.
begin: list[Callable[[], object]] = []


class _Pickler(ForkingPickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, torch.Tensor):
            if obj.device.type != "cpu":
                raise TypeError(f"a tensor on {obj.device} was to cross")
            crossed.append(obj.shape)
        return NotImplemented


def _put(pipe: Connection, item: Any) -> None:
    pipe.send_bytes(_Pickler.dumps(item))


def _get(pipe: Connection) -> Any:
    if not pipe.poll(60):
        raise TimeoutError("the worker hangs")
    return pickle.loads(pipe.recv_bytes())


def GPU(task: Any = None, *, duration: Any = 60, size: str | None = None) -> Any:
    if task is None:
        return functools.partial(GPU, duration=duration, size=size)
    assert inspect.isgeneratorfunction(task)

    @functools.wraps(task)
    def call(*args: Any, **kwargs: Any) -> Iterator[Any]:
        import gradio as gr

        seconds.append(duration(*args, **kwargs) if callable(duration) else duration)
        asked = _Pickler.dumps((args, kwargs))
        (results, answer), stop = _FORK.Pipe(False), _FORK.Event()
        worker = _FORK.Process(target=_work, args=(task, asked, answer, stop), daemon=True)
        with warnings.catch_warnings():
            # Newer Pythons warn of forks in a process with threads: that it works is what is tested.
            warnings.simplefilter("ignore", DeprecationWarning)
            worker.start()
        answer.close()
        kind, value = "item", None
        try:
            kind, value = _get(results)
            while kind == "item":
                yield value
                kind, value = _get(results)
            if kind == "error":
                raise gr.Error(value, title="ZeroGPU worker error", print_exception=False)
        except TimeoutError:
            kind = "hangs"
            worker.kill()
            raise
        finally:
            stop.set()
            while kind == "item":
                kind, value = _get(results)
            worker.join()
            results.close()

    return call


def _work(task: Any, asked: memoryview, answer: Connection, stop: Any) -> None:
    args, kwargs = pickle.loads(asked)
    for function in begin:
        function()
    try:
        items = task(*args, **kwargs)
        for item in items:
            if stop.is_set():
                items.close()
                break
            _put(answer, ("item", item))
    except Exception as err:
        _put(answer, ("error", type(err).__name__))
    else:
        _put(answer, ("end", None))
