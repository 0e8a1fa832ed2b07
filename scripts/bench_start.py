"""Seconds from starting the app to a page that answers, medians; the caches are warm after the first start.
Peer in the same run: a Python process that only imports torch, transformers and gradio."""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from t2l.errors import T2LError, run_script

APP = Path(__file__).resolve().parent.parent / "app.py"


def until_ready(most: float) -> float:
    """Starts the app on a free port, waits for its page and stops it; T2LError after `most` seconds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = time.perf_counter()
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    app = subprocess.Popen([sys.executable, str(APP), "--port", str(port)], env=environment)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        while time.perf_counter() - start < most and app.poll() is None:
            try:
                if opener.open(f"http://127.0.0.1:{port}/health", timeout=5).status == 200:
                    return time.perf_counter() - start
            except OSError:
                time.sleep(0.05)
        raise T2LError(f"No page after {time.perf_counter() - start:.0f} s; the app's own words are above.")
    finally:
        app.terminate()
        app.wait()


def imports() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch, transformers, gradio"], check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    until_ready(300)
    ready, imported = zip(*((until_ready(60), imports()) for _ in range(args.repeats)), strict=True)
    result = {"ready_seconds": statistics.median(ready), "imports_seconds": statistics.median(imported)}
    result["ready_over_imports"] = result["ready_seconds"] / result["imports_seconds"]
    result = {name: round(value, 2) for name, value in result.items()}
    print(json.dumps(result) if args.json else result)


if __name__ == "__main__":
    run_script(main)
