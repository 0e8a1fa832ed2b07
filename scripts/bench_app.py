"""Seconds that 1, 4 and 16 visitors at once wait in the app: first token, whole comparison; and its memory.
Peer in the same run: PEFT's model through HF generate, base and adapted in turn, without an app."""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch

from t2l.base import DEFAULT_BASE, BaseModel, quiet
from t2l.errors import T2LError, run_script
from t2l.studio import Studio

APP = Path(__file__).resolve().parent.parent / "app.py"
DESCRIPTION = "Continue the story."
# Seconds; longer than the app waits before it gives free memory back.
_REST = 30
PROMPT = "Write a long story about a dragon and a small village by the sea."
# So weak that the adapted answer runs as long as the base's; it costs what a strong one costs.
STRENGTH = 0.1


@contextmanager
def running(dtype: str, log: Path, most: float = 300) -> Iterator[tuple[str, psutil.Process]]:
    """The app on a free port with an empty shelf: its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "T2L_SHELF": str(log.parent / "shelf")}
    command = [sys.executable, str(APP), "--port", str(port), "--dtype", dtype]
    with open(log, "w") as output:
        app = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        start, url = time.perf_counter(), f"http://127.0.0.1:{port}"
        while time.perf_counter() - start < most and app.poll() is None:
            try:
                OPENER.open(f"{url}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise T2LError(f"No page: {log.read_text()[-2000:]}")
        yield url, psutil.Process(app.pid)
    finally:
        app.terminate()
        app.wait()


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(url: str, name: str, **values: Any) -> Iterator[tuple[str, Any]]:
    """The events of an endpoint's answer, by plain HTTP: a client that takes little of the machine."""
    body = json.dumps(values).encode()
    asked = urllib.request.Request(
        f"{url}/gradio_api/call/v2/{name}", body, {"Content-Type": "application/json"}
    )
    with OPENER.open(asked) as answer:
        event = json.load(answer)["event_id"]
    kind = ""
    with OPENER.open(f"{url}/gradio_api/call/{name}/{event}") as stream:
        for line in stream:
            text = line.decode().strip()
            if text.startswith("event: "):
                kind = text.removeprefix("event: ")
            elif text.startswith("data: ") and kind != "heartbeat":
                yield kind, json.loads(text.removeprefix("data: "))


def comparison(url: str, tokens: int) -> tuple[float, float]:
    """Seconds of one visitor to the first token and to the end; T2LError where an answer ends early."""
    start, first, texts = time.perf_counter(), 0.0, []
    values = {"prompt": PROMPT, "descriptions": [DESCRIPTION], "strength": STRENGTH, "max_new_tokens": tokens}
    for kind, data in call(url, "compare", **values):
        if kind == "error":
            raise T2LError(str(data))
        if texts or any([data[0]["base"], *data[0]["adapted"]]):
            first = first or time.perf_counter() - start
            texts.append(data[0])
    seconds = time.perf_counter() - start
    # The last say that all is done, and the one before may be whole already; until then both must have grown.
    before, end = texts[-5:][0], texts[-1]
    if before["base"] == end["base"] or before["adapted"] == end["adapted"]:
        raise T2LError(f"An answer ended before {tokens} tokens; choose another prompt.")
    return first, seconds


def at_once(url: str, visitors: int, tokens: int) -> tuple[list[tuple[float, float]], float]:
    """What each of several visitors waits for, and the seconds until all are done."""
    waited: list[tuple[float, float]] = []
    threads = [
        threading.Thread(target=lambda: waited.append(comparison(url, tokens))) for _ in range(visitors)
    ]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(waited) < visitors:
        raise RuntimeError(f"{visitors - len(waited)} of {visitors} visitors got no answer.")
    return waited, time.perf_counter() - start


def visit(url: str, number: int) -> None:
    """Somebody with a key and a session of their own makes an adapter and asks it something short."""
    asked: dict[str, Any] = {"key": f"visitor-{number:016}"}
    *_, (kind, data) = call(url, "generate_adapter", description=f"Say the number {number}.", **asked)
    if kind == "complete":
        asked |= {"adapters": [data[0]["id"]], "max_new_tokens": 1}
        *_, (kind, data) = call(url, "compare", prompt="hammer", **asked)
    if kind != "complete":
        raise RuntimeError(data)


def peer(dtype: str, tokens: int, folder: str) -> Callable[[], object]:
    """PEFT's way to the same two answers: generate without the adapter, then with it."""
    from peft import PeftModel

    quiet()
    base = BaseModel.load(DEFAULT_BASE, dtype=dtype)
    Studio(shelf=f"{folder}/peer", dtype=dtype).make(DESCRIPTION).save(f"{folder}/adapter")
    ids = torch.tensor([base.prompt_ids([{"role": "user", "content": PROMPT}])])
    model = PeftModel.from_pretrained(base.model, f"{folder}/adapter").eval()
    settings: dict[str, Any] = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False}

    def answer() -> None:
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)

    def both() -> None:
        with model.disable_adapter():
            answer()
        answer()

    return both


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--tokens", type=int, default=64, help="new tokens of each answer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    first: dict[str, float] = {}
    whole: dict[str, float] = {}
    each: dict[str, float] = {}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        # Its model is loaded while the app rests: memory is the app's alone.
        ours = peer(args.dtype, args.tokens, folder)
        with running(args.dtype, Path(folder) / "log.txt") as (url, process):
            comparison(url, args.tokens)
            ours()
            hf = []
            for visitors in (1, 4, 16):
                rounds = []
                for _ in range(args.repeats):
                    rounds.append(at_once(url, visitors, args.tokens))
                    start = time.perf_counter()
                    ours()
                    hf.append(time.perf_counter() - start)
                waited = [one for everyone, _ in rounds for one in everyone]
                first[str(visitors)] = statistics.median(seconds for seconds, _ in waited)
                whole[str(visitors)] = statistics.median(seconds for _, seconds in waited)
                each[str(visitors)] = statistics.median(seconds for _, seconds in rounds) / visitors
            made = 0
            for count in (10, 100, 200):
                while made < count:
                    made += 1
                    visit(url, made)
                # What is free goes back to the system now and then.
                time.sleep(_REST)
                memory[str(count)] = process.memory_info().rss / 1e6
    peft = statistics.median(hf)
    ratios = {
        "first_token_16_over_1": first["16"] / first["1"],
        "comparison_16_over_1": whole["16"] / whole["1"],
        "peft_two_calls_over_1": peft / whole["1"],
        # One after another the last of 16 waits 16 times, and one in the middle 8.5 times.
        "peft_one_after_another_over_16": 8.5 * peft / whole["16"],
        "peft_over_each_of_16": peft / each["16"],
        "memory_200_over_10": memory["200"] / memory["10"],
    }
    result = {
        "dtype": args.dtype,
        "threads": torch.get_num_threads(),
        "tokens": args.tokens,
        "first_token_seconds": _rounded(first),
        "comparison_seconds": _rounded(whole),
        "seconds_for_each_in_turn": _rounded(each),
        "peft_two_calls_seconds": round(peft, 3),
        "memory_mb": _rounded(memory),
        "ratios": _rounded(ratios),
    }
    if args.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<26} {value}")


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


if __name__ == "__main__":
    run_script(main)
