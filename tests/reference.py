"""The published formats for tests: models as their files, and their arithmetic written down once more."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

from t2l.hypernet import T2L
from t2l.official import MODULES, load_official, official_key, shapes

VARIANTS = {"l": (False, False), "m": (True, False), "s": (True, True), "rankwise": (False, True)}


def read_checkpoint(folder: Path, head_factor: float = 1.0) -> T2L:
    """A recorded checkpoint as a network that can be trained, its heads multiplied by a number."""
    loaded = load_official(folder).network
    network = T2L(loaded.config)
    network.load_state_dict(loaded.state_dict())
    for key, parameter in network.named_parameters():
        if key.startswith("heads."):
            parameter.data.mul_(head_factor)
    return network.eval()


def statistics_of(network: T2L, kind: str) -> dict[str, Tensor]:
    """The statistics of a hypermod.pt, zero but for what `kind` (see `write_checkpoint`) stores."""
    config = network.config
    names = [name.rpartition(".")[2] for name in config.spec.targets]
    state = {}
    for part in ("AB_offset", "mean_recon_target", "std_recon_target"):
        for side in "AB":
            # The published file sorts these, so that they tell nothing of the module order.
            for name in sorted(names):
                i, o = config.spec.targets[MODULES[name]]
                shape = (config.spec.rank, i) if side == "A" else (o, config.spec.rank)
                value = torch.zeros(config.spec.n_layers, *shape)
                stored = {"offset": "AB_offset", "z_score": "mean_recon_target"}.get(kind)
                if part == stored:
                    value = network.shift.tensor(MODULES[name], side)
                if part == "std_recon_target" and kind == "z_score":
                    value = network.scale.tensor(MODULES[name], side)
                state[f"{part}.{side}.{name}"] = value.clone()
    return state


def write_checkpoint(folder: Path, network: T2L, kind: str = "sft", **changes: Any) -> dict[str, Tensor]:
    """Writes the three published files of a network and returns the tensors.

    kind: "sft", "offset" (SFT on a multi-task LoRA), "z_score", "factorized" or "delta_w" (reconstruction).
    changes: entries of args.yaml that differ.
    """
    config, spec = network.config, network.config.spec
    names = [name.rpartition(".")[2] for name in spec.targets]
    state: OrderedDict[str, Tensor] = OrderedDict(statistics_of(network, kind))
    own = {key: tensor.detach().clone() for key, tensor in network.state_dict().items()}
    for key in shapes(network, names):
        if key.startswith("out_emb."):
            _, name, side = key.split(".")
            state[key] = own["side"][names.index(name), "AB".index(side)].clone()
    for key, tensor in own.items():
        if key != "side" and not key.startswith(("shift.", "scale.")):
            state[official_key(key, names)] = tensor
    shared, rankwise = VARIANTS[config.variant]
    args = {
        "autoreg_gen": rankwise,
        "delta_w_scaling": 10000,
        "emb_model": "Alibaba-NLP/gte-large-en-v1.5",
        "encoder_type": "linear",
        "exp_setup": "hyper_lora",
        "factorized": kind in ("z_score", "factorized"),
        "head_in_size": config.head_size,
        "head_use_bias": False,
        "hypernet_latent_size": config.latent_size,
        "learnable_AB_offset": False,
        "learnable_pos_emb": rankwise and config.positions == "learned",
        "model_dir": spec.base_model,
        "mt_lora_path": "train_outputs/sft/mt_lora/some" if kind == "offset" else None,
        # SFT runs write true, and it means nothing there.
        "pred_z_score": kind in ("sft", "offset", "z_score"),
        "save_freq": 10**100,
        "shared_AB_head": shared,
        "target_modules": ["q_proj", "v_proj"],
        "train_ds_names": ["lol_001", "lol_002"],
        "training_task": "sft" if kind in ("sft", "offset") else "recon",
        "use_one_hot_task_emb": False,
        **changes,
    }
    adapter = {
        "base_model_name_or_path": spec.base_model,
        "bias": "none",
        "lora_alpha": spec.alpha,
        "lora_dropout": 0.05,
        "peft_type": "LORA",
        "r": spec.rank,
        "target_modules": sorted(names),
        "task_type": "CAUSAL_LM",
        "use_rslora": spec.use_rslora,
    }
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "hypermod.pt")
    (folder / "args.yaml").write_text(yaml.dump(args))
    (folder / "adapter_config.json").write_text(json.dumps(adapter))
    return state


def published_adapter(
    state: dict[str, Tensor], args: dict[str, Any], embedding: Tensor, order: list[str]
) -> dict[str, Tensor]:
    """One adapter from the published tensors as the format's description says it, loop by loop.

    order: the module of each row of layer_type_encoder. embedding (c,). Independent of t2l on purpose.
    """

    def linear(key: str, x: Tensor) -> Tensor:
        return F.linear(x, state[f"{key}.weight"], state.get(f"{key}.bias"))

    def norm(key: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], state[f"{key}.weight"], state[f"{key}.bias"])

    def block(key: str, x: Tensor) -> Tensor:
        y = F.silu(linear(f"{key}.1", norm(f"{key}.0", x)))
        return F.silu(linear(f"{key}.4", y))

    def mlp2(x: Tensor) -> Tensor:
        return x + block("mlp2.mlp", x)

    def rotary(x: Tensor, position: int) -> Tensor:
        half = len(x) // 2
        out = x.clone()
        for j in range(half):
            angle = position * 10000 ** (-2 * j / len(x))
            a, b = x[j], x[j + half]
            out[j] = a * math.cos(angle) - b * math.sin(angle)
            out[j + half] = b * math.cos(angle) + a * math.sin(angle)
        return out

    def head(module: str, x: Tensor) -> Tensor:
        return linear(f"heads.{module}", block("mlp3", x))

    shared, by_rank, learned = (args[k] for k in ("shared_AB_head", "autoreg_gen", "learnable_pos_emb"))
    made = {}
    task = norm("task_encoder.mlp.1", linear("task_encoder.mlp.0", embedding))
    for row, module in enumerate(order):
        n_layers, r, n_in = state[f"AB_offset.A.{module}"].shape
        n_out = state[f"AB_offset.B.{module}"].shape[1]
        for layer in range(n_layers):
            depth = norm("layer_depth_encoder.1", state["layer_depth_encoder.0.weight"][layer])
            kind = norm("layer_type_encoder.1", state["layer_type_encoder.0.weight"][row])
            x = F.silu(linear("mixer.1", torch.cat([task, depth, kind])))
            x = F.silu(linear("mixer.4", x))
            x = x + block("mlp1.mlp", x)

            def position(k: int) -> Tensor:
                return norm("pos_emb.1", state["pos_emb.0.weight"][k])

            sides = {}
            for side, size in (("A", n_in), ("B", n_out)):
                if shared:
                    z = mlp2(x + norm("out_emb_norm", state[f"out_emb.{module}.{side}"]))
                    if not by_rank:
                        sides[side] = head(module, z).view(r, -1)[:, :size]
                        continue
                    places = [z + mlp2(position(k)) if learned else mlp2(rotary(z, k)) for k in range(r)]
                    sides[side] = torch.stack([head(module, zr)[:size] for zr in places])
                elif by_rank:
                    places = [mlp2(x + position(k) if learned else rotary(x, k)) for k in range(r)]
                    rows = torch.stack([head(module, zr) for zr in places])
                    sides[side] = rows[:, :n_in] if side == "A" else rows[:, n_in:]
                else:
                    y = head(module, mlp2(x))
                    sides[side] = (y[: r * n_in] if side == "A" else y[r * n_in :]).view(r, size)
            for side, raw in sides.items():
                value = raw if side == "A" else raw.T
                mean, std, offset = (
                    state[f"{part}.{side}.{module}"][layer]
                    for part in ("mean_recon_target", "std_recon_target", "AB_offset")
                )
                if args["training_task"] == "sft":
                    value = value + offset
                elif args["factorized"]:
                    value = (value * (std + 1e-10) + mean if args["pred_z_score"] else value) + offset
                else:
                    value = value / math.sqrt(args["delta_w_scaling"])
                group = "mlp" if module in ("gate_proj", "up_proj", "down_proj") else "self_attn"
                made[f"base_model.model.model.layers.{layer}.{group}.{module}.lora_{side}.weight"] = value
    return made


def write_gte(
    folder: Path, tokenizer: Path, scaling: dict[str, Any] | None
) -> tuple[dict[str, Tensor], dict]:
    """A small random gte v1.5 encoder in its authors' layout; returns tensors and settings."""
    from safetensors.torch import save_file
    from transformers import AutoTokenizer

    own = AutoTokenizer.from_pretrained(tokenizer)
    own.save_pretrained(folder)
    settings = {
        "architectures": ["NewModel"],
        "auto_map": {"AutoConfig": "configuration.NewConfig", "AutoModel": "modeling.NewModel"},
        "model_type": "new",
        "vocab_size": len(own),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "hidden_act": "gelu",
        "type_vocab_size": 2,
        "pad_token_id": 0,
        "max_position_embeddings": 8192,
        "position_embedding_type": "rope",
        "rope_theta": 160000,
        "rope_scaling": scaling,
        "layer_norm_type": "layer_norm",
        "layer_norm_eps": 1e-12,
        "logn_attention_scale": False,
        "pack_qkv": True,
    }
    shapes = {
        "embeddings.word_embeddings.weight": (len(own), 32),
        "embeddings.token_type_embeddings.weight": (2, 32),
        "embeddings.LayerNorm.weight": (32,),
        "embeddings.LayerNorm.bias": (32,),
    }
    for layer in range(2):
        for key, shape in {
            "attention.qkv_proj.weight": (96, 32),
            "attention.qkv_proj.bias": (96,),
            "attention.o_proj.weight": (32, 32),
            "attention.o_proj.bias": (32,),
            "mlp.up_gate_proj.weight": (96, 32),
            "mlp.down_proj.weight": (32, 48),
            "mlp.down_proj.bias": (32,),
            "attn_ln.weight": (32,),
            "attn_ln.bias": (32,),
            "mlp_ln.weight": (32,),
            "mlp_ln.bias": (32,),
        }.items():
            shapes[f"encoder.layer.{layer}.{key}"] = shape
    generator = torch.Generator().manual_seed(0)
    state = {key: torch.randn(shape, generator=generator) * 0.3 for key, shape in shapes.items()}
    save_file({f"new.{key}": tensor for key, tensor in state.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    return state, settings


def gte_states(state: dict[str, Tensor], settings: dict[str, Any], ids: Tensor) -> Tensor:
    """States (t, d) of one text's tokens, by the description of gte v1.5: post-norm, rotary, gated GELU."""

    def linear(key: str, x: Tensor) -> Tensor:
        return F.linear(x, state[f"{key}.weight"], state.get(f"{key}.bias"))

    def norm(key: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], state[f"{key}.weight"], state[f"{key}.bias"], 1e-12)

    heads, size = settings["num_attention_heads"], 32 // settings["num_attention_heads"]
    scaling = settings["rope_scaling"]
    stretch = scaling["factor"] if scaling else 1.0

    def turned(x: Tensor) -> Tensor:
        out = x.clone()
        for position in range(len(x)):
            for j in range(size // 2):
                angle = position * (settings["rope_theta"] * stretch) ** (-2 * j / size)
                angle /= stretch ** (2 / size)
                a, b = x[position, j], x[position, j + size // 2]
                out[position, j] = a * math.cos(angle) - b * math.sin(angle)
                out[position, j + size // 2] = b * math.cos(angle) + a * math.sin(angle)
        return out

    x = state["embeddings.word_embeddings.weight"][ids] + state["embeddings.token_type_embeddings.weight"][0]
    x = norm("embeddings.LayerNorm", x)
    for layer in range(settings["num_hidden_layers"]):
        at = f"encoder.layer.{layer}"
        q, k, v = linear(f"{at}.attention.qkv_proj", x).chunk(3, dim=-1)
        read = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = turned(q[:, part]) @ turned(k[:, part]).T / math.sqrt(size)
            read.append(scores.softmax(-1) @ v[:, part])
        x = norm(f"{at}.attn_ln", x + linear(f"{at}.attention.o_proj", torch.cat(read, dim=-1)))
        up, gate = linear(f"{at}.mlp.up_gate_proj", x).chunk(2, dim=-1)
        x = norm(f"{at}.mlp_ln", x + linear(f"{at}.mlp.down_proj", F.gelu(gate) * up))
    return x
