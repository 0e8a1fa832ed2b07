"""One more token through a Llama-like base on a CPU, in few operations: its own forward's numbers, sooner.
Knows transformers' Llama, Mistral, Qwen 2 and Qwen 3 and stacks of adapters; not how a token is chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2l.attach import changing, span, target_modules, transformer_layers
from t2l.lora import LoRAWeights, stack
from t2l.packed import Joined

_SERVED = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")
# The products of a layer; those of one input are one product.
_QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_PRODUCTS = (_QKV, ("self_attn.o_proj",), ("mlp.gate_proj",), ("mlp.up_proj",), ("mlp.down_proj",))


class StepAdapters:
    """A stack of adapters, or a single one, in the form that a step multiplies by: float32, by product.

    On a CPU oneDNN takes four times as long for a bfloat16 product of a few rows as for one in float32.
    Raises T2LError where they do not fit the model, as `t2l.attach` does.
    """

    def __init__(self, model: nn.Module, weights: LoRAWeights) -> None:
        linears = target_modules(model, weights.spec)
        layers = range(weights.spec.n_layers)
        first: Any = transformer_layers(model)[0]
        self._alone = weights.n is None
        wide = (stack([weights]) if self._alone else weights).map(Tensor.float)
        A, B = wide.A, wide.B
        self._changes = changing(wide)
        self._products: list[list[tuple[Tensor, Tensor]] | None] = []
        for names in _PRODUCTS:
            used = [name for name in names if name in linears]
            if not used:
                self._products.append(None)
                continue
            left = torch.cat([A[name] for name in used], dim=2)
            # Every adapter's B at its own rows and columns: a product for all of them.
            widths = [first.get_submodule(name).out_features for name in names]
            right = left.new_zeros(*left.shape[:3], sum(widths))
            row = column = 0
            for name, width in zip(names, widths, strict=True):
                if name in used:
                    rank = A[name].shape[2]
                    right[:, :, row : row + rank, column : column + width] = B[name].mT * weights.spec.scaling
                    row += rank
                column += width
            self._products.append([(left[:, layer], right[:, layer]) for layer in layers])

    def of(self, rows: Sequence[int]) -> RowAdapters | None:
        """The adapters of a batch, number rows[b] in row b; None where none of them changes anything."""
        rows = [0] * len(rows) if self._alone else list(rows)
        served = span(self._changes[rows])
        mine = rows[served]
        return RowAdapters(self._products, mine, None if mine == rows else served) if mine else None


class RowAdapters:
    """What is added to each product of a step, to the batch rows from the first to the last that differ."""

    def __init__(
        self, products: list[list[tuple[Tensor, Tensor]] | None], rows: list[int], served: slice | None
    ) -> None:
        self._served, self._products = served, products
        self._runs: list[tuple[int, int]] = []
        self._order: Tensor | None = None
        if rows == list(range(rows[0], rows[0] + len(rows))):
            mine = slice(rows[0], rows[0] + len(rows))
            self._products = [
                product and [(left[mine], right[mine]) for left, right in product] for product in products
            ]
            return
        # Each adapter multiplies its own rows, once they lie together: a copy of it for every row is slower.
        self._runs = sorted(Counter(rows).items())
        if rows != sorted(rows):
            self._order = torch.tensor(rows).argsort(stable=True)
            self._back = self._order.argsort()

    def add(self, product: int, layer: int, x: Tensor, y: Tensor) -> Tensor:
        """y (rows, 1, o) plus its adapters' share of x (rows, 1, i), in place."""
        factors = self._products[product]
        if factors is None:
            return y
        left, right = factors[layer]
        mine, x = (y, x) if self._served is None else (y[self._served], x[self._served])
        x = x.float()
        if not self._runs:
            mine.add_(torch.bmm(torch.bmm(x, left.mT), right))
            return y
        parts = (x if self._order is None else x[self._order]).split([n for _, n in self._runs])
        change = torch.cat(
            [part @ left[row].mT @ right[row] for part, (row, _) in zip(parts, self._runs, strict=True)]
        )
        mine.add_(change if self._order is None else change[self._back])
        return y


class Decoder:
    """A base's own layers for steps of one token: (rows, 1) ids -> (rows, 1, vocabulary) logits.

    In a step of transformers' forward as much time passes between the products as in them. Here q, k and v
    are one product, a norm is written out, heads that share a key attend together instead of from copies of
    it, and adapters are added without hooks.
    """

    def __init__(self, model: Any, joined: Sequence[Sequence[nn.Linear]]) -> None:
        self._model = model
        self._layers = list(zip(_layers(model), map(Joined, joined), strict=True))

    @staticmethod
    def of(model: Any) -> Decoder | None:
        """The decoder of a model, kept with it; None where the model's own forward must do the work.

        So it is for other architectures and devices, and where somebody listens to a module within.
        """
        kind = type(model)
        known = kind.__name__ in _SERVED and kind.__module__.startswith("transformers.models.")
        if not known or model.device.type != "cpu" or any(map(_heard, model.model.modules())):
            return None
        joined = [[layer.get_submodule(name) for name in _QKV] for layer in _layers(model)]
        if not all(isinstance(module, nn.Linear) for modules in joined for module in modules):
            return None
        made = model.__dict__.get("_t2l_decoder")
        if made is None or [qkv.modules for _, qkv in made._layers] != joined:
            made = model._t2l_decoder = Decoder(model, joined)
        return made  # type: ignore[no-any-return]

    def __call__(
        self,
        ids: Tensor,
        positions: Tensor,
        cache: Sequence[Any],
        mask: Tensor | None,
        adapters: RowAdapters | None,
    ) -> Tensor:
        """Appends a token to every row; cache: transformers' layers; mask (rows, 1, 1, past + 1), added.

        Call it in inference mode.
        """
        model = self._model.model
        hidden = model.embed_tokens(ids)
        n, one, _ = hidden.shape
        cos, sin = model.rotary_emb(hidden, positions)
        half = cos.shape[-1] // 2
        # Rotating by half turns (a, b) into (-b, a): with the sign in the sine a roll is enough.
        cos, sin = cos.unsqueeze(2), torch.cat((-sin[..., :half], sin[..., half:]), -1).unsqueeze(2)
        add = _nothing if adapters is None else adapters.add
        for index, ((layer, qkv), kept) in enumerate(zip(self._layers, cache, strict=True)):
            attention, mlp = layer.self_attn, layer.mlp
            x = _norm(layer.input_layernorm, hidden)
            heads = add(0, index, x, qkv(x)).view(n, one, -1, attention.head_dim)
            groups = attention.num_key_value_groups
            kv_heads = heads.shape[2] // (groups + 2)
            turned, values = heads[:, :, :-kv_heads], heads[:, :, -kv_heads:]
            if hasattr(attention, "q_norm"):
                queries, keys = turned[:, :, :-kv_heads], turned[:, :, -kv_heads:]
                turned = torch.cat((_norm(attention.q_norm, queries), _norm(attention.k_norm, keys)), 2)
            turned = (turned * cos).add_(turned.roll(half, -1).mul_(sin))
            keys, values = kept.update(turned[:, :, -kv_heads:].transpose(1, 2), values.transpose(1, 2))
            # The queries that share a key are its rows, so that keys and values are read where they lie.
            queries = turned[:, 0, :-kv_heads].unflatten(1, (kv_heads, groups))
            x = F.scaled_dot_product_attention(queries, keys, values, mask, scale=attention.scaling)
            x = x.reshape(n, one, -1)
            hidden = hidden + add(1, index, x, attention.o_proj(x))
            x = _norm(layer.post_attention_layernorm, hidden)
            gate, up = add(2, index, x, mlp.gate_proj(x)), add(3, index, x, mlp.up_proj(x))
            x = mlp.act_fn(gate).mul_(up)
            hidden = hidden + add(4, index, x, mlp.down_proj(x))
        return self._model.lm_head(_norm(model.norm, hidden))  # type: ignore[no-any-return]


def _nothing(product: int, layer: int, x: Tensor, y: Tensor) -> Tensor:
    return y


def _norm(module: Any, x: Tensor) -> Tensor:
    """RMSNorm as transformers computes it, to the last bit."""
    wide = x.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + module.variance_epsilon)
    return module.weight * wide.to(x.dtype)  # type: ignore[no-any-return]


def _layers(model: Any) -> Any:
    return model.model.layers[: model.config.num_hidden_layers]


def _heard(module: nn.Module) -> bool:
    """Whether somebody listens to a module that a step does not call as such."""
    listened = module._forward_hooks or module._forward_pre_hooks
    return bool(listened) and not isinstance(module, nn.Linear | nn.Embedding)
