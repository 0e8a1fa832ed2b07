"""A process with the real Hub client: reads one job a line, answers one line of JSON each.

The client reads its endpoint once, at its import: so it cannot share a process with the other tests.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
import traceback
import types
from dataclasses import asdict
from pathlib import Path
from typing import Any

import huggingface_hub.file_download
import huggingface_hub.utils._http as http

from t2l import cli, hub, space
from t2l.adapter import Adapter
from t2l.errors import T2LError

# Its waits between tries; what it does with them is its own matter.
quick = types.SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
http.time = huggingface_hub.file_download.time = quick  # type: ignore[assignment]


def publish(folder: str, repo_id: str, token: str | None, patience: float = 30, **options: Any) -> Any:
    hub.PATIENCE = patience
    steps: list[str] = []
    made = asdict(hub.publish(Adapter.load(folder), repo_id, token, progress=steps.append, **options))
    return {**made, "steps": steps}


def pull(repo_id: str, out: str, **options: Any) -> Any:
    adapter = hub.pull(repo_id, **options)
    adapter.save(out)
    return {"source": adapter.source, "condition": adapter.condition, "sha256": adapter.weights_sha256}


def search(base_model: str, **options: Any) -> Any:
    return [asdict(found) for found in hub.search(base_model, **options)]


def identity(token: str | None) -> Any:
    return asdict(hub.identity(token))


def check_name(folder: str, repo_id: str, token: str | None) -> Any:
    return asdict(hub.check_name(repo_id, token, Adapter.load(folder)))


def deploy(house: str, repo_id: str, token: str | None, patience: float = 30, **options: Any) -> Any:
    hub.PATIENCE = patience
    steps: list[str] = []
    made = space.deploy(repo_id, token, house=Path(house), progress=steps.append, **options)
    return {**asdict(made), "steps": steps}


def run(args: list[str], token: str = "", house: str = "") -> Any:
    space.HOUSE = Path(house) if house else space.HOUSE
    # What the client reads at every call.
    os.environ["HF_TOKEN"] = token
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(args)
    del os.environ["HF_TOKEN"]
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}


def snippet(code: str, logits: str) -> Any:
    """Runs a card's own code and keeps the logits that its model gives."""
    import torch
    from safetensors.torch import save_file

    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, names)
    with torch.no_grad():
        got = names["model"](torch.arange(1, 9)[None]).logits
    save_file({"logits": got}, Path(logits))
    return {"out": out.getvalue()}


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = {"result": globals()[job.pop("do")](**job)}
        except T2LError as err:
            # As a door might log it, with all that it came from.
            answer = {"error": str(err), "trace": traceback.format_exc(), "repr": repr(vars(err))}
        except Exception:
            answer = {"crash": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
