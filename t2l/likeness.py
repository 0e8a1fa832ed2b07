"""How near a description is to the tasks that a generator was trained on, which says what to expect of it.
Knows vectors of descriptions; not how they are made, nor what an adapter is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from t2l.errors import T2LError
from t2l.files import STORED

INDEX = "tasks.safetensors"
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Near:
    """A trained task near a description: its name, how it may be said, and the cosine of both."""

    name: str
    description: str
    similarity: float


@dataclass(frozen=True, eq=False)
class TaskIndex:
    """The trained tasks as vectors: each one the mean direction of the descriptions it was trained with.

    names, descriptions: one text each. centres: (n, c) of norm 1. far: below this similarity a description
    counts as far from everything trained, or None where nobody has measured it.
    """

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    centres: Tensor
    far: float | None = None

    @classmethod
    def of(cls, names: Sequence[str], descriptions: Sequence[str], conditions: Sequence[Tensor]) -> TaskIndex:
        """From every task's name, one description, and the vectors (d, c) of all those trained with."""
        centres = [torch.nn.functional.normalize(c.float(), dim=-1).mean(0) for c in conditions]
        return cls(
            tuple(names), tuple(descriptions), torch.nn.functional.normalize(torch.stack(centres), dim=-1)
        )

    def subset(self, numbers: Sequence[int]) -> TaskIndex:
        """The tasks of these numbers alone, in their order."""
        names, told = (tuple(texts[n] for n in numbers) for texts in (self.names, self.descriptions))
        return TaskIndex(names, told, self.centres[list(numbers)], self.far)

    def similarities(self, conditions: Tensor) -> Tensor:
        """(n, c) -> (n, tasks), cosines with every task."""
        if conditions.dim() != 2 or conditions.shape[1] != self.centres.shape[1]:
            raise T2LError(
                f"These conditions have shape {tuple(conditions.shape)}, but the index compares vectors of "
                f"{self.centres.shape[1]} numbers; use the encoder of its checkpoint."
            )
        return torch.nn.functional.normalize(conditions.float(), dim=-1) @ self.centres.T

    def nearest(self, condition: Tensor, most: int = 3) -> list[Near]:
        """The tasks nearest to one vector (c,), the nearest first."""
        found = self.similarities(condition.unsqueeze(0))[0].topk(min(most, len(self.names)))
        return [
            Near(self.names[i], self.descriptions[i], float(s))
            for s, i in zip(found.values, found.indices.tolist(), strict=True)
        ]

    def pulled(self, conditions: Tensor, weight: float) -> Tensor:
        """(n, c) -> (n, c) of the same lengths, turned by a part of the way to the nearest task's centre."""
        length = conditions.norm(dim=-1, keepdim=True)
        nearest = self.centres[self.similarities(conditions).argmax(-1)]
        turned = torch.nn.functional.normalize(conditions, dim=-1).lerp(nearest, weight)
        return torch.nn.functional.normalize(turned, dim=-1) * length

    def save(self, file: str | Path) -> None:
        """Writes one safetensors file, its texts in the header; centres in bfloat16."""
        from safetensors.torch import save_file

        texts = {"names": list(self.names), "descriptions": list(self.descriptions), "far": self.far}
        save_file({"centres": self.centres.bfloat16().contiguous()}, file, {"index": json.dumps(texts)})

    @classmethod
    def load(cls, file: str | Path) -> TaskIndex:
        """Reads what `save` wrote; raises T2LError naming file and fault."""
        from safetensors import SafetensorError, safe_open

        file = Path(file)
        try:
            if file.stat().st_size > _MOST_BYTES:
                raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
            with safe_open(file, framework="pt") as stored:
                texts = json.loads((stored.metadata() or {})["index"])
                if (kind := stored.get_slice("centres").get_dtype()) not in STORED:
                    raise ValueError(f"it has numbers of type {kind}")
                centres = stored.get_tensor("centres").float()
            names, descriptions, far = texts["names"], texts["descriptions"], texts["far"]
            if not all(isinstance(text, str) for text in (*names, *descriptions)):
                raise ValueError("its names are not all texts")
            if not len(names) == len(descriptions) == len(centres) or centres.dim() != 2 or not names:
                raise ValueError("its names and vectors differ in number")
            if not torch.isfinite(centres).all() or not (far is None or isinstance(far, float)):
                raise ValueError("it holds other things than numbers")
        except (OSError, SafetensorError, ValueError, LookupError, TypeError, RecursionError) as err:
            raise T2LError(f"{file} cannot be read ({err}); download the checkpoint again.") from err
        centres = torch.nn.functional.normalize(centres, dim=-1)
        return cls(tuple(names), tuple(descriptions), centres, far)
