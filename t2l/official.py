"""The published checkpoint format (hypermod.pt, args.yaml, adapter_config.json) read as a Generator.
Knows these files alone: every shape comes from them, and no base model is touched."""

from __future__ import annotations

import json
import math
import pickle
import re
import statistics
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2l.errors import T2LError
from t2l.generator import MOST_PARAMETERS, Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRASpec
from t2l.peft_folder import reading, refuse_unserved

WEIGHTS, ARGS, ADAPTER = "hypermod.pt", "args.yaml", "adapter_config.json"
# The largest files that are read: a checkpoint may come from a stranger.
_MOST_BYTES = {WEIGHTS: 2**34, ARGS: 2**21, ADAPTER: 2**20}
# Published arguments hold some thousand values; aliases can make billions of a few lines.
_MOST_VALUES = 200_000

# The modules that the published code can name in an adapter, by where they stand in a decoder layer.
MODULES = {
    **{name: f"self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "o_proj")},
    **{name: f"mlp.{name}" for name in ("gate_proj", "up_proj", "down_proj")},
}
STATISTICS = ("AB_offset", "mean_recon_target", "std_recon_target")
# Our name of a part -> its name in hypermod.pt, for all that is stored one to one.
PARTS = {
    "condition.": "task_encoder.mlp.",
    "layer.embedding.": "layer_depth_encoder.0.",
    "layer.norm.": "layer_depth_encoder.1.",
    "module.embedding.": "layer_type_encoder.0.",
    "module.norm.": "layer_type_encoder.1.",
    "rank.embedding.": "pos_emb.0.",
    "rank.norm.": "pos_emb.1.",
    "side_norm.": "out_emb_norm.",
    "mixer.up.": "mixer.1.",
    "mixer.down.": "mixer.4.",
    "block1.norm.": "mlp1.mlp.0.",
    "block1.up.": "mlp1.mlp.1.",
    "block1.down.": "mlp1.mlp.4.",
    "block2.norm.": "mlp2.mlp.0.",
    "block2.up.": "mlp2.mlp.1.",
    "block2.down.": "mlp2.mlp.4.",
    "neck.norm.": "mlp3.0.",
    "neck.up.": "mlp3.1.",
    "neck.out.": "mlp3.4.",
}
# Of args.yaml, what decides the numbers: kind, and the published default. None: the tensors say.
_SETTINGS: dict[str, tuple[type | tuple[type, ...], Any]] = {
    "training_task": (str, "sft"),
    "exp_setup": (str, "hyper_lora"),
    "encoder_type": (str, "linear"),
    "model_dir": (str, None),
    "emb_model": (str, ""),
    "mt_lora_path": (str, None),
    "pred_z_score": (bool, True),
    "factorized": (bool, False),
    "delta_w_scaling": ((int, float), 10_000),
    "use_one_hot_task_emb": (bool, False),
    "train_ds_names": (list, None),
    "shared_AB_head": (bool, None),
    "autoreg_gen": (bool, None),
    "learnable_pos_emb": (bool, None),
    "hypernet_latent_size": (int, None),
    "head_in_size": (int, None),
}
# The text encoders of the two kinds that the published code has a pooling for.
_ENCODERS = (
    "Alibaba-NLP/gte-large-en-v1.5",
    "Alibaba-NLP/gte-base-en-v1.5",
    "Salesforce/SFR-Embedding-2_R",
    "Salesforce/SFR-Embedding-Mistral",
)


def load_official(
    source: str | Path, *, subfolder: str = "", order: Sequence[str] | None = None
) -> Generator:
    """Reads a checkpoint of the published format from a local folder or a Hub repository.

    subfolder: where in them the three files lie. order: the module that each row of the module embedding
    belongs to, such as ("v_proj", "q_proj"); without it, the order of the heads in the file, which is that of
    the training. Order and origin are in the generator's training facts. Raises T2LError naming file and
    fault: every tensor must be there, none more, in the shapes that the settings ask for.
    Source: the format is that of arXiv 2506.06105's code.
    """
    place = Path(source, subfolder)
    with reading(place):
        if Path(source).expanduser().exists():
            folder = place.expanduser()
            return _read(_local_files(folder), folder.resolve().name, "", order)
        return _read(_download(str(source), subfolder), place.name, str(place), order)


def load_generator(folder: str | Path) -> Generator:
    """A generator from a folder in either layout: what `Generator.save` writes, or a published checkpoint."""
    folder = Path(folder)
    published = (folder / WEIGHTS).is_file() and not (folder / "config.json").is_file()
    return load_official(folder) if published else Generator.load(folder)


def convert(
    source: str | Path, folder: str | Path, *, subfolder: str = "", order: Sequence[str] | None = None
) -> Generator:
    """Saves, in float32 and the layout of `Generator.save`, what `load_official` reads; returns it."""
    generator = load_official(source, subfolder=subfolder, order=order)
    generator.save(folder, dtype=torch.float32)
    return generator


def _local_files(folder: Path) -> dict[str, Path]:
    """The three files of a folder, none of them a link to outside of it."""
    if not folder.is_dir():
        raise T2LError("it is no folder; give the folder that holds hypermod.pt.")
    files = {}
    for name in _MOST_BYTES:
        file = folder / name
        if not file.is_file():
            raise T2LError(f"it lacks {name}; a published checkpoint holds {', '.join(_MOST_BYTES)}.")
        if not file.resolve().is_relative_to(folder.resolve()):
            raise T2LError(f"{name} is a link out of the folder; put the file itself there (cp -L).")
        files[name] = file
    return files


def _download(repo: str, subfolder: str) -> dict[str, Path]:
    """The three files of a Hub repository, from its cache or the network."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo) or ".." in Path(subfolder).parts:
        raise T2LError("it is neither a folder here nor a Hub repository (owner/name); check the name.")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, LocalEntryNotFoundError

    files = {}
    for name in (ADAPTER, ARGS, WEIGHTS):
        try:
            files[name] = Path(hf_hub_download(repo, name, subfolder=subfolder or None))
        except GatedRepoError as err:
            raise T2LError(
                f"access to {repo} is restricted; ask for it on its Hub page and log in with `hf auth login`."
            ) from err
        except LocalEntryNotFoundError as err:
            raise T2LError(
                f"{name} is not in the cache and the Hub is out of reach; check the network or give a folder."
            ) from err
        except EntryNotFoundError as err:
            raise T2LError(f"the repository holds no {name} there; name its folder with subfolder.") from err
        # ValueError: a name that no repository can have.
        except (OSError, ValueError) as err:
            raise T2LError(
                f"{name} cannot be downloaded ({_first_line(err)}); check the name, the network and access."
            ) from err
    return files


def _read(files: Mapping[str, Path], name: str, origin: str, order: Sequence[str] | None) -> Generator:
    for file, most in _MOST_BYTES.items():
        if (size := files[file].stat().st_size) > most:
            raise T2LError(f"{file} has {size:,} bytes; the most is {most:,}. Download it again.")
    args, adapter = _read_args(files[ARGS]), _read_adapter(files[ADAPTER])
    base = adapter["base_model_name_or_path"]
    if args["model_dir"] is not None and args["model_dir"].rstrip("/") != base.rstrip("/"):
        raise T2LError(
            f"{ADAPTER} is for {base}, but {ARGS} says model_dir {args['model_dir']}; "
            "take both files from one checkpoint."
        )
    state = _read_tensors(files[WEIGHTS])
    names, ordered_by = _module_order(state, adapter["target_modules"], order)
    network = _build(_config(state, args, adapter, names), state, names, args)
    if args["use_one_hot_task_emb"]:
        encoder, tasks = "", _one_hot_tasks(args, network.config.condition_size)
    else:
        encoder, tasks = _encoder(args["emb_model"] or "", base), ()
    network.freeze()
    training = {
        "method": args["training_task"],
        "format": "hypermod",
        **({"source": origin} if origin else {}),
        "module_order": names,
        "module_order_from": ordered_by,
        "tasks": args["train_ds_names"] or [],
    }
    return Generator(network, encoder, training=training, name=name, tasks=tasks)


def _read_args(file: Path) -> dict[str, Any]:
    """The settings, with the published defaults for what is absent; never runs code, never expands a bomb."""
    import yaml

    try:
        loader = yaml.SafeLoader(file.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node is None or _values(node, {}) > _MOST_VALUES:
            raise T2LError(f"{ARGS} is empty, or grows beyond all bounds by its aliases; download it again.")
        data = loader.construct_document(node)
    except T2LError:
        raise
    # All that PyYAML raises for text that is no YAML, holds other than plain values, or is too deep.
    except (
        yaml.YAMLError,
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
        RecursionError,
    ) as err:
        raise T2LError(f"{ARGS} cannot be read ({_first_line(err)}); download it again.") from err
    if not isinstance(data, dict):
        raise T2LError(f"{ARGS} holds no settings; download it again.")
    args = {}
    for key, (kind, default) in _SETTINGS.items():
        value = args[key] = default if data.get(key) is None else data[key]
        if value is not None and (
            not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool)
        ):
            raise T2LError(f"{ARGS} has {key}: {str(value)[:80]!r}, which it cannot be; download it again.")
    if args["train_ds_names"] and not all(isinstance(name, str) for name in args["train_ds_names"]):
        raise T2LError(f"{ARGS} has train_ds_names that are no names; download it again.")
    for key, choices, why in (
        ("training_task", ("sft", "recon"), "no other training was published"),
        ("exp_setup", ("hyper_lora",), "no other setup makes LoRA adapters"),
        (
            "encoder_type",
            ("linear",),
            "no other was ever trained; where the file came of a run that asked for one, it was linear in "
            "fact, so write that",
        ),
    ):
        if args[key] not in choices:
            raise T2LError(f"{ARGS} has {key}: {args[key][:80]}; it must be {' or '.join(choices)}: {why}.")
    scaling = args["delta_w_scaling"]
    # Not `math.isfinite`: an integer may have more digits than any float.
    if not 0 < scaling < 1e30:
        raise T2LError(f"{ARGS} has delta_w_scaling: {str(scaling)[:80]}; it must be a number above 0.")
    if args["training_task"] == "recon" and args["pred_z_score"] and not args["factorized"]:
        raise T2LError(
            f"{ARGS} has pred_z_score with factorized: false; such a checkpoint can be trained, but the "
            "published code has no way to make adapters of it. Use another checkpoint."
        )
    return args


def _values(node: Any, known: dict[int, float]) -> float:
    """How many values a YAML node stands for with its aliases written out; infinite if it holds itself."""
    if id(node) not in known:
        known[id(node)] = math.inf
        children = node.value if isinstance(node.value, list) else []
        flat = [part for child in children for part in (child if isinstance(child, tuple) else (child,))]
        known[id(node)] = 1 + sum(_values(child, known) for child in flat)
    return known[id(node)]


def _read_adapter(file: Path) -> dict[str, Any]:
    """adapter_config.json, refused where it means more than a plain LoRA."""
    try:
        adapter = json.loads(file.read_text(encoding="utf-8"))
    # ValueError: not UTF-8, not JSON, or a number of more digits than Python reads.
    except (OSError, ValueError, RecursionError) as err:
        raise T2LError(f"{ADAPTER} cannot be read ({_first_line(err)}); download it again.") from err
    if not isinstance(adapter, dict):
        raise T2LError(f"{ADAPTER} holds no settings; download it again.")
    refuse_unserved(adapter)
    modules = adapter.get("target_modules")
    if not isinstance(modules, list) or not modules or not all(isinstance(m, str) for m in modules):
        raise T2LError(f"{ADAPTER} has target_modules {str(modules)[:80]!r}; it must be a list of modules.")
    return adapter


def _read_tensors(file: Path) -> dict[str, Tensor]:
    """hypermod.pt in its own order, tensors alone; code inside is refused and not run."""
    try:
        with zipfile.ZipFile(file) as archive:
            packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as err:
        raise T2LError(
            f"{WEIGHTS} is truncated, or was not written by torch.save; download it again."
        ) from err
    if packed:
        # torch.save never does it, and a small file could fill the memory.
        raise T2LError(f"{WEIGHTS} is compressed; save it again with torch.save.")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        raise T2LError(
            f"{WEIGHTS} holds more than tensors ({_first_line(err)}), possibly code, and was not opened; "
            "get the file from its authors."
        ) from err
    except (
        RuntimeError,
        OSError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
        AssertionError,
        MemoryError,
    ) as err:
        raise T2LError(f"{WEIGHTS} cannot be read ({_first_line(err)}); download it again.") from err
    if not isinstance(state, dict) or not state:
        raise T2LError(f"{WEIGHTS} is no state dict; get the file that the training wrote.")
    for key, tensor in state.items():
        if not isinstance(key, str) or not isinstance(tensor, Tensor):
            raise T2LError(f"{WEIGHTS} holds {str(key)[:80]!r}, which is no tensor; get the original file.")
        if not tensor.is_floating_point() or tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise T2LError(f"{WEIGHTS}: {key[:80]} is no plain tensor of floating-point numbers.")
        # A view can claim more numbers than the file holds.
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise T2LError(f"{WEIGHTS}: {key[:80]} claims more numbers than the file holds.")
    return state


def _module_order(
    state: Mapping[str, Tensor], listed: Sequence[str], order: Sequence[str] | None
) -> tuple[list[str], str]:
    """The module of each row of the module embedding, and where that is known from.

    The published code numbers a set of names, in an order that differs from process to process; the heads
    were made from the same set in the same process, so their order in the file is that of the training.
    """
    matches = (re.fullmatch(r"heads\.([^.]+)\.weight", key) for key in state)
    heads = [match[1] for match in matches if match]
    short = [name.rpartition(".")[2] for name in dict.fromkeys(listed)]
    if not heads:
        raise T2LError(f"{WEIGHTS} holds no heads.<module>.weight; it is no hypernetwork of LoRA adapters.")
    if unknown := [name for name in heads if name not in MODULES]:
        raise T2LError(
            f"{WEIGHTS} has a head for {unknown[0]!r}; modules that are known: {', '.join(MODULES)}."
        )
    if sorted(heads) != sorted(short):
        raise T2LError(
            f"{ADAPTER} has target_modules {', '.join(short)[:200]}, but {WEIGHTS} has heads for "
            f"{', '.join(heads)}; take both files from one checkpoint."
        )
    if order is not None:
        given = [name.rpartition(".")[2] for name in order]
        if sorted(given) != sorted(heads):
            raise T2LError(f"The order {', '.join(given)[:200]} must name each of {', '.join(heads)} once.")
        return given, "given"
    if len(heads) > 1 and list(state) == sorted(state):
        warnings.warn(
            f"The keys of {WEIGHTS} were sorted, so the module order of the training is lost; "
            f"{ADAPTER} says {', '.join(short)}, which may be wrong. Choose with order.",
            stacklevel=2,
        )
        return short, ADAPTER
    return heads, "heads"


def _config(
    state: Mapping[str, Tensor], args: Mapping[str, Any], adapter: Mapping[str, Any], names: Sequence[str]
) -> T2LConfig:
    """The network that the settings describe; where they are silent, the one that the tensors show."""

    def told(key: str, otherwise: Any) -> Any:
        return otherwise if args[key] is None else args[key]

    rank = adapter["r"]
    targets, layers = {}, []
    for name in names:
        a, b = ([_shape(state, f"{kind}.{side}.{name}", 3) for kind in STATISTICS] for side in "AB")
        # The most frequent, so that one misshapen tensor is the one that is named.
        targets[MODULES[name]] = (statistics.mode(s[2] for s in a), statistics.mode(s[1] for s in b))
        layers += [shape[0] for shape in (*a, *b)]
    if rank not in [_shape(state, f"{kind}.A.{name}", 3)[1] for kind in STATISTICS for name in names]:
        found = _shape(state, f"AB_offset.A.{names[0]}", 3)[1]
        raise T2LError(
            f"{ADAPTER} has r {rank!r}, but {WEIGHTS} rank {found}; take both from one checkpoint."
        )
    spec = LoRASpec(
        adapter["base_model_name_or_path"],
        statistics.mode(layers),
        targets,
        rank,
        adapter["lora_alpha"],
        adapter.get("use_rslora", False),
    )
    if spec.n_parameters > MOST_PARAMETERS:
        raise T2LError(f"adapters of more than {MOST_PARAMETERS:,} numbers are not made here.")

    half, condition_size = _shape(state, "task_encoder.mlp.0.weight", 2)
    shared = told("shared_AB_head", any(key.startswith("out_emb.") for key in state))
    learned = told("learnable_pos_emb", "pos_emb.0.weight" in state)
    i, o = targets[MODULES[names[0]]]
    rows = _shape(state, f"heads.{names[0]}.weight", 2)[0]
    # At rank 1 both forms have the same heads; learned positions are then what tells.
    by_rank = rank > 1 and rows == (max(i, o) if shared else i + o)
    rankwise = told("autoreg_gen", by_rank or "pos_emb.0.weight" in state)
    recon = args["training_task"] == "recon"
    scaled = args["factorized"] and args["pred_z_score"]
    offset = (args["factorized"] or not recon) and _any(state, "AB_offset.")
    return T2LConfig(
        spec,
        condition_size,
        {(False, False): "l", (True, False): "m", (True, True): "s", (False, True): "rankwise"}[
            shared, rankwise
        ],
        told("hypernet_latent_size", 2 * half),
        told("head_in_size", _shape(state, "mlp3.4.weight", 2)[0]),
        positions="rotary" if rankwise and not learned else "learned",
        head_bias=not args["pred_z_score"] if recon else not args["mt_lora_path"],
        shift="element" if offset or (recon and scaled) else "none",
        scale="none" if not recon else "element" if scaled else "none" if args["factorized"] else "scalar",
    )


def _build(
    config: T2LConfig, state: Mapping[str, Tensor], names: Sequence[str], args: Mapping[str, Any]
) -> T2L:
    """The network with the file's numbers; raises T2LError naming what is missing, too much or misshapen."""
    try:
        # On "meta" it costs nothing, so a hostile size meets the file's own shapes first.
        with torch.device("meta"):
            network = T2L(config)
    except (TypeError, RuntimeError, ArithmeticError) as err:
        raise T2LError(f"{ARGS} asks for impossible sizes ({_first_line(err)}); download it again.") from err
    _check(state, shapes(network, names))
    for key, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise T2LError(f"{WEIGHTS}: {key} holds NaN or infinity; this checkpoint cannot be used.")
    ours = {}
    for key in network.state_dict():
        kind, _, rest = key.partition(".")
        if kind == "side":
            pairs = [torch.stack([state[f"out_emb.{name}.{side}"] for side in "AB"]) for name in names]
            value = torch.stack(pairs)
        elif kind == "scale" and rest == "value":
            value = torch.tensor(1 / math.sqrt(args["delta_w_scaling"]))
        elif kind in ("shift", "scale"):
            place = f"{rest[0]}.{names[int(rest[1:])]}"
            if kind == "scale":
                value = state[f"std_recon_target.{place}"] + 1e-10
            else:
                value = state[f"AB_offset.{place}"]
                value = value + state[f"mean_recon_target.{place}"] if config.scale == "element" else value
        else:
            value = state[official_key(key, names)]
        ours[key] = value.detach().float().contiguous()
    network.load_state_dict(ours, assign=True)
    return network


def official_key(key: str, names: Sequence[str]) -> str:
    """The name in hypermod.pt of a trunk or head tensor of T2L; names: the modules in the network's order."""
    if key.startswith("heads."):
        _, row, what = key.split(".")
        return f"heads.{names[int(row)]}.{what}"
    mine = next(part for part in PARTS if key.startswith(part))
    return PARTS[mine] + key.removeprefix(mine)


def shapes(network: T2L, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Every tensor that hypermod.pt must hold for this network, no more and no less."""
    spec = network.config.spec
    wanted = {}
    for name in names:
        i, o = spec.targets[MODULES[name]]
        for kind in STATISTICS:
            wanted[f"{kind}.A.{name}"] = (spec.n_layers, spec.rank, i)
            wanted[f"{kind}.B.{name}"] = (spec.n_layers, o, spec.rank)
    for key, tensor in network.state_dict().items():
        if key == "side":
            wanted |= {f"out_emb.{name}.{side}": tuple(tensor.shape[2:]) for name in names for side in "AB"}
        elif not key.startswith(("shift.", "scale.")):
            wanted[official_key(key, names)] = tuple(tensor.shape)
    return wanted


def _check(state: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]]) -> None:
    wrong = [
        f"{key} {tuple(state[key].shape)} instead of {shape}"
        for key, shape in wanted.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    faults = {
        "missing": [key for key in wanted if key not in state],
        "unknown": [key[:80] for key in state if key not in wanted],
        "misshapen": wrong,
    }
    if any(faults.values()):
        told = "; ".join(f"{word}: {_some(items)}" for word, items in faults.items() if items)
        raise T2LError(
            f"{WEIGHTS} does not fit {ARGS} and {ADAPTER} ({told}); take all three from one checkpoint, or "
            "download it again."
        )


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - 5} more" if len(items) > 5 else ""
    return ", ".join(items[:5]) + more


def _shape(state: Mapping[str, Tensor], key: str, dims: int) -> tuple[int, ...]:
    if key not in state:
        raise T2LError(f"{WEIGHTS} lacks {key} (missing); download it again.")
    if state[key].dim() != dims:
        raise T2LError(f"{WEIGHTS}: {key} has shape {tuple(state[key].shape)}, expected {dims} axes.")
    return tuple(state[key].shape)


def _any(state: Mapping[str, Tensor], prefix: str) -> bool:
    return any(bool(tensor.any()) for key, tensor in state.items() if key.startswith(prefix))


def _one_hot_tasks(args: Mapping[str, Any], size: int) -> tuple[str, ...]:
    names = tuple(args["train_ds_names"] or ())
    if len(names) != size:
        raise T2LError(
            f"{ARGS} names {len(names)} tasks in train_ds_names, but the network knows {size}; "
            "take both files from one checkpoint."
        )
    return names


def _encoder(name: str, base: str) -> str:
    if name and name not in _ENCODERS:
        raise T2LError(
            f"{ARGS} has emb_model {name[:80]!r}, which is not known here; it must be one of "
            f"{', '.join(_ENCODERS)} (also for a copy of one), or empty for the base itself."
        )
    return name or base


def _first_line(err: BaseException) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0][:200]
