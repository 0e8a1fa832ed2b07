"""Published checkpoints: the recorded adapters, every legal form, one order in every process, bad files."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from paths import FIXTURES, REPO
from reference import published_adapter, write_checkpoint
from safetensors.torch import load_file

from t2l.cli import main
from t2l.encoder import _KNOWN
from t2l.errors import T2LError
from t2l.generator import Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRASpec
from t2l.official import MODULES, convert, load_generator, load_official
from t2l.studio import Studio, find_checkpoint

RECORDED = [
    "L_sft",
    "L_sft_vq",
    "L_sft_onehot",
    "M_sft",
    "S_sft",
    "Lrank_sft",
    "L_recon_zscore",
    "M_recon_deltaw",
]
ALL = list(MODULES)


def made_by(generator: Generator, embeddings: torch.Tensor) -> list[dict[str, torch.Tensor]]:
    with torch.no_grad():
        made = generator.network(embeddings)
    return [made[index].to_peft() for index in range(len(embeddings))]


def check_same(made: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """Equal to the rounding of float32, which is another one on every kind of processor.

    Where products are summed in the order of those that were recorded, the numbers come out to the last bit.
    They reach 6 and lie 3e-6 from those of float64; another order may differ as much, but not by 2e-6 of
    their size.
    """
    assert made.keys() == expected.keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(made[key], tensor, atol=1e-5, rtol=0)
        assert (made[key] - tensor).norm() <= 2e-6 * tensor.norm(), key


@pytest.mark.parametrize("converted", [False, True], ids=["as published", "converted"])
@pytest.mark.parametrize("name", RECORDED)
def test_recorded_adapters_are_reproduced(tmp_path: Path, name: str, converted: bool) -> None:
    folder = FIXTURES / name
    generator = load_official(folder)
    if converted:
        convert(folder, tmp_path / "own")
        first, generator = generator, load_generator(tmp_path / "own")
        assert generator.id == first.id and generator.training == first.training
        stored = load_file(tmp_path / "own" / "model.safetensors")
        assert not [key for key in stored if key.startswith("shift.")] or name == "L_recon_zscore"
        assert (tmp_path / "own" / "model.safetensors").stat().st_size < 1.01 * sum(
            4 * tensor.numel() for tensor in generator.network.state_dict().values()
        ) + 10_000
    meta = json.loads((folder / "meta.json").read_text())
    assert generator.training["module_order"] == meta["module_order_at_training"]
    assert generator.spec.scaling == meta["scaling"]
    embeddings = load_file(folder / "task_emb.safetensors")["task_emb"]
    for index, made in enumerate(made_by(generator, embeddings)):
        check_same(made, load_file(folder / f"expected_{index}.safetensors"))
    wrong = load_file(folder / "official_wrong_order_0.safetensors")
    made = made_by(generator, embeddings[:1])[0]
    assert max((made[key] - wrong[key]).norm() / wrong[key].norm() for key in wrong) > 0.05


def test_the_heads_decide_the_order_whatever_the_adapter_configuration_says() -> None:
    folder = FIXTURES / "M_recon_deltaw"
    assert json.loads((folder / "adapter_config.json").read_text())["target_modules"] == ["q_proj", "v_proj"]
    facts = load_official(folder).training
    assert (facts["module_order"], facts["module_order_from"]) == (["v_proj", "q_proj"], "heads")


@pytest.mark.parametrize("name", ["L_sft", "M_recon_deltaw", "S_sft"])
def test_another_order_can_be_chosen_and_is_recorded(name: str, tmp_path: Path) -> None:
    folder = FIXTURES / name
    order = load_official(folder).training["module_order"][::-1]
    generator = convert(folder, tmp_path / "own", order=order)
    assert (generator.training["module_order"], generator.training["module_order_from"]) == (order, "given")
    embedding = load_file(folder / "task_emb.safetensors")["task_emb"][:1]
    # The reference's accident in one process, here on purpose.
    for one in (generator, load_generator(tmp_path / "own")):
        check_same(made_by(one, embedding)[0], load_file(folder / "official_wrong_order_0.safetensors"))
    for wrong in (["q_proj"], ["q_proj", "q_proj"], ["q_proj", "v_proj", "k_proj"], "q_proj,v_proj"):
        with pytest.raises(T2LError, match="must name each of"):
            load_official(folder, order=wrong)


def test_sorted_keys_have_lost_the_order_which_is_said(tmp_path: Path) -> None:
    folder = shutil.copytree(FIXTURES / "L_sft_vq", tmp_path / "sorted", copy_function=shutil.copyfile)
    state = torch.load(folder / "hypermod.pt", weights_only=True)
    torch.save(dict(sorted(state.items())), folder / "hypermod.pt")
    with pytest.warns(UserWarning, match=r"module order of the training is lost.*v_proj, q_proj"):
        generator = load_official(folder)
    assert generator.training["module_order"] == ["v_proj", "q_proj"]
    assert generator.training["module_order_from"] == "adapter_config.json"
    assert load_official(folder, order=["v_proj", "q_proj"]).training["module_order_from"] == "given"


PROCESS = """
import hashlib, sys
import torch
from safetensors.torch import load_file
from t2l.official import load_official
torch.set_num_threads(1)
for folder in sys.argv[1:]:
    with torch.no_grad():
        made = load_official(folder).network(load_file(f"{folder}/task_emb.safetensors")["task_emb"][:1])[0]
    for key, tensor in sorted(made.to_peft().items()):
        print(key, hashlib.sha256(tensor.numpy().tobytes()).hexdigest())
"""


def test_five_processes_with_other_string_hashes_give_the_same_bytes() -> None:
    command = [
        sys.executable,
        "-c",
        PROCESS,
        *(str(FIXTURES / name) for name in ("L_sft_vq", "M_recon_deltaw")),
    ]
    environments = [{**os.environ, "PYTHONHASHSEED": str(seed)} for seed in (0, 1, 2, 3, 8)]
    outputs = {subprocess.check_output(command, cwd=REPO, env=each, text=True) for each in environments}
    assert len(outputs) == 1 and len(outputs.pop().splitlines()) == 24


FORMS = [
    ("l", "learned"),
    ("m", "learned"),
    ("s", "learned"),
    ("s", "rotary"),
    ("rankwise", "learned"),
    ("rankwise", "rotary"),
]
SIZES = {
    **dict.fromkeys(("q_proj", "o_proj"), (16, 16)),
    **dict.fromkeys(("k_proj", "v_proj"), (16, 8)),
    **dict.fromkeys(("gate_proj", "up_proj"), (16, 20)),
    "down_proj": (20, 16),
}
KINDS = ["sft", "offset", "z_score", "factorized", "delta_w"]


def network(
    variant: str, positions: str, kind: str = "sft", modules: tuple = ("v_proj", "q_proj"), **changes: Any
) -> T2L:
    """Random numbers in the form that the published training gives a network of this kind."""
    torch.manual_seed(0)
    sizes = {"rank": 3, "latent_size": 24, "head_size": 10, **changes}
    targets = {MODULES[name]: SIZES[name] for name in modules}
    spec = LoRASpec("some/base", 2, targets, sizes.pop("rank"), 6, use_rslora=kind != "delta_w")
    config = T2LConfig(
        spec,
        7,
        variant,
        positions=positions,
        head_bias=kind not in ("offset", "z_score"),
        shift="element" if kind in ("offset", "z_score") else "none",
        scale={"z_score": "element", "delta_w": "scalar"}.get(kind, "none"),
        **sizes,
    )
    made = T2L(config).eval()
    for key, tensor in made.state_dict().items():
        if key.startswith(("shift.", "scale.")):
            tensor.copy_(torch.rand(tensor.shape) if tensor.dim() else torch.tensor(0.01))
    return made


def orders() -> list[tuple[str, ...]]:
    return [
        ("v_proj", "q_proj"),
        ("down_proj", *ALL[:4], "up_proj", "gate_proj"),
        ("o_proj",),
        tuple(ALL[4:]),
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("variant", "positions"), FORMS)
def test_every_legal_form_gives_what_the_description_of_the_format_says(
    tmp_path: Path, variant: str, positions: str, kind: str
) -> None:
    for number, modules in enumerate(orders()):
        mine = network(variant, positions, kind, modules)
        folder = tmp_path / str(number)
        state = write_checkpoint(folder, mine, kind)
        generator = load_official(folder)
        assert generator.spec == mine.config.spec and list(generator.spec.targets) == list(
            mine.config.spec.targets
        )
        convert(folder, tmp_path / f"own{number}")
        again = load_generator(tmp_path / f"own{number}")
        embeddings = torch.randn(2, 7)
        with torch.no_grad():
            written = mine(embeddings)
        args = yaml.safe_load((folder / "args.yaml").read_text())
        for index in range(2):
            expected = published_adapter(state, args, embeddings[index], list(modules))
            assert any(tensor.any() for key, tensor in expected.items() if "lora_B" in key)
            for made in (made_by(generator, embeddings)[index], made_by(again, embeddings)[index]):
                assert made.keys() == expected.keys()
                for key, tensor in expected.items():
                    torch.testing.assert_close(made[key], tensor, atol=1e-6, rtol=1e-5)
                    torch.testing.assert_close(made[key], written[index].to_peft()[key], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("latent_size", [24, 20, 21])
@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize(("variant", "positions"), FORMS)
def test_small_ranks_and_odd_sizes_are_read(
    tmp_path: Path, variant: str, positions: str, rank: int, latent_size: int
) -> None:
    mine = network(variant, positions, rank=rank, latent_size=latent_size)
    write_checkpoint(tmp_path, mine)
    loaded = load_official(tmp_path).network
    assert loaded.config == mine.config
    assert all(torch.equal(loaded.state_dict()[key], tensor) for key, tensor in mine.state_dict().items())


@pytest.mark.parametrize(("variant", "positions"), FORMS)
def test_settings_that_are_absent_are_read_off_the_tensors(
    tmp_path: Path, variant: str, positions: str
) -> None:
    mine = network(variant, positions)
    write_checkpoint(tmp_path, mine)
    (tmp_path / "args.yaml").write_text("training_task: sft\nemb_model: ''\n")
    loaded = load_official(tmp_path)
    assert loaded.network.config == mine.config and loaded.encoder_name == "some/base"


def test_learned_positions_mean_nothing_without_ranks(tmp_path: Path) -> None:
    mine = network("m", "learned")
    write_checkpoint(tmp_path, mine, learnable_pos_emb=True, delta_w_scaling=4, head_use_bias=True)
    assert load_official(tmp_path).network.config == mine.config


def test_delta_w_scaling_is_that_of_the_settings(tmp_path: Path) -> None:
    mine = network("l", "learned", "delta_w")
    mine.scale.value.fill_(0.5)
    write_checkpoint(tmp_path, mine, "delta_w", delta_w_scaling=4)
    assert load_official(tmp_path).network.scale.value == 0.5


def test_a_multi_task_offset_of_zero_is_not_kept(tmp_path: Path) -> None:
    mine = network("l", "learned", "offset")
    for tensor in mine.shift.buffers():
        tensor.zero_()
    write_checkpoint(tmp_path, mine, "offset")
    assert load_official(tmp_path).network.config.shift == "none"


def test_an_offset_that_was_learned_without_a_multi_task_lora_stands_beside_head_biases(
    tmp_path: Path,
) -> None:
    mine = network("m", "learned")
    state = write_checkpoint(tmp_path, mine, learnable_AB_offset=True)
    for key in state:
        if key.startswith("AB_offset."):
            state[key] = torch.randn(state[key].shape)
    torch.save(state, tmp_path / "hypermod.pt")
    args = yaml.safe_load((tmp_path / "args.yaml").read_text())
    embedding = torch.randn(1, 7)
    expected = published_adapter(state, args, embedding[0], ["v_proj", "q_proj"])
    made = made_by(load_official(tmp_path), embedding)[0]
    assert made.keys() == expected.keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(made[key], tensor, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "pooling"),
    [
        ("Alibaba-NLP/gte-base-en-v1.5", "cls"),
        ("Alibaba-NLP/gte-large-en-v1.5", "cls"),
        ("Salesforce/SFR-Embedding-2_R", "last"),
        ("Salesforce/SFR-Embedding-Mistral", "last"),
    ],
)
def test_encoders_of_both_published_kinds_are_taken(tmp_path: Path, name: str, pooling: str) -> None:
    folder = copy(tmp_path)
    settings(emb_model=name)(folder)
    assert load_official(folder).encoder_name == name and _KNOWN[name].pooling == pooling


def test_one_hot_checkpoints_take_task_names_and_numbers_alone(tmp_path: Path) -> None:
    folder = FIXTURES / "L_sft_onehot"
    convert(folder, tmp_path / "own")
    for generator in (load_generator(folder), load_generator(tmp_path / "own")):
        assert generator.tasks == ("lol_001", "lol_002", "lol_003")
        for condition in ("lol_002", " lol_002 ", "1"):
            made = generator.generate([condition])[0].to_peft()
            check_same(made, load_file(folder / "expected_1.safetensors"))
        for text in ("Output the plural of the noun.", "3", "-1", "lol_004"):
            with pytest.raises(
                T2LError, match=r"reads no descriptions.*lol_001, lol_002, lol_003.*from 0 to 2"
            ):
                generator.generate([text])
    config = json.loads((tmp_path / "own" / "config.json").read_text())
    config["tasks"].append("another")
    (tmp_path / "own" / "config.json").write_text(json.dumps(config))
    with pytest.raises(T2LError, match="4 tasks do not fit"):
        load_generator(tmp_path / "own")


def test_the_base_can_be_its_own_encoder(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, LlamaConfig, LlamaModel

    from t2l.encoder import DEFAULT_ENCODER, embedded_folder

    base = tmp_path / "base"
    tokenizer = AutoTokenizer.from_pretrained(embedded_folder(DEFAULT_ENCODER))
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(base)
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaModel(LlamaConfig(vocab_size=len(tokenizer), **sizes)).bfloat16().eval()
    model.save_pretrained(base)
    spec = LoRASpec(str(base), 1, {"self_attn.q_proj": (8, 8)}, 2, 4)
    torch.manual_seed(0)
    mine = T2L(T2LConfig(spec, 8, "l", latent_size=16, head_size=8)).eval()
    write_checkpoint(tmp_path / "one", mine, emb_model="")
    generator = load_official(tmp_path / "one")
    texts = ["Sort the words of a sentence", "Count!"]
    with torch.no_grad():
        ids = [
            tokenizer(text, return_tensors="pt").input_ids
            for text in ("Sort the words of a sentence.", "Count!")
        ]
        rows = torch.cat([model(input_ids=each).last_hidden_state[:, -1].float() for each in ids])
        expected = mine(torch.nn.functional.normalize(rows, dim=-1) * 8**0.5)
    made = generator.generate(texts)
    torch.testing.assert_close(made.A["self_attn.q_proj"], expected.A["self_attn.q_proj"], atol=2e-2, rtol=0)


MEMORY = """
import sys
import torch
from t2l.official import load_generator
torch.set_num_threads(1)
network = load_generator(sys.argv[1]).network
with torch.inference_mode():
    made = network(torch.randn(1, 1024))
assert made.A["self_attn.q_proj"].shape == (1, 32, 8, 4096)
assert "transformers" not in sys.modules, "no model is read"
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_an_adapter_of_mistral_size_takes_less_than_a_gigabyte_in_all(tmp_path: Path) -> None:
    targets = {"self_attn.q_proj": (4096, 4096), "self_attn.v_proj": (4096, 1024)}
    spec = LoRASpec("mistralai/Mistral-7B-Instruct-v0.2", 32, targets, 8, 16, use_rslora=True)
    with torch.device("meta"):
        mine = T2L(T2LConfig(spec, 1024, "l"))
    # Zeros take as much memory as other numbers, once they come from a file.
    write_checkpoint(tmp_path, mine.to_empty(device="cpu").apply(zero))
    del mine
    assert (tmp_path / "hypermod.pt").stat().st_size > 262_000_000
    convert(tmp_path, tmp_path / "own")
    for folder in (tmp_path, tmp_path / "own"):
        command = [sys.executable, "-c", MEMORY, str(folder)]
        peak = int(subprocess.check_output(command, cwd=REPO, text=True))
        print(f"{folder.name}: {peak:,} kB")
        assert peak < 1_000_000


def zero(module: torch.nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        parameter.data.zero_()


def copy(tmp_path: Path, name: str = "S_sft") -> Path:
    folder = tmp_path / name
    folder.mkdir()
    for file in ("hypermod.pt", "args.yaml", "adapter_config.json"):
        (folder / file).write_bytes((FIXTURES / name / file).read_bytes())
    return folder


def tensors(change: Callable[[dict], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        state = torch.load(folder / "hypermod.pt", weights_only=True)
        changed = change(state)
        torch.save(changed if isinstance(changed, dict) else state, folder / "hypermod.pt")

    return damage


def settings(**changes: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        args = yaml.safe_load((folder / "args.yaml").read_text())
        (folder / "args.yaml").write_text(yaml.dump({**args, **changes}))

    return damage


def adapter(**changes: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps({**config, **changes}))

    return damage


def put(name: str, content: bytes | str) -> Callable[[Path], None]:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data) and None


def cut(at: float) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        data = (folder / "hypermod.pt").read_bytes()
        (folder / "hypermod.pt").write_bytes(data[: int(len(data) * at)])

    return damage


def squeezed(folder: Path) -> None:
    with zipfile.ZipFile(folder / "hypermod.pt") as old:
        entries = {entry: old.read(entry) for entry in old.namelist()}
    with zipfile.ZipFile(folder / "hypermod.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for entry, data in entries.items():
            new.writestr(entry, data)


def link_out(folder: Path) -> None:
    shutil.move(folder / "args.yaml", folder.parent / "elsewhere.yaml")
    (folder / "args.yaml").symlink_to(folder.parent / "elsewhere.yaml")


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 10)}]}}\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
HEAD, POSITION = "heads.q_proj.weight", "pos_emb.0.weight"
DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no weights": (lambda f: (f / "hypermod.pt").unlink(), "lacks hypermod.pt"),
    "no settings": (lambda f: (f / "args.yaml").unlink(), "lacks args.yaml"),
    "no adapter": (lambda f: (f / "adapter_config.json").unlink(), "lacks adapter_config.json"),
    "a link out of the folder": (link_out, "args.yaml is a link out of the folder"),
    "no bytes": (put("hypermod.pt", b""), "hypermod.pt is truncated"),
    "half the bytes": (cut(0.5), "hypermod.pt is truncated"),
    "all but the end": (cut(0.999), "hypermod.pt is truncated"),
    "compressed": (squeezed, "hypermod.pt is compressed"),
    "a list of tensors": (lambda f: torch.save([torch.zeros(2)], f / "hypermod.pt"), "no state dict"),
    "an empty dict": (lambda f: torch.save({}, f / "hypermod.pt"), "no state dict"),
    "a number among tensors": (tensors(lambda s: s.update(extra=3)), "'extra', which is no tensor"),
    "a number as key": (tensors(lambda s: {3: torch.zeros(2), **s}), "'3', which is no tensor"),
    "integers": (tensors(lambda s: s.update({HEAD: s[HEAD].int()})), f"{HEAD} is no plain tensor"),
    "sparse": (
        tensors(lambda s: s.update({HEAD: s[HEAD].to_sparse()})),
        f"{HEAD} is no plain tensor|cannot be read",
    ),
    "a view of more than there is": (
        tensors(lambda s: s.update({HEAD: torch.zeros(1).expand(s[HEAD].shape)})),
        f"{HEAD} claims more numbers",
    ),
    "no tensor data": (tensors(lambda s: s.update({HEAD: s[HEAD].to("meta")})), f"{HEAD} is no plain tensor"),
    "NaN": (tensors(lambda s: s[HEAD].fill_(float("nan"))), f"{HEAD} holds NaN"),
    "infinity": (
        tensors(lambda s: s["mixer.1.bias"].fill_(float("inf"))),
        r"mixer\.1\.bias holds NaN or inf",
    ),
    "a head is missing": (tensors(lambda s: s.pop(HEAD)), "target_modules q_proj, v_proj.*heads for v_proj;"),
    "no heads": (tensors(lambda s: (s.pop(HEAD), s.pop("heads.v_proj.weight"))), "no heads"),
    "a bias is missing": (tensors(lambda s: s.pop("heads.v_proj.bias")), r"missing: heads\.v_proj\.bias"),
    "all biases are missing": (
        tensors(lambda s: [s.pop(f"heads.{m}.bias") for m in ("q_proj", "v_proj")]),
        r"missing: heads\.q_proj\.bias, heads\.v_proj\.bias",
    ),
    "the positions are missing": (tensors(lambda s: s.pop(POSITION)), f"missing: {POSITION}"),
    "the offset is missing": (tensors(lambda s: s.pop("AB_offset.A.q_proj")), r"AB_offset\.A\.q_proj"),
    "the task encoder is missing": (
        tensors(lambda s: s.pop("task_encoder.mlp.0.weight")),
        "task_encoder.mlp.0",
    ),
    "a renamed key": (
        tensors(lambda s: s.update({"mixer.2.bias": s.pop("mixer.1.bias")})),
        r"missing: mixer\.1\.bias; unknown: mixer\.2\.bias",
    ),
    "an extra key": (tensors(lambda s: s.update(extra=torch.zeros(1))), "unknown: extra"),
    "an encoder of codes": (
        tensors(lambda s: s.update({"task_encoder.codebook.weight": torch.zeros(4, 4)})),
        r"unknown: task_encoder\.codebook\.weight",
    ),
    "a fused head": (
        tensors(lambda s: OrderedDict((k.replace("q_proj", "qkv_proj"), v) for k, v in s.items())),
        "a head for 'qkv_proj'",
    ),
    **{
        f"another shape of {key}": (
            tensors(
                lambda s, key=key: s.update({key: torch.zeros(*s[key].shape[:-1], s[key].shape[-1] + 1)})
            ),
            rf"misshapen: (?!.*missing)(?!.*unknown).*{re.escape(key)} \(",
        )
        for key in (
            HEAD,
            "heads.v_proj.bias",
            "mlp3.4.weight",
            "AB_offset.A.q_proj",
            "std_recon_target.B.v_proj",
        )
    },
    "a vector as matrix": (tensors(lambda s: s.update({HEAD: s[HEAD].flatten()})), f"{HEAD} has shape"),
    "a bomb of aliases": (put("args.yaml", BOMB), "args.yaml.*aliases"),
    "a bomb of merges": (put("args.yaml", MERGED), "args.yaml.*aliases"),
    "a list that holds itself": (put("args.yaml", "a: &a [*a]\n"), "args.yaml"),
    "too deep settings": (put("args.yaml", "[" * 20_000), "args.yaml cannot be read"),
    "code in the settings": (
        put("args.yaml", "a: !!python/object/apply:os.getcwd []\n"),
        "args.yaml cannot be read",
    ),
    "settings of no form": (put("args.yaml", "- a\n- b\n"), "args.yaml holds no settings"),
    "empty settings": (put("args.yaml", ""), "args.yaml is empty"),
    "settings that are no text": (put("args.yaml", b"\xff\xfe\x00"), "args.yaml cannot be read"),
    "endless settings": (put("args.yaml", b"#" * 2**22), "args.yaml has 4,194,304 bytes"),
    "an odd date": (put("args.yaml", "a: !!timestamp never\n"), "args.yaml cannot be read"),
    "words for a switch": (settings(autoreg_gen="perhaps"), "autoreg_gen: 'perhaps'"),
    "a switch for a size": (settings(head_in_size=True), "head_in_size: 'True'"),
    "an endless size": (settings(head_in_size=10**30), "impossible sizes"),
    "another size": (
        settings(head_in_size=64),
        r"misshapen: mlp3\.4\.weight \(48, 128\) instead of \(64, 128\)",
    ),
    "another width": (settings(hypernet_latent_size=64), r"misshapen: out_emb"),
    "a switch that is not so": (settings(learnable_pos_emb=False), f"unknown: {POSITION}"),
    "another form": (settings(autoreg_gen=False), "does not fit args.yaml"),
    "another training": (settings(training_task="dpo"), "training_task: dpo"),
    "another setup": (settings(exp_setup="hyper_vera"), "exp_setup: hyper_vera"),
    "an encoder type never trained": (settings(encoder_type="vq"), "encoder_type: vq; it must be linear"),
    "an unknown encoder": (settings(emb_model="some/bert"), "emb_model 'some/bert'"),
    "z-scores of full matrices": (settings(training_task="recon"), "pred_z_score with factorized: false"),
    "scaling of zero": (settings(delta_w_scaling=0), "delta_w_scaling: 0"),
    "too few tasks": (settings(use_one_hot_task_emb=True), "names 2 tasks.*knows 32"),
    "another base": (
        adapter(base_model_name_or_path="google/gemma-2-2b-it"),
        "is for google/gemma-2-2b-it, but",
    ),
    "another rank": (adapter(r=8), "has r 8, but hypermod.pt rank 4"),
    "a rank in words": (adapter(r="four"), "has r 'four'"),
    "no alpha": (adapter(lora_alpha=-1), "alpha"),
    "other modules": (adapter(target_modules=["q_proj", "k_proj"]), "target_modules q_proj, k_proj"),
    "a pattern of modules": (adapter(target_modules="all-linear"), "'all-linear'; it must be a list"),
    "DoRA": (adapter(use_dora=True), "use_dora"),
    "ranks by module": (adapter(rank_pattern={"q_proj": 2}), "rank_pattern"),
    "no LoRA": (adapter(peft_type="VERA"), "VERA"),
    "broken JSON": (put("adapter_config.json", "{"), "adapter_config.json cannot be read"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_bad_files_are_refused_by_file_and_fault(tmp_path: Path, name: str) -> None:
    damage, named = DAMAGES[name]
    folder = copy(tmp_path)
    damage(folder)
    with pytest.raises(T2LError, match=f"(?s){named}") as caught:
        load_official(folder)
    assert str(caught.value).startswith(str(folder)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_not_run(tmp_path: Path, zipped: bool) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "sprung",)

    folder = copy(tmp_path)
    if zipped:
        state = torch.load(folder / "hypermod.pt", weights_only=True)
        torch.save({**state, "extra": Trap()}, folder / "hypermod.pt")
    else:
        (folder / "hypermod.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(T2LError, match=r"hypermod\.pt (holds more than tensors|is truncated)"):
        load_official(folder)
    assert not (tmp_path / "sprung").exists()
    if zipped:
        torch.load(folder / "hypermod.pt", weights_only=False)
        assert (tmp_path / "sprung").exists()


def test_harmless_aliases_in_the_settings_are_read(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    names = ["one", "two"]
    settings(eval_ds_info={"a": {"descriptions": names}, "b": {"descriptions": names}})(folder)
    assert "*id001" in (folder / "args.yaml").read_text()
    load_official(folder)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("no-such-folder", "neither a folder here nor a Hub repository"),
        ("a/b/c", "neither a folder"),
        ("no-such/repository", "adapter_config.json is not in the cache and the Hub is out of reach"),
    ],
)
def test_sources_that_are_not_there_are_refused(source: str, named: str) -> None:
    with pytest.raises(T2LError, match=f"^{source}: .*{named}"):
        load_official(source)


def test_three_files_of_a_repository_are_downloaded_and_none_more(tmp_path: Path, monkeypatch) -> None:
    import huggingface_hub

    asked = []

    def download(repo: str, name: str, *, subfolder: str | None) -> str:
        asked.append((repo, subfolder, name))
        return str(FIXTURES / "M_sft" / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    generator = load_official("some/checkpoints", subfolder="trained/m")
    assert generator.name == "m" and generator.training["source"] == "some/checkpoints/trained/m"
    names = ("adapter_config.json", "args.yaml", "hypermod.pt")
    assert asked == [("some/checkpoints", "trained/m", name) for name in names]
    with pytest.raises(T2LError, match="neither a folder"):
        load_official("some/checkpoints", subfolder="../m")


def test_a_local_subfolder_is_read_and_named(tmp_path: Path) -> None:
    copy(tmp_path)
    assert load_official(tmp_path, subfolder="S_sft").name == "S_sft"
    with pytest.raises(T2LError, match="other: it is no folder"):
        load_official(tmp_path, subfolder="other")


def test_import_converts_once_and_both_layouts_serve(capsys, tmp_path: Path) -> None:
    folder, own = FIXTURES / "L_sft_onehot", tmp_path / "own"
    assert main(["import", str(FIXTURES), "--subfolder", folder.name, "--out", str(own), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["module_order"], result["module_order_from"]) == (["v_proj", "q_proj"], "heads")
    assert {file.name for file in own.iterdir()} == {"config.json", "model.safetensors"}
    ids = set()
    for place in (folder, own):
        assert find_checkpoint(str(place)) == place
        studio = Studio(str(place), shelf=tmp_path / "shelf")
        assert studio.generator.id == result["id"]
        ids.add(studio.describe("lol_002").adapter.id)
        made = ["generate", "lol_003", "--checkpoint", str(place), "--out", str(tmp_path / "adapter")]
        assert main(made) == 0
    assert len(ids) == 1
    check_same(
        load_file(tmp_path / "adapter" / "adapter_model.safetensors"),
        load_file(folder / "expected_2.safetensors"),
    )
    assert main(["generate", "Sort.", "--checkpoint", str(own), "--out", str(tmp_path / "b")]) == 2
    assert main(["import", str(folder), "--out", str(own), "--order", "q_proj,v_proj", "--json"]) == 0
    assert Generator.load(own).training["module_order"] == ["q_proj", "v_proj"]
    assert main(["import", str(folder), "--out", str(own), "--order", "q_proj"]) == 2
    capsys.readouterr()


def test_importing_into_the_published_folder_itself_is_refused(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    with pytest.raises(T2LError, match="would be lost"):
        convert(folder, folder)
    assert load_official(folder).name == "S_sft"
