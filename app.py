"""The Space: builds the studio and the page, then launches. Importing this loads no model and no network.
Knows flags, the environment and launch settings; the page is t2l.ui, the work t2l.studio."""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import os
import platform
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

# Before gradio is imported: it reads this once.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# ZeroGPU, as the package `spaces` knows it.
if os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true"):
    # The tokenizer's threads would be missing in the workers, which are forked.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # Before torch: it puts an emulation in CUDA's place; only what GPU() wraps will see a real one.
    import spaces
else:
    spaces = None

if not os.environ.get("GRADIO_SERVER_PORT", "7860").isdecimal():
    # Gradio's own answer, while it is imported, is a traceback.
    print(f"t2l: GRADIO_SERVER_PORT={os.environ['GRADIO_SERVER_PORT']!r} is no port.", file=sys.stderr)
    raise SystemExit(2)

import gradio as gr
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from t2l import __version__
from t2l.base import choose_device, choose_dtype
from t2l.errors import T2LError
from t2l.presets import PRESETS, Setup
from t2l.studio import DEFAULT_CHECKPOINT, Limits, Studio, find_checkpoint
from t2l.ui import LAUNCH, build

LEAST_PASSWORD = 8
_TRIM_SECONDS = 20
LIMITS = {
    "description": "characters of a description",
    "prompt": "characters of a prompt",
    "new_tokens": "tokens of one answer",
    "adapters": "adapters beside the base in one comparison",
    "shelf_bytes": "of one visitor's adapters; those used longest ago make room",
    "visitors_bytes": "of all visitors' adapters; the shelves used longest ago make room",
    "batch": "descriptions of one batch",
    "scored": "tokens that the answers of one measurement may have together",
    "at_once": "visitors who are answered at the same time",
    "waiting": "visitors who wait for that; more are turned away",
}
VARIABLES = {
    "T2L_AUTH": "USER:PASSWORD that every visitor must know. Not a flag, since all users of a machine can\n"
    "read its command lines; for several logins see --auth-file",
    "T2L_CACHE": "folder of what is converted and computed once (default ~/.cache/t2l)",
    "T2L_CHECKPOINTS": "folder of the checkpoints that have names (default: the project's own)",
    "T2L_RESULTS": "folder of the rows that the Results tab draws (default: the project's own results/)",
    "T2L_SHELF_BYTES": "of the machine's own shelf, which the command line uses (default 2000000000)",
}
# Of the flags below. On a Space there are no flags.
PRESET = ("T2L_PRESET", "T2L_SCALING", "T2L_CHAT_TEMPLATE")
FLAGS = ("T2L_CHECKPOINT", *PRESET, "T2L_DTYPE", "T2L_DEVICE", "T2L_SHELF", "T2L_MCP", "T2L_OWN_TOKEN")
# Not read here, but by scripts/setup.py and by the tests, which may start this app.
OTHERS = ("T2L_CHROMIUM", "T2L_TORCH_INDEX", "T2L_HUB_TOKEN", "T2L_WRITE_DOCS")


def create(checkpoint: str = "", **options: Any) -> tuple[Studio, gr.Blocks]:
    """The studio and its page, with nothing loaded yet; options as `Studio`'s."""
    studio = _studio(checkpoint, **options)
    return studio, build(studio)


def _studio(checkpoint: str, dtype: str = "auto", **options: Any) -> Studio:
    if spaces:
        # "auto" measures, and there is nothing to measure yet.
        dtype = "bfloat16" if dtype == "auto" else dtype
        options["gpu"] = spaces.GPU
    return Studio(checkpoint, dtype=dtype, **options)


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until Ctrl-C; returns the exit status: 2 for what the caller can fix."""
    try:
        return serve(_parser().parse_args(argv))
    except (T2LError, OSError) as err:
        print(f"t2l: {err}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def serve(args: argparse.Namespace) -> int:
    """Opens the page at once, then loads the model; on ZeroGPU before, since launching takes the base away.

    Raises T2LError for what cannot be served, as far as possible before anybody can visit.
    """
    _give_memory_back()
    _check_variables()
    limits = Limits.read()
    setup = Setup.chosen(args.preset, args.scaling, args.chat_template)
    if args.checkpoint or not setup or not setup.preset.repo:
        find_checkpoint(args.checkpoint or DEFAULT_CHECKPOINT)
    if args.dtype not in ("auto", "4bit"):
        choose_dtype(args.dtype, choose_device("cpu"))
    if not spaces and args.device != "split":
        choose_device(args.device)
    logins = _logins(args.auth_file)
    if args.mcp and logins:
        raise T2LError(
            "MCP clients cannot sign in, so --mcp would let everybody in; leave it or the login out."
        )
    if args.own_token and args.share:
        raise T2LError("--own-token is for whoever sits at this machine; leave it or --share out.")
    os.environ["T2L_OWN_TOKEN"] = str(int(args.own_token))
    if args.mcp and importlib.util.find_spec("mcp") is None:
        raise T2LError('--mcp needs a package that is not installed; run: pip install "gradio[mcp]"')
    _check_address(args.host, args.port)
    shelf = args.shelf or None
    studio = _studio(args.checkpoint, args.dtype, device=args.device, shelf=shelf, limits=limits, setup=setup)
    _check_folder(studio.shelf.folder)
    # As Ctrl-C; the first process of a container would not notice it otherwise.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if spaces or args.share:
        # A public address is not for a model that may not load.
        studio.load()
    # Else gradio would ask a proxy of the environment whether the page is there.
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))
    demo = build(studio)
    # Both are said: on ZeroGPU gradio would let one visitor wait and turn all others away.
    demo.queue(max_size=limits.waiting, default_concurrency_limit=limits.at_once)
    settings = {**LAUNCH, "app_kwargs": {**LAUNCH.get("app_kwargs", {}), "routes": [_health(studio)]}}
    demo.launch(
        server_name=args.host,
        server_port=args.port,
        auth=logins or None,
        root_path=args.root_path,
        share=args.share,
        mcp_server=args.mcp,
        # What went wrong in here is for the log, not for visitors.
        show_error=False,
        quiet=True,
        prevent_thread_lock=True,
        **settings,
    )
    if demo.mcp_error:
        raise T2LError(f"{demo.mcp_error}; start without --mcp.")
    print(f"Text-to-LoRA {__version__}: {demo.local_url}", flush=True)
    if not studio.ready:
        print("Loading the model; the first answer waits for it ...", flush=True)
        studio.load()
    print("Ready.", flush=True)
    try:
        demo.block_thread()
    finally:
        studio.close()
    return 0


def _give_memory_back() -> None:
    """Has glibc return what adapters took, now and then: by itself it keeps some 0.7 MB for each one made."""
    if platform.libc_ver()[0] != "glibc":
        return
    trim = ctypes.CDLL(None).malloc_trim

    def often() -> None:
        # Not by a lower M_MMAP_THRESHOLD: then reading a long prompt takes 1.7 times as long.
        while True:
            time.sleep(_TRIM_SECONDS)
            trim(0)

    threading.Thread(target=often, name="malloc_trim", daemon=True).start()


def _health(studio: Studio) -> Route:
    """GET /health, for probes: no login, no queue, never waits; 200 when answers would not wait either."""

    async def health(request: Request) -> JSONResponse:
        status = studio.status if studio.status in ("loading", "ready") else "failed"
        told = {
            "status": status,
            "base": studio.base_model,
            # Of a folder the name alone: where things lie on this machine is nobody's business.
            "checkpoint": Path(studio.checkpoint).name,
            "version": __version__,
        }
        return JSONResponse(told, 200 if status == "ready" else 503, {"cache-control": "no-store"})

    return Route("/health", health)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise T2LError(f"{message}; see --help")


def _parser() -> argparse.ArgumentParser:
    def given(variable: str, default: Any) -> Any:
        return os.environ.get(variable) or default

    parser = _Parser(
        prog="app.py",
        description="Serves the Text-to-LoRA page. GET /health tells whether it is ready.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_environment(),
    )
    add = parser.add_argument
    add(
        "--port",
        type=_port,
        default=given("GRADIO_SERVER_PORT", "7860"),
        help="GRADIO_SERVER_PORT (default 7860)",
    )
    add(
        "--host",
        default=given("GRADIO_SERVER_NAME", "127.0.0.1"),
        help="address to listen at; 0.0.0.0 lets other machines in. GRADIO_SERVER_NAME (default 127.0.0.1)",
    )
    add(
        "--root-path",
        type=_root_path,
        default=given("GRADIO_ROOT_PATH", ""),
        help="where a reverse proxy shows the page, such as /t2l or a whole URL. GRADIO_ROOT_PATH",
    )
    add(
        "--checkpoint",
        default=given("T2L_CHECKPOINT", ""),
        help=f"name or folder of the generator. T2L_CHECKPOINT (default {DEFAULT_CHECKPOINT})",
    )
    add(
        "--preset",
        default=given("T2L_PRESET", ""),
        help=f"a known base with its checkpoint: {', '.join(PRESETS)}. T2L_PRESET",
    )
    add(
        "--scaling",
        default=given("T2L_SCALING", ""),
        help="of the preset: trained, or tables. T2L_SCALING (default trained)",
    )
    add(
        "--chat-template",
        default=given("T2L_CHAT_TEMPLATE", ""),
        help="of the preset: stock, or reference. T2L_CHAT_TEMPLATE (default stock)",
    )
    add(
        "--dtype",
        default=given("T2L_DTYPE", "auto"),
        help="float32, bfloat16, float16 or 4bit of the base, or auto: the faster of the first two, bfloat16 "
        "on ZeroGPU. T2L_DTYPE (default auto)",
    )
    add(
        "--device",
        default=given("T2L_DEVICE", "auto"),
        help="cpu, cuda, mps, split (over all GPUs), or auto. T2L_DEVICE (default auto)",
    )
    add(
        "--shelf",
        default=given("T2L_SHELF", ""),
        help="folder of the adapters, visitors' own within it. T2L_SHELF (default adapters in T2L_CACHE)",
    )
    add(
        "--auth-file",
        metavar="FILE",
        help=f"logins, one USER:PASSWORD a line, passwords of at least {LEAST_PASSWORD} characters",
    )
    add(
        "--share",
        action="store_true",
        default=given("GRADIO_SHARE", "").lower() == "true",
        help="a public address through Gradio's servers for a week; whoever knows it can visit. GRADIO_SHARE",
    )
    add(
        "--mcp",
        action="store_true",
        default=_switch("T2L_MCP"),
        help="offer the endpoints as tools at /gradio_api/mcp/ (needs gradio[mcp]). T2L_MCP=1",
    )
    add(
        "--own-token",
        action="store_true",
        default=_switch("T2L_OWN_TOKEN"),
        help="who sits at this machine may publish with its HF_TOKEN; not for a server. T2L_OWN_TOKEN=1",
    )
    parser.add_argument("--version", action="version", version=f"t2l {__version__}")
    return parser


def _environment() -> str:
    lines = ["environment:"]
    for name, told in VARIABLES.items():
        lines += [f"  {name:<17} {line}" for line in told.split("\n")[:1]]
        lines += [f"  {'':<17} {line}" for line in told.split("\n")[1:]]
    lines += ["", "limits, one T2L_LIMIT_<NAME> each:"]
    for name, told in LIMITS.items():
        lines.append(f"  {name.upper():<15} {told} (default {getattr(Limits, name)})")
    return "\n".join(lines)


def _check_variables() -> None:
    """Raises T2LError for a T2L_ variable that nothing reads: a setting that seems to act and does not."""
    known = {*VARIABLES, *FLAGS, *OTHERS, *(f"T2L_LIMIT_{name.upper()}" for name in LIMITS)}
    if unknown := {name for name in os.environ if name.startswith("T2L_")} - known:
        choices = ", ".join(sorted(known - {*OTHERS}))
        raise T2LError(f"{min(unknown)} is no variable of this app; choose {choices}, or unset it.")


def _switch(variable: str) -> bool:
    text = os.environ.get(variable, "")
    if text not in ("", "0", "1"):
        raise T2LError(f"{variable} is {text[:40]!r}; give 1 or 0.")
    return text == "1"


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no port from 1 to 65535")
    return int(text)


def _root_path(text: str) -> str:
    if text and not re.fullmatch(r"(https?://[^/\s?#]+)?(/[^/\s?#]+)*/?", text):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is no path such as /t2l and no URL")
    return text.rstrip("/")


def _logins(file: str | None) -> list[tuple[str, str]]:
    """User names and passwords; none where nobody asked for a login. Never quotes what it reads."""
    given, source = os.environ.get("T2L_AUTH"), "T2L_AUTH"
    if file is None and given is None:
        return []
    if file is not None:
        if given is not None:
            raise T2LError("T2L_AUTH and --auth-file are both given; choose one.")
        source = file
        try:
            given = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as err:
            reason = getattr(err, "strerror", None) or "it is no text"
            raise T2LError(f"The logins in {file} cannot be read ({reason}).") from err
    pairs = [line.partition(":") for line in (given or "").splitlines() if line.strip()]
    logins = {user.strip(): password for user, _, password in pairs}
    if not logins or not all(user and len(password) >= LEAST_PASSWORD for user, password in logins.items()):
        raise T2LError(
            f"{source} must be USER:PASSWORD with a password of at least {LEAST_PASSWORD} characters, one "
            "login a line; nobody would be kept out otherwise."
        )
    return list(logins.items())


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise T2LError(f"The shelf {folder} cannot be made ({err.strerror}); choose another.") from err
    if not os.access(folder, os.W_OK | os.X_OK):
        raise T2LError(f"The shelf {folder} may not be written to; choose another.")


def _check_address(host: str, port: int) -> None:
    """Raises T2LError where nothing can listen: gradio would only say after seconds that no port is free."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            if os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as err:
        reason = getattr(err, "strerror", None) or err
        raise T2LError(
            f"The page cannot listen at {host}, port {port} ({reason}); choose another --port or --host."
        ) from err


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # At once: what serves visitors, who may wait for a model that did not load, would go on.
    os._exit(status)
