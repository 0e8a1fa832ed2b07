"""The Space: builds the studio and the page, then launches. Importing this loads no model and no network.
Knows ports and launch settings; the page is t2l.ui, the work t2l.studio."""

from __future__ import annotations

import argparse
import os
import sys

# Before gradio is imported: it reads this once.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from t2l.errors import T2LError
from t2l.studio import DEFAULT_CHECKPOINT, Studio
from t2l.ui import LAUNCH, build


def create(checkpoint: str = DEFAULT_CHECKPOINT) -> tuple[Studio, gr.Blocks]:
    """The studio and its page, with nothing loaded yet."""
    studio = Studio(checkpoint)
    return studio, build(studio)


def main() -> int:
    """Loads everything, then serves until Ctrl-C; returns the exit status."""
    parser = argparse.ArgumentParser(description="Serves the Text-to-LoRA page.")
    parser.add_argument("--port", type=int, default=int(os.environ.get("GRADIO_SERVER_PORT", 7860)))
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, help="name or folder of the generator")
    args = parser.parse_args()
    studio, demo = create(args.checkpoint)
    try:
        studio.load()
        demo.queue(max_size=32, default_concurrency_limit=4)
        demo.launch(server_port=args.port, **LAUNCH)
    except (T2LError, OSError) as err:
        print(f"t2l: {err}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
