"""Sets the project up in .venv and starts it there: `setup.py install | demo | test`.

Standard library only, and no syntax newer than Python 3.8: an old Python must get far enough to say what
to install instead.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
OLDEST_PYTHON = (3, 11)
# Installed before everything else, so that nothing else chooses the build.
TORCH = "torch==2.13.0"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

ENVIRONMENT = """environment:
  T2L_TORCH_INDEX  package index to install torch from when .venv is made. On Linux the default build brings
                   several GB for NVIDIA GPUs; PyTorch's install page names a CPU-only index. To change
                   the build later, delete .venv first
  T2L_CHROMIUM     the Chromium or Chrome that the browser tests shall use
  CI               "true": a missing Chromium is an error, not a reason to skip tests
"""


class SetupError(Exception):
    """What a user can fix; shown without a traceback."""


def say(text: str) -> None:
    # Flushed, because children write to the same terminal.
    print(text, flush=True)


def succeeds(*command: str) -> bool:
    """Whether a command exists and ends well; its output is not shown."""
    try:
        return subprocess.run(command, capture_output=True, timeout=600).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def become(*command: str) -> None:
    """Go on as another program, so that Ctrl-C and signals reach it and its exit status is ours."""
    sys.stdout.flush()
    if os.name == "nt":  # there exec would return to the shell while the program runs
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


# --- the virtual environment ---


def make_venv() -> None:
    """Make .venv, unless a working one is there; a broken or half-made one is made anew."""
    if succeeds(PYTHON, "-c", f"import pip, sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"):
        return
    if VENV.exists():
        say(f"The virtual environment {VENV} is broken or half made; making it anew.")
        shutil.rmtree(str(VENV))
    say(f"Making the virtual environment {VENV}")
    if succeeds(sys.executable, "-m", "venv", str(VENV)):
        return
    # Debian puts ensurepip into a package of its own; a pip outside can stand in for it.
    without_pip = (sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV))
    outer_pip = (sys.executable, "-m", "pip", "--python", PYTHON, "install", "pip")
    if not (succeeds(*without_pip) and succeeds(*outer_pip)):
        raise SetupError(
            f"{sys.executable} could not make a virtual environment in {ROOT}.\n"
            "On Debian or Ubuntu: apt-get install python3-venv. Otherwise check that the folder can be\n"
            f"written to and that the disk is not full ({free_space()} free)."
        )


def free_space() -> str:
    return f"{shutil.disk_usage(str(ROOT)).free / 1e9:.1f} GB"


def pip_install(name: str, *args: str) -> None:
    """Install once: a stamp in .venv remembers the arguments, the files they rest on and the place."""
    key = hashlib.sha256(repr((str(ROOT), args)).encode())
    for path in [ROOT / "pyproject.toml"] if "-e" in args else [ROOT / arg for arg in args]:
        if path.is_file():
            key.update(path.read_bytes())
    stamp = VENV / (".installed-" + name)
    if stamp.is_file() and stamp.read_text() == key.hexdigest():
        return
    say(f"Installing {name}")
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", *args]
    index = os.environ.get("T2L_TORCH_INDEX")
    if name == "torch" and index:
        command += ["--index-url", index]
    elif name == "torch" and sys.platform == "linux" and not shutil.which("nvidia-smi"):
        say(
            "  Note: on Linux the default torch brings several GB for NVIDIA GPUs, and none is seen here.\n"
            "  For a small download press Ctrl-C and set T2L_TORCH_INDEX (see setup.py --help)."
        )
    if subprocess.call(command) != 0:
        raise SetupError(
            f"pip could not install {name}; its own words are above.\n"
            f"  network  is the package index in reach? T2L_TORCH_INDEX is {index or 'not set'};\n"
            "           pip also heeds PIP_INDEX_URL and HTTPS_PROXY\n"
            f"  disk     {free_space()} free; about 3 GB are needed, 10 GB with the CUDA build of torch\n"
            f"  Python   if no version was found: there are packages for Python 3.11 to 3.14, this is "
            f"{sys.version.split()[0]}\n"
            "What is installed stays: run the same command again to go on."
        )
    stamp.write_text(key.hexdigest())


def install(dev: bool = False) -> None:
    """Bring .venv up to date; takes no time when nothing changed."""
    make_venv()
    pip_install("torch", TORCH)
    pip_install("requirements", "-r", "requirements.txt")
    pip_install("embedded", "--no-deps", "-r", "requirements-embedded.txt")
    pip_install("t2l", "--no-deps", "-e", ".")
    if dev:
        pip_install("dev", "-r", "requirements-dev.txt")


# --- a browser for the tests ---


def usable(browser: str) -> bool:
    """Whether a browser starts: Ubuntu's `chromium` may be a stub, Playwright's may lack libraries."""
    if os.name == "nt":  # there `--version` opens a window
        return os.path.isfile(browser)
    return succeeds(browser, "--version")


def installed_chromium() -> str:
    """Path of a Chromium that starts, or an empty string."""
    ask = "import playwright.sync_api as s\nwith s.sync_playwright() as p: print(p.chromium.executable_path)"
    answer = subprocess.run([PYTHON, "-c", ask], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    own = answer.stdout.decode().strip()
    found = [shutil.which(name) for name in CHROMIUM_NAMES] + [own]
    return next((path for path in found if path and usable(path)), "")


def chromium() -> str:
    """Path of a Chromium, installed where there is none: Debian's package as root, else Playwright's."""
    chosen = os.environ.get("T2L_CHROMIUM")
    if chosen:
        if not usable(chosen):
            raise SetupError(f"T2L_CHROMIUM is {chosen}, which does not start; correct or unset it.")
        return chosen
    path = installed_chromium()
    if not path and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        say("No Chromium found: installing Debian's")
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        subprocess.call(["apt-get", "update"])
        packages = ["chromium", "fonts-dejavu-core"]  # without a font a screenshot shows empty boxes
        subprocess.call(["apt-get", "install", "-y", "--no-install-recommends", *packages])
        path = installed_chromium()
    if not path:
        say("No Chromium found: downloading Playwright's, about 200 MB")
        command = [PYTHON, "-m", "playwright", "install", "--no-shell", "chromium"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:  # of five tries with stack traces, one line
            output = done.stdout.decode(errors="replace").splitlines()
            say(next((line for line in output if line.startswith("Error")), "It could not be downloaded."))
        path = installed_chromium()
    return path


# --- commands ---


def demo(port: int, setup_only: bool) -> None:
    install()
    if setup_only:
        say(f"The set-up is complete: {VENV}")
    else:
        # The page of whoever starts it: they may publish with their own HF_TOKEN.
        os.environ.setdefault("T2L_OWN_TOKEN", "1")
        become(PYTHON, "app.py", *(["--port", str(port)] if port else []))


def test(pytest_args: list) -> None:
    install(dev=True)
    path = chromium()
    if path:
        os.environ["T2L_CHROMIUM"] = path
    else:
        remedy = "Install Chromium or Chrome, or set T2L_CHROMIUM to one."
        if os.environ.get("CI") == "true":
            raise SetupError("No Chromium could be found or installed, and in CI no test may skip. " + remedy)
        line = "!" * 70
        say(f"\n{line}\n! NO CHROMIUM: the browser tests will be SKIPPED.\n! {remedy}\n{line}\n")
    # The whole suite in two processes, the browser's tests beside the others; in the order of the files, so
    # that what takes longest begins first.
    whole = [] if pytest_args else ["--numprocesses", "2", "--dist", "loadscope", "--no-loadscope-reorder"]
    become(PYTHON, "-m", "pytest", *whole, *pytest_args)


def port_number(text: str) -> int:
    if not (text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; give a number from 1 to 65535")
    return int(text)


def main() -> None:
    if sys.version_info < OLDEST_PYTHON:
        raise SetupError(
            "Python {}.{} or newer is needed; ".format(*OLDEST_PYTHON)
            + f"this is {sys.version.split()[0]} ({sys.executable}).\n"
            "Install a newer one from your package manager or python.org and call it by name,\n"
            "for example: python3.12 scripts/setup.py demo"
        )
    parser = argparse.ArgumentParser(
        description="Set the project up in .venv and start it there.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    sub = commands.add_parser("install", help="make .venv and install the project")
    sub.add_argument("--dev", action="store_true", help="with the tools for tests and checks")
    sub = commands.add_parser("demo", help="set up, then start the page")
    sub.add_argument("--port", type=port_number, default=0, help="port of the page (default: 7860)")
    sub.add_argument("--setup-only", action="store_true", help="set up and stop there")
    commands.add_parser("test", help="set up with a Chromium, then run pytest with all other arguments")
    args, rest = parser.parse_known_args()
    if rest and args.command != "test":
        parser.error("unknown arguments: " + " ".join(rest))

    os.chdir(str(ROOT))
    if args.command == "install":
        install(args.dev)
    elif args.command == "demo":
        demo(args.port, args.setup_only)
    else:
        test(rest)


if __name__ == "__main__":
    try:
        main()
    except (SetupError, OSError) as error:
        sys.exit(f"\nerror: {error}")
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to go on.", file=sys.stderr)
        sys.exit(130)
