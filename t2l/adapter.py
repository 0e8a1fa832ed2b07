"""What a person keeps: an adapter with its story, as a PEFT folder on disk, and a shelf of such folders.
Knows files and PEFT's format; not how adapters are made or used."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2l import __version__
from t2l.errors import T2LError
from t2l.files import complete_or_absent
from t2l.lora import LoRASpec, LoRAWeights

CONFIG, WEIGHTS, STORY, CARD = "adapter_config.json", "adapter_model.safetensors", "t2l.json", "README.md"


@dataclass(frozen=True, eq=False)
class Adapter:
    """One adapter and what it was made from.

    condition: the canonical description. generator: name of the checkpoint; generator_id: the hash of its
    configuration and weights; base_weights_id: the base weights that it was trained on.
    """

    weights: LoRAWeights
    condition: str
    generator: str
    generator_id: str
    base_weights_id: str = ""

    @property
    def spec(self) -> LoRASpec:
        return self.weights.spec

    @property
    def id(self) -> str:
        """16 hex digits from generator, condition and specification: the same text gives the same id."""
        story = json.dumps([self.generator_id, self.condition, self.spec.to_json()], sort_keys=True)
        return hashlib.sha256(story.encode()).hexdigest()[:16]

    def save(self, folder: str | Path) -> int:
        """Writes a folder that PEFT opens; returns its bytes. The folder is complete or as it was before.

        An adapter that is there already is replaced, a folder of anything else refused. Same adapter, same
        bytes: no time, no random order. Raises T2LError where the disk refuses.
        """
        from safetensors.torch import save, save_file

        state = {key: tensor.float() for key, tensor in self.weights.to_peft().items()}
        story = {
            "format_version": 1,
            "id": self.id,
            "condition": {"text": self.condition},
            "generator": self.generator,
            "generator_id": self.generator_id,
            "base_model": self.spec.base_model,
            "base_weights_id": self.base_weights_id,
            "spec": self.spec.to_json(),
            "scaling": self.spec.scaling,
            "weights_sha256": hashlib.sha256(save(state)).hexdigest(),
            "t2l_version": __version__,
        }
        with complete_or_absent(folder, (CONFIG, WEIGHTS, STORY, CARD)) as work:
            save_file(state, work / WEIGHTS, metadata={"format": "pt"})
            _write_json(work / CONFIG, peft_config(self.spec))
            _write_json(work / STORY, story)
            (work / CARD).write_text(_card(self), encoding="utf-8")
            size = sum(file.stat().st_size for file in work.iterdir())
        return size

    @classmethod
    def load(cls, folder: str | Path) -> Adapter:
        """Reads what `save` wrote; raises T2LError naming the file and the fault. Never unpickles."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file, save

        folder = Path(folder)
        try:
            for name in (STORY, WEIGHTS):
                if not (folder / name).is_file():
                    raise T2LError(f"it lacks {name}; give a folder made here.")
            story = json.loads((folder / STORY).read_text(encoding="utf-8"))
            state = load_file(folder / WEIGHTS)
            weights = LoRAWeights.from_peft(LoRASpec.from_json(story["spec"]), state).check_finite()
            if hashlib.sha256(save(state)).hexdigest() != story["weights_sha256"]:
                raise ValueError(f"{WEIGHTS} is not the file that {STORY} names")
            return cls(
                weights,
                str(story["condition"]["text"]),
                str(story["generator"]),
                str(story["generator_id"]),
                str(story["base_weights_id"]),
            )
        except T2LError as err:
            raise T2LError(f"{folder}: {err}") from err
        # ValueError: not UTF-8, not JSON, or a number of more digits than Python reads.
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as err:
            raise T2LError(f"{folder} is damaged ({err}); describe the task again.") from err


def peft_config(spec: LoRASpec) -> dict[str, Any]:
    """The smallest adapter_config.json that PEFT and vLLM read; keys and modules sorted."""
    return {
        "base_model_name_or_path": spec.base_model,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": spec.alpha,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": spec.rank,
        "target_modules": sorted(name.rpartition(".")[2] for name in spec.targets),
        "task_type": "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": spec.use_rslora,
    }


def zip_folder(folder: str | Path, file: str | Path) -> Path:
    """The adapter's folder as a zip with the same bytes every time; complete or absent."""
    folder, file = Path(folder), Path(file)
    # Two visitors may ask for one adapter at once: each writes its own file.
    work = file.with_name(f".{file.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(work, "w", zipfile.ZIP_DEFLATED) as archive:
            for source in sorted(folder.iterdir()):
                # A fixed date: a zip made twice from one adapter is one file.
                info = zipfile.ZipInfo(f"{folder.name}/{source.name}", (1980, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                # Without a mode, unzip makes files that nobody may read.
                info.external_attr = 0o100644 << 16
                archive.writestr(info, source.read_bytes())
        work.replace(file)
    except OSError as err:
        raise T2LError(f"{file} cannot be written ({err}); free some space.") from err
    finally:
        work.unlink(missing_ok=True)
    return file


@dataclass(frozen=True)
class Shelf:
    """A folder of adapters, each in a folder named by its id."""

    folder: Path

    def get(self, id: str) -> Adapter:
        """The adapter of an id; raises T2LError where the id is malformed or nothing is kept under it."""
        if not re.fullmatch("[0-9a-f]{16}", str(id)) or not (self.folder / id / STORY).is_file():
            raise T2LError(f"There is no adapter {str(id)[:40]!r} on the shelf; describe the task again.")
        return Adapter.load(self.folder / id)

    def add(self, adapter: Adapter) -> tuple[Path, int]:
        """Saves an adapter; returns its folder and bytes. One that is there already and sound is kept."""
        target = self.folder / adapter.id
        try:
            self.get(adapter.id)
        except T2LError:
            return target, adapter.save(target)
        return target, sum(file.stat().st_size for file in target.iterdir())


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _card(adapter: Adapter) -> str:
    """The card's stub: what made the adapter, and how to open it."""
    quoted = "\n".join(f"    {line}" for line in adapter.condition.splitlines())
    return f"""---
base_model: {json.dumps(adapter.spec.base_model)}
library_name: peft
pipeline_tag: text-generation
tags:
- lora
- text-to-lora
- base_model:adapter:{adapter.spec.base_model}
---
# A LoRA adapter made from a description

Generated in one forward pass by the hypernetwork `{adapter.generator}` from this text:

{quoted}

It was not evaluated on this task.

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = "{adapter.spec.base_model}"
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), "path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained(base)
```

Input goes into the base's own chat template as a user message, without the description.
"""
