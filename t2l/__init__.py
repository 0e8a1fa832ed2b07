"""Text-to-LoRA: a sentence becomes a LoRA adapter in one forward pass.
Importing this costs torch at most; everything heavier loads where it is used."""

from t2l.errors import T2LError
from t2l.lora import LoRASpec, LoRAWeights

__version__ = "0.1.0"
__all__ = ["LoRASpec", "LoRAWeights", "T2LError", "__version__"]
