"""What a person keeps: an adapter with its story, as a PEFT folder on disk; its own folders and foreign ones.
Knows files and PEFT's format; not how adapters are made or used."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2l import __version__
from t2l.errors import T2LError
from t2l.files import complete_or_absent
from t2l.generator import MAX_DESCRIPTION, MAX_EXAMPLES, Condition, check_text
from t2l.lora import LoRASpec, LoRAWeights
from t2l.peft_folder import (
    CONFIG,
    MOST_TEXT,
    MOST_WEIGHTS,
    WEIGHTS,
    peft_config,
    read_bytes,
    read_json,
    read_peft,
    reading,
)

STORY, CARD = "t2l.json", "README.md"
FILES = (CARD, CONFIG, WEIGHTS, STORY)
FORMAT_VERSION = 1
# How prompts are made, without and with the task in them, see `BaseModel.told`.
_ASKED = "What you type goes into the base's own chat template as a user message, "
# Bytes of weights from which on one folder is read at a time: a stranger's takes several times its size.
_LARGE, _large = 2**25, threading.Lock()
MAX_NAME, MAX_SOURCE = 80, 200
# Bytes of example prompts that a story and a card can hold and still be read.
MOST_TOLD = MOST_TEXT // 2


@dataclass(frozen=True)
class Examples:
    """The example prompts of an adapter: how many, their sha256, and themselves where a person agreed."""

    count: int
    sha256: str
    prompts: tuple[str, ...] = ()

    @classmethod
    def of(cls, condition: Condition, tell: bool) -> Examples:
        """Those of a condition; tell: whether the adapter's card and its folder show them.

        Raises T2LError for prompts that are too long to be told.
        """
        examples = cls(len(condition.prompts), condition.digest, condition.prompts if tell else ())
        if examples.told > MOST_TOLD:
            raise T2LError(
                f"The prompts have {examples.told:,} bytes as they would stand in the adapter's folder; the "
                f"most is {MOST_TOLD:,}. Give fewer or shorter ones, or make the adapter without telling."
            )
        return examples

    @property
    def told(self) -> int:
        """Bytes that the prompts take in the adapter's story or on its card, whichever is more."""
        story = sum(len(json.dumps(prompt, ensure_ascii=False).encode()) + 11 for prompt in self.prompts)
        # On the card every line is indented, and an empty one stands between two prompts.
        card = sum(len(p.encode()) + 5 * len(p.splitlines()) + 6 for p in self.prompts)
        return max(story, card)

    def to_json(self) -> dict[str, Any]:
        shown = {"prompts": list(self.prompts)} if self.prompts else {}
        return {"count": self.count, "sha256": self.sha256, **shown}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Examples:
        """Inverse of `to_json`; raises ValueError where the facts contradict each other."""
        count, digest, prompts = data["count"], str(data["sha256"]), tuple(data.get("prompts", ()))
        if (
            not isinstance(count, int)
            or not 1 <= count <= MAX_EXAMPLES
            or not re.fullmatch("[0-9a-f]{64}", digest)
        ):
            raise ValueError("its example prompts are not told rightly")
        if prompts and (len(prompts), Condition(prompts=prompts).digest) != (count, digest):
            raise ValueError("its example prompts are not those that it names")
        return cls(count, digest, prompts)


@dataclass(frozen=True, eq=False)
class Adapter:
    """One adapter and what it was made from.

    condition: the canonical description; examples: the prompts in its place. generator: name of the
    checkpoint; generator_id: the hash of its configuration and weights; base_weights_id: the base weights
    that it was trained on. source: name of the folder that it was opened from, where that was not made here;
    then all the others may be empty. setup: what a preset chose (see `Setup.story`): scaling, chat template.
    says_task: whether its prompts are to say the condition too, since it was trained so.
    """

    weights: LoRAWeights
    condition: str
    generator: str
    generator_id: str
    base_weights_id: str = ""
    source: str = ""
    examples: Examples | None = None
    setup: Mapping[str, str] = field(default_factory=dict)
    says_task: bool = False

    @property
    def spec(self) -> LoRASpec:
        return self.weights.spec

    @property
    def label(self) -> str:
        """What it is called where nobody named it: its description, its kind of prompts, or its source."""
        if self.examples is None:
            return self.condition or self.source
        return f"{self.examples.count} example prompt{'s' * (self.examples.count > 1)}"

    @functools.cached_property
    def weights_sha256(self) -> str:
        """sha256 of the weights file that `save` writes."""
        return hashlib.sha256(self._data()).hexdigest()

    @functools.cached_property
    def id(self) -> str:
        """16 hex digits from generator, condition and specification: the same text gives the same id.

        Where a folder from elsewhere tells the story, which nobody can check, its weights take their place.
        """
        trusted = self.generator_id and not self.source
        made_from = [self.generator_id, self.condition] if trusted else [self.weights_sha256]
        if trusted and self.examples is not None:
            # What was told to one person is not told to another who gave the same prompts.
            made_from += [self.examples.sha256, str(bool(self.examples.prompts))]
        if trusted and self.setup:
            made_from += [f"{key} {value}" for key, value in sorted(self.setup.items())]
        text = json.dumps([*made_from, self.spec.to_json()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def check_fits(self, spec: LoRASpec) -> None:
        """Raises T2LError naming both values where this adapter cannot stand beside adapters of `spec`."""
        spec.require(self.spec)

    def _shown(self) -> dict[str, Any]:
        return {} if self.examples is None else {"examples": self.examples.to_json()}

    def _data(self) -> bytes:
        from safetensors.torch import save

        return save({k: t.float() for k, t in self.weights.to_peft().items()}, metadata={"format": "pt"})

    def save(self, folder: str | Path) -> int:
        """Writes a folder that PEFT opens; returns its bytes. The folder is complete or as it was before.

        An adapter that is there already is replaced, a folder of anything else refused. Same adapter, same
        bytes: no time, no random order. Raises T2LError where the disk refuses.
        """
        story = {
            "format_version": FORMAT_VERSION,
            "id": self.id,
            "condition": {"text": self.condition, **self._shown()},
            "generator": self.generator,
            "generator_id": self.generator_id,
            "source": self.source,
            "base_model": self.spec.base_model,
            "base_weights_id": self.base_weights_id,
            "spec": self.spec.to_json(),
            "scaling": self.spec.scaling,
            **({"setup": dict(self.setup)} if self.setup else {}),
            **({"says_task": True} if self.says_task else {}),
            "weights_sha256": self.weights_sha256,
            "t2l_version": __version__,
        }
        with complete_or_absent(folder, FILES) as work:
            (work / WEIGHTS).write_bytes(self._data())
            _write_json(work / CONFIG, peft_config(self.spec))
            _write_json(work / STORY, story)
            (work / CARD).write_text(_card(self), encoding="utf-8")
            size = sum(file.stat().st_size for file in work.iterdir())
        return size

    @classmethod
    def load(cls, folder: str | Path) -> Adapter:
        """Reads a folder that `save` or PEFT wrote, as float32; raises T2LError naming folder and fault.

        Never unpickles, never follows a link out of the folder. One that PEFT wrote has no condition and no
        generator, and its modules come in alphabetical order.
        """
        folder = Path(folder)
        with reading(folder), _in_turn(folder / WEIGHTS):
            weights, sha256 = read_peft(folder)
            if not (folder / STORY).is_file():
                return cls(weights, "", "", "", source=source_of(folder))
            story = read_json(folder, STORY)
            if story["format_version"] != FORMAT_VERSION:
                raise T2LError(
                    f"{STORY} has format_version {str(story['format_version'])[:80]}, this program reads "
                    f"{FORMAT_VERSION}; update the program."
                )
            spec = LoRASpec.from_json(story["spec"])
            differing = [k for k in spec.to_json() if getattr(spec, k) != getattr(weights.spec, k)]
            if differing:
                raise ValueError(f"{STORY} and the files beside it differ in {', '.join(differing)}")
            if sha256 != story["weights_sha256"]:
                raise ValueError(f"{WEIGHTS} is not the file that {STORY} names")
            condition, examples = story["condition"]["text"], story["condition"].get("examples")
            says_task = story.get("says_task", False)
            if not isinstance(says_task, bool) or (says_task and not condition):
                raise ValueError("whether its prompts say the task is not told rightly")
            return cls(
                # The order of the modules is the story's.
                LoRAWeights(spec, *({k: side[k] for k in spec.targets} for side in (weights.A, weights.B))),
                check_text(condition, "condition", MAX_DESCRIPTION) if condition else "",
                title(str(story["generator"])),
                _mark(story["generator_id"]),
                _mark(story["base_weights_id"]),
                # The name of a repo is an address: it stays whole.
                title(str(story["source"]), MAX_SOURCE),
                Examples.from_json(examples) if examples else None,
                _read_setup(story.get("setup", {})),
                says_task,
            )


@contextmanager
def _in_turn(file: Path) -> Iterator[None]:
    """Within the block nobody else reads weights that are large too."""
    large = file.is_file() and file.stat().st_size >= _LARGE
    with _large if large else nullcontext():
        yield


def takes_system(base: str) -> bool:
    """Whether a base's stock chat template takes a system message, by its id: Gemma's took none before 3."""
    return not re.search(r"\bgemma-((1\.1-)?\d+b|2-)", base, re.IGNORECASE)


def how_asked(adapter: Adapter) -> str:
    """How its prompts are made, see `BaseModel.told`."""
    if not adapter.says_task:
        return f"{_ASKED}without the description above."
    where = "as system message" if takes_system(adapter.spec.base_model) else "and an empty line"
    return f"{_ASKED}behind the description above {where}: it was trained so, and answers worse without it."


def _mark(value: Any) -> str:
    """What names weights; raises ValueError for what could not be written again."""
    if (text := str(value)) != title(text, MAX_SOURCE):
        raise ValueError(f"{text[:80]!r} names no weights")
    return text


def _read_setup(setup: Any) -> dict[str, str]:
    """What a folder says of its preset; raises ValueError where it is no short text."""
    if not isinstance(setup, dict) or len(setup) > 8:
        raise ValueError("its setup is not told rightly")
    if not all(isinstance(value, str) and len(key + value) <= 300 for key, value in setup.items()):
        raise ValueError("its setup is not told rightly")
    for text in (*setup, *setup.values()):
        text.encode()  # a ValueError for half a character, which could not be written again
    return setup


def title(text: str, most: int = MAX_NAME) -> str:
    """A text as one line of at most 80 printable characters, or `most`; it may come out empty."""
    # The two joiners print nothing, but Persian and many emoji need them.
    line = "".join(c for c in " ".join(text.split()) if c.isprintable() or c in "\u200c\u200d")
    return line[:most].strip()


def source_of(folder: str | Path) -> str:
    """The name under which a folder from elsewhere is known."""
    return title(Path(folder).resolve().name) or "adapter"


def zip_folder(folder: str | Path, file: str | Path) -> Path:
    """The adapter's four files as a zip with the same bytes every time; complete or absent."""
    folder, file = Path(folder), Path(file)
    # Two visitors may ask for one adapter at once: each writes its own file.
    work = file.with_name(f".{file.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(work, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in FILES:
                # A fixed date: a zip made twice from one adapter is one file.
                info = zipfile.ZipInfo(f"{folder.name}/{name}", (1980, 1, 1, 0, 0, 0))
                # Of weights a tenth could be saved, in a second or more; the other files are text.
                info.compress_type = zipfile.ZIP_STORED if name == WEIGHTS else zipfile.ZIP_DEFLATED
                # Without a mode, unzip makes files that nobody may read.
                info.external_attr = 0o100644 << 16
                archive.writestr(info, read_bytes(folder, name))
        work.replace(file)
    except OSError as err:
        raise T2LError(f"{file} cannot be written ({err}); free some space.") from err
    finally:
        work.unlink(missing_ok=True)
    return file


def unzip_folder(file: str | Path, folder: str | Path, most: int = MOST_WEIGHTS) -> Path:
    """The adapter's files of a zip as a folder, complete or absent; the zip may come from a stranger.

    They lie at the zip's top or in one folder there; whatever else it holds is left out, and no path of its
    own is used. most: bytes of the weights. Raises T2LError for a zip that is damaged or encrypted, that
    holds no adapter or several, and for a file that is a link or too large.
    """
    file, folder = Path(file), Path(folder)
    with complete_or_absent(folder) as work:
        try:
            with zipfile.ZipFile(file) as archive:
                for name, info in _zipped(archive, file.name).items():
                    limit = most if name == WEIGHTS else MOST_TEXT
                    # Reading ends at the size that is told here, whatever the data would become.
                    if info.file_size > limit:
                        raise T2LError(
                            f"{name} in {file.name} has {info.file_size:,} bytes; the most is {limit:,}. "
                            "Give a smaller adapter."
                        )
                    with open(work / name, "wb") as target:
                        for part in _read(archive, info):
                            target.write(part)
        # What a damaged or hostile zip makes of its reader.
        except (
            zipfile.BadZipFile,
            zlib.error,
            struct.error,
            EOFError,
            RuntimeError,
            ValueError,
            LookupError,
            ArithmeticError,
        ) as err:
            raise T2LError(f"{file.name} is no zip that can be read ({err}); zip the folder again.") from err
    return folder


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """A file of a zip in parts; EOFError where its place in the zip cannot be read."""
    try:
        with archive.open(info) as source:
            while part := source.read(2**20):
                yield part
    except OSError as err:
        # Not to be taken for an error of the disk that is written to.
        raise EOFError(f"{info.filename[:80]!r}: {err}") from err


def _zipped(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """The adapter's files in a zip, by name; raises T2LError as `unzip_folder`."""
    found: dict[str, dict[str, zipfile.ZipInfo]] = {}
    for info in archive.infolist():
        folder, _, inner = info.filename.rpartition("/")
        if inner not in FILES or "/" in folder or folder in (".", "..") or info.filename[0] == "/":
            continue
        if inner in found.setdefault(folder, {}):
            raise T2LError(f"{name} holds {info.filename[:80]!r} twice; zip the folder again.")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise T2LError(f"{info.filename[:80]!r} in {name} is a link; zip the file itself.")
        # The others have no bound on what one block of them becomes in memory.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise T2LError(f"{name} is compressed in a way that is not read here; zip it the usual way.")
        found[folder][inner] = info
    adapters = [files for files in found.values() if CONFIG in files or WEIGHTS in files]
    if len(adapters) != 1:
        raise T2LError(
            f"{name} holds {len(adapters) or 'no'} adapters at its top or in a folder there; zip one folder "
            f"with {CONFIG} and {WEIGHTS}."
        )
    return adapters[0]


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _heading(adapter: Adapter) -> str:
    if adapter.source:
        return "A LoRA adapter"
    return f"A LoRA adapter made from {'example prompts' if adapter.examples else 'a description'}"


def _card(adapter: Adapter) -> str:
    """The card's stub: what made the adapter, and how to open it."""
    base = json.dumps(adapter.spec.base_model)
    # Indented, so that no text of a stranger becomes markup.
    told = "\n\n".join(adapter.examples.prompts) if adapter.examples else ""
    text = "\n".join(f"    {line}" for line in (told or adapter.label).splitlines())
    generator = title(adapter.generator).replace("`", "'")
    if adapter.examples and not adapter.source:
        origin = f"Generated in one forward pass by the network `{generator}` from example prompts:"
    elif not adapter.source:
        origin = f"Generated in one forward pass by the hypernetwork `{generator}` from this text:"
    elif adapter.condition:
        origin = f"Opened from a folder which says that `{generator}` generated it from this text:"
    else:
        origin = "Made elsewhere and opened from a folder of this name:"
    tags = ["lora"] if adapter.source else ["lora", "text-to-lora"]
    tags = "\n".join(
        f"- {json.dumps(tag)}" for tag in [*tags, f"base_model:adapter:{adapter.spec.base_model}"]
    )
    return f"""---
base_model: {base}
library_name: peft
pipeline_tag: text-generation
tags:
{tags}
---
# {_heading(adapter)}

{origin}

{text}

It was not evaluated on this task.

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = {base}
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), "path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained(base)
```

{how_asked(adapter)}
"""
