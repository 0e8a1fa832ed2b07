"""Text-to-LoRA: a sentence becomes a LoRA adapter in one forward pass.
Importing this costs torch at most; everything heavier loads where it is used."""

import os

# Before torch is imported: OpenMP's threads spin for long before they sleep, so that two programs on few
# cores stand in each other's way.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

from t2l.errors import T2LError
from t2l.lora import LoRASpec, LoRAWeights

__version__ = "0.1.0"
__all__ = ["LoRASpec", "LoRAWeights", "T2LError", "__version__"]
