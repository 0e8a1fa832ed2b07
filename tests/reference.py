"""The reference's file format read for tests: its checkpoints as our networks, key by key.

A stand-in until the importer of published checkpoints is there; it serves the recorded fixtures alone.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
import yaml

from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRASpec


def read_checkpoint(folder: Path, head_factor: float = 1.0) -> T2L:
    """A recorded hypermod.pt as a T2L with the same weights, strict about every key."""
    state = torch.load(folder / "hypermod.pt", weights_only=True)
    adapter = json.loads((folder / "adapter_config.json").read_text())
    args = yaml.safe_load((folder / "args.yaml").read_text())
    # The module order is that of the heads; the other files may disagree.
    order = [key.split(".")[1] for key in state if key.startswith("heads.") and key.endswith(".weight")]
    sizes = {
        name: (state[f"AB_offset.A.{name}"].shape[2], state[f"AB_offset.B.{name}"].shape[1]) for name in order
    }
    n_layers, rank, _ = state[f"AB_offset.A.{order[0]}"].shape
    spec = LoRASpec(
        adapter["base_model_name_or_path"],
        n_layers,
        {f"self_attn.{name}": sizes[name] for name in order},
        rank,
        adapter["lora_alpha"],
        adapter["use_rslora"],
    )
    shared, rankwise = args["shared_AB_head"], args["autoreg_gen"]
    recon = args["training_task"] == "recon"
    z_score = recon and args["factorized"] and args["pred_z_score"]
    delta_w = recon and not args["factorized"]
    config = T2LConfig(
        spec,
        state["task_encoder.mlp.0.weight"].shape[1],
        {(False, False): "l", (True, False): "m", (True, True): "s", (False, True): "rankwise"}[
            shared, rankwise
        ],
        args["hypernet_latent_size"],
        args["head_in_size"],
        positions="learned" if not rankwise or args["learnable_pos_emb"] else "rotary",
        head_bias=f"heads.{order[0]}.bias" in state,
        shift="element" if z_score else "none",
        scale="element" if z_score else "scalar" if delta_w else "none",
    )
    network = T2L(config)
    network.load_state_dict(
        _translate(state, order, z_score, args["delta_w_scaling"] if delta_w else None, head_factor)
    )
    return network.eval()


def _translate(state: dict, order: list[str], z_score: bool, delta_w: float | None, factor: float) -> dict:
    ours: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        kind, _, rest = key.partition(".")
        if kind in ("AB_offset", "mean_recon_target", "std_recon_target"):
            side, name = rest.split(".")
            row = order.index(name)
            if kind == "AB_offset":
                assert not value.any()
            elif z_score:
                target = "shift" if kind.startswith("mean") else "scale"
                ours[f"{target}.{side}{row}"] = value if target == "shift" else value + 1e-10
        elif kind == "heads":
            name, what = rest.split(".")
            ours[f"heads.{order.index(name)}.{what}"] = value * factor
        elif kind == "out_emb":
            pass
        else:
            ours[translate_key(key)] = value
    if any(key.startswith("out_emb.") for key in state):
        ours["side"] = torch.stack(
            [torch.stack([state[f"out_emb.{name}.{side}"] for side in "AB"]) for name in order]
        )
    if delta_w is not None:
        ours["scale.value"] = torch.tensor(1 / math.sqrt(delta_w))
    return ours


def translate_key(key: str) -> str:
    """The name in T2L of a trunk parameter of the reference."""
    for theirs, mine in {
        "task_encoder.mlp.": "condition.",
        "layer_depth_encoder.0.": "layer.embedding.",
        "layer_depth_encoder.1.": "layer.norm.",
        "layer_type_encoder.0.": "module.embedding.",
        "layer_type_encoder.1.": "module.norm.",
        "pos_emb.0.": "rank.embedding.",
        "pos_emb.1.": "rank.norm.",
        "out_emb_norm.": "side_norm.",
        "mixer.1.": "mixer.up.",
        "mixer.4.": "mixer.down.",
        "mlp1.mlp.0.": "block1.norm.",
        "mlp1.mlp.1.": "block1.up.",
        "mlp1.mlp.4.": "block1.down.",
        "mlp2.mlp.0.": "block2.norm.",
        "mlp2.mlp.1.": "block2.up.",
        "mlp2.mlp.4.": "block2.down.",
        "mlp3.0.": "neck.norm.",
        "mlp3.1.": "neck.up.",
        "mlp3.4.": "neck.out.",
    }.items():
        if key.startswith(theirs):
            return mine + key.removeprefix(theirs)
    raise KeyError(key)
