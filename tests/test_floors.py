"""The house's order: which module may import which, what a module opens with, and what an import costs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import REPO

# From the ground up; a module imports only what stands before it. `eval` comes after all of `train`.
ORDER = """
errors files lora tasks
attach packed decoder encoder hypernet dnd likeness
base generator examples peft_folder official presets adapter shelf engine export card hub space
train.loop train.contrast train.int8 train.sft train.library train.recon train.distill train.dnd train.dnd_sft
train.data train.describe train.fetch
eval.metrics score eval.formats eval.finetune eval.arrow eval.methods eval.run eval.report
eval.analysis eval.plots eval.cost eval.benchmarks
studio cli __main__
""".split()
# The package's own front names the errors and the values; every module may read its version.
FRONT = {"t2l.errors", "t2l.lora"}

FILES = sorted(REPO.glob("t2l/**/*.py"))
NAMES = {file: ".".join(file.relative_to(REPO).with_suffix("").parts) for file in FILES}
MODULES = {name.removesuffix(".__init__") for name in NAMES.values()}


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES or node.module == "t2l" else node.module or ""


def position(name: str) -> int:
    """Where a module of t2l stands; the page stands beside the command line, above the studio."""
    short = name.removeprefix("t2l.")
    short = "cli" if short == "ui" or short.startswith("ui.") else short
    assert short in ORDER, f"{name} has no place in the order; give it one here"
    return ORDER.index(short)


@pytest.mark.parametrize("file", [f for f in FILES if f.name != "__init__.py"], ids=NAMES.get)
def test_a_module_imports_only_what_stands_before_it(file: Path) -> None:
    for name in imports(file):
        if name.startswith("t2l.") and name != "t2l.__version__" and not NAMES[file].startswith("t2l.ui"):
            assert position(name) < position(NAMES[file]), f"{NAMES[file]} imports {name}"


def test_the_packages_front_imports_errors_and_values_alone() -> None:
    assert {name for name in imports(REPO / "t2l/__init__.py") if name.startswith("t2l")} == FRONT


@pytest.mark.parametrize("file", sorted(REPO.glob("t2l/ui/*.py")), ids=NAMES.get)
def test_the_page_knows_gradio_and_the_studio_alone(file: Path) -> None:
    # matplotlib draws; it is imported where a plot is made.
    allowed = {*sys.stdlib_module_names, "gradio", "matplotlib"}
    for name in imports(file):
        assert name.partition(".")[0] in allowed or name == "t2l.studio" or name.startswith("t2l.ui"), name


def test_only_the_page_and_its_door_know_gradio() -> None:
    users = {file for file in [*FILES, REPO / "app.py"] if any(n.startswith("gradio") for n in imports(file))}
    assert users <= {*REPO.glob("t2l/ui/*.py"), REPO / "app.py"} and users


@pytest.mark.parametrize("file", [*FILES, REPO / "app.py"], ids=lambda file: str(file.relative_to(REPO)))
def test_a_module_opens_with_two_lines(file: Path) -> None:
    if file.stat().st_size or file.name != "__init__.py":
        text = ast.get_docstring(tree(file), clean=False)
        assert text and text.count("\n") == 1


def run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    made = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code, *arguments],
        cwd=REPO,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    return made


def test_importing_the_package_costs_torch_at_most() -> None:
    lines = run("import t2l").stderr.splitlines()
    packages = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert {"t2l", "torch"} <= packages
    heavy = {
        "gradio",
        "peft",
        "datasets",
        "matplotlib",
        "huggingface_hub",
        "transformers",
        "gguf",
        "accelerate",
    }
    assert not packages & heavy


LATER = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    # The front of transformers would be cheap, but it brings a hub client.
    for package in "gradio peft datasets matplotlib huggingface_hub transformers gguf accelerate".split():
        assert package not in sys.modules, f"{name} loads {package}"
"""


def test_importing_a_module_loads_nothing_that_it_uses_only_later() -> None:
    names = sorted(MODULES - {"t2l.__main__", *(name for name in MODULES if name.startswith("t2l.ui"))})
    assert {"t2l.train.sft", "t2l.studio", "t2l.cli"} <= {*names}
    run(LATER, *names)


APP = """
import sys

def refuse(event, args):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        raise AssertionError(f"{event} {args}")
    if event == "open" and str(args[0]).endswith((".safetensors", ".gguf", ".bin", ".pt")):
        raise AssertionError(f"opens {args[0]}")

sys.addaudithook(refuse)
import app
studio, page = app.create()
assert len(page.blocks) > 10
assert not studio._generators and studio._engine is None
assert not any(name.startswith("transformers.models.") for name in sys.modules)
"""


def test_the_app_is_built_with_no_model_and_no_network(tmp_path: Path) -> None:
    for name in ("cache", "checkpoints"):
        (tmp_path / name).mkdir()
    places = {"T2L_CACHE": str(tmp_path / "cache"), "T2L_CHECKPOINTS": str(tmp_path / "checkpoints")}
    run(APP, **places, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hub"), PYTHONWARNINGS="ignore")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
