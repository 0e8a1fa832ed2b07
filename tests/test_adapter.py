"""Adapter folders: what PEFT opens, byte for byte repeatable, and complete or absent."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import shutil
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from t2l.adapter import Adapter, unzip_folder, zip_folder
from t2l.attach import attached
from t2l.base import BaseModel
from t2l.errors import T2LError
from t2l.lora import LoRASpec, LoRAWeights

SPEC = LoRASpec("some/base", 2, {"self_attn.q_proj": (6, 5), "mlp.down_proj": (7, 6)}, rank=3, alpha=6)
FILES = ["README.md", "adapter_config.json", "adapter_model.safetensors", "t2l.json"]


def randomly(spec: LoRASpec = SPEC, seed: int = 0, size: float = 1.0) -> LoRAWeights:
    generator = torch.Generator().manual_seed(seed)
    return spec.zeros().map(lambda t: torch.randn(t.shape, generator=generator) * size)


def adapter(**changes: Any) -> Adapter:
    facts = {"condition": "Sort the words.", "generator": "a-checkpoint", "generator_id": "0" * 64}
    return Adapter(**{"weights": randomly(), **facts, "base_weights_id": "hub@1", **changes})


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def equal(one: LoRAWeights, other: LoRAWeights) -> bool:
    pairs = [(one.A[name], other.A[name]) for name in one.spec.targets]
    pairs += [(one.B[name], other.B[name]) for name in one.spec.targets]
    return one.spec == other.spec and all(torch.equal(a, b) for a, b in pairs)


def logits_in_peft(base: BaseModel, folder: Path, ids: torch.Tensor) -> torch.Tensor:
    from peft import PeftModel

    model = PeftModel.from_pretrained(copy.deepcopy(base.model), folder).eval()
    with torch.no_grad():
        return model(ids).logits


def test_a_zipped_adapter_gives_the_same_logits_in_peft(base: BaseModel, tmp_path: Path) -> None:
    spec = base.spec(["self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj"], rank=4, alpha=8)
    made = adapter(weights=randomly(spec, size=0.05))
    made.save(tmp_path / "one")
    with zipfile.ZipFile(zip_folder(tmp_path / "one", tmp_path / "one.zip")) as archive:
        archive.extractall(tmp_path / "unzipped")
    ids = torch.tensor([base.prompt_ids([{"role": "user", "content": "hammer"}])])
    with torch.no_grad():
        plain = base.model(ids).logits
        with attached(base.model, made.weights):
            expected = base.model(ids).logits
    assert (plain - expected).abs().max() > 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")
        got = logits_in_peft(base, tmp_path / "unzipped" / "one", ids)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)
    with torch.no_grad():
        assert torch.equal(base.model(ids).logits, plain)


def test_the_folder_holds_four_files_and_comes_back_as_it_went(tmp_path: Path) -> None:
    made = adapter()
    size = made.save(tmp_path / "one")
    files = contents(tmp_path / "one")
    assert list(files) == FILES and size == sum(map(len, files.values()))
    again = Adapter.load(tmp_path / "one")
    assert equal(again.weights, made.weights) and again.id == made.id
    facts = ("condition", "generator", "generator_id", "base_weights_id", "source", "weights_sha256")
    assert [getattr(again, name) for name in facts] == [getattr(made, name) for name in facts]
    assert list(again.spec.targets) == list(made.spec.targets) != sorted(made.spec.targets)
    assert "    Sort the words.\n" in files["README.md"].decode()
    story = json.loads(files["t2l.json"])
    assert (story["id"], story["scaling"], story["base_weights_id"]) == (made.id, 2.0, "hub@1")
    assert story["generator_id"] == "0" * 64 and story["t2l_version"] and story["condition"]["text"]
    digest = hashlib.sha256(files["adapter_model.safetensors"]).hexdigest()
    assert story["weights_sha256"] == digest == made.weights_sha256


def test_a_folder_says_whether_its_prompts_say_the_task(tmp_path: Path) -> None:
    for says in (False, True):
        made = adapter(says_task=says)
        made.save(tmp_path / str(says))
        assert Adapter.load(tmp_path / str(says)).says_task is says
    plain, telling = (contents(tmp_path / str(says)) for says in (False, True))
    assert "without the description" in plain["README.md"].decode() and b"says_task" not in plain["t2l.json"]
    assert "behind the description above as system message" in telling["README.md"].decode()


def test_the_configuration_is_the_smallest_and_sorted(tmp_path: Path) -> None:
    adapter().save(tmp_path / "one")
    text = (tmp_path / "one" / "adapter_config.json").read_text()
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert json.loads(text) == {
        "base_model_name_or_path": "some/base",
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": 6,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": 3,
        "target_modules": ["down_proj", "q_proj"],
        "task_type": "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": False,
    }


def test_the_same_adapter_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        adapter(condition="Schreibe café 👩‍🚀 اكتب").save(tmp_path / name / "same")
        zip_folder(tmp_path / name / "same", tmp_path / name / "same.zip")
    assert contents(tmp_path / "one" / "same") == contents(tmp_path / "two" / "same")
    zips = [(tmp_path / name / "same.zip").read_bytes() for name in ("one", "two")]
    assert zips[0] == zips[1]
    assert zip_folder(tmp_path / "one" / "same", tmp_path / "one" / "same.zip").read_bytes() == zips[0]


def test_bfloat16_weights_are_written_as_float32(tmp_path: Path) -> None:
    made = adapter(weights=randomly().map(lambda t: t.bfloat16()))
    made.save(tmp_path / "one")
    state = load_file(tmp_path / "one" / "adapter_model.safetensors")
    assert {t.dtype for t in state.values()} == {torch.float32}
    assert equal(Adapter.load(tmp_path / "one").weights, made.weights.map(lambda t: t.float()))


def test_the_id_follows_what_the_adapter_was_made_from() -> None:
    other = LoRASpec("some/base", 2, SPEC.targets, rank=3, alpha=12)
    made = [
        adapter(),
        adapter(condition="Sort words."),
        adapter(generator_id="1" * 64),
        adapter(weights=randomly(other)),
    ]
    assert len({one.id for one in made}) == 4 and all(len(one.id) == 16 for one in made)
    assert adapter(generator="renamed", weights=randomly(seed=1)).id == made[0].id


def test_a_zip_holds_one_folder_of_files_that_anyone_may_read(tmp_path: Path) -> None:
    adapter().save(tmp_path / "one")
    (tmp_path / "one" / ".env").write_text("a secret that is not the adapter's")
    file = zip_folder(tmp_path / "one", tmp_path / "deep" / "one.zip")
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"one/{name}" for name in FILES]
        # Without a mode, unzip makes files that their owner cannot read.
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100644}
        assert archive.read("one/t2l.json") == (tmp_path / "one" / "t2l.json").read_bytes()


def zipped(file: Path, files: Mapping[str, bytes | str], **kind: Any) -> Path:
    with zipfile.ZipFile(file, "w", **kind) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file


def test_a_zip_is_opened_again_wherever_the_folder_lies_in_it(tmp_path: Path) -> None:
    made = adapter()
    made.save(tmp_path / "one")
    files = contents(tmp_path / "one")
    ours = zip_folder(tmp_path / "one", tmp_path / "ours.zip")
    # As PEFT's own folders are zipped: at the top, with a tokenizer and a system's own files.
    peft = {n: files[n] for n in FILES[:3]} | {
        "tokenizer.json": b"{}",
        "__MACOSX/._README.md": b"x",
        "a/b/c": b"",
    }
    theirs = zipped(tmp_path / "theirs.zip", peft)
    unzip_folder(ours, tmp_path / "out" / "ours")
    assert contents(tmp_path / "out" / "ours") == files
    opened = Adapter.load(unzip_folder(theirs, tmp_path / "out" / "theirs"))
    assert list(contents(tmp_path / "out" / "theirs")) == FILES[:3]
    assert opened.source == "theirs" and opened.weights_sha256 == made.weights_sha256
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ours", "theirs"]


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


def patched(data: bytes, part: bytes, at: int, value: bytes) -> bytes:
    """A zip with other bytes at a place of its last record of a kind."""
    start = data.rfind(part) + at
    return data[:start] + value + data[start + len(value) :]


HEAD = b"PK\x01\x02"
HOSTILE: dict[str, tuple[Callable[[Path, dict[str, bytes]], Any], str]] = {
    "no zip": (lambda file, files: file.write_bytes(b"no zip"), "no zip that can be read"),
    "cut off": (lambda file, files: file.write_bytes(zipped(file, files).read_bytes()[:-30]), "no zip"),
    "nothing": (lambda file, files: zipped(file, {}), "holds no adapters"),
    "a whole model": (lambda file, files: zipped(file, {"config.json": b"{}"}), "holds no adapters"),
    "above": (lambda file, files: zipped(file, {f"../{n}": d for n, d in files.items()}), "no adapters"),
    "here": (lambda file, files: zipped(file, {f"./{n}": d for n, d in files.items()}), "no adapters"),
    "absolute": (lambda file, files: zipped(file, {f"/{n}": d for n, d in files.items()}), "no adapters"),
    "deep": (lambda file, files: zipped(file, {f"a/../{n}": d for n, d in files.items()}), "no adapters"),
    "two": (
        lambda file, files: zipped(file, {f"{f}/{n}": d for f in "ab" for n, d in files.items()}),
        "2 adap",
    ),
    "one twice": (
        lambda file, files: file.write_bytes(
            zipped(file, files | {"t2l.jsoN": b"{}"}).read_bytes().replace(b"t2l.jsoN", b"t2l.json")
        ),
        "'t2l.json' twice",
    ),
    "a link": (
        lambda file, files: zipped(file, {link("adapter_config.json"): "/etc/passwd"}),  # type: ignore[dict-item]
        "is a link",
    ),
    "another compression": (
        lambda file, files: zipped(file, files, compression=zipfile.ZIP_LZMA),
        "usual way",
    ),
    "a bomb": (
        lambda file, files: zipped(
            file, files | {"adapter_model.safetensors": bytes(10**7)}, compression=zipfile.ZIP_DEFLATED
        ),
        "10,000,000 bytes; the most is 1,000,000",
    ),
    "much text": (
        lambda file, files: zipped(file, files | {"t2l.json": bytes(2**20 + 1)}),
        "most is 1,048,576",
    ),
    "a false size": (
        lambda file, files: file.write_bytes(
            patched(zipped(file, {"adapter_config.json": bytes(10**5)}).read_bytes(), HEAD, 24, b"\5\0\0\0")
        ),
        "no zip that can be read .*CRC",
    ),
    "a password": (
        lambda file, files: file.write_bytes(patched(zipped(file, files).read_bytes(), HEAD, 8, b"\1\0")),
        "no zip that can be read",
    ),
    "lost first bytes": (
        lambda file, files: file.write_bytes(zipped(file, files).read_bytes()[10:]),
        "no zip that can be read",
    ),
    "a place outside": (
        lambda file, files: file.write_bytes(
            patched(zipped(file, files).read_bytes(), HEAD, 42, b"\xf0\0\0\0")
        ),
        "no zip that can be read",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    make, named = HOSTILE[name]
    adapter().save(tmp_path / "one")
    make(tmp_path / "x.zip", contents(tmp_path / "one"))
    with pytest.raises(T2LError, match=f"x.zip.*{named}"):
        unzip_folder(tmp_path / "x.zip", tmp_path / "out" / "folder", most=10**6)
    assert not list((tmp_path / "out").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "out", "x.zip"]


def test_a_zip_of_random_faults_is_opened_or_refused(tmp_path: Path) -> None:
    adapter().save(tmp_path / "one")
    data = zip_folder(tmp_path / "one", tmp_path / "one.zip").read_bytes()
    chance = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (tmp_path / "x.zip").write_bytes(damaged)
        try:
            unzip_folder(tmp_path / "x.zip", tmp_path / "out")
        except T2LError:
            refused += 1
        else:
            shutil.rmtree(tmp_path / "out")
    assert refused > 200


def edit(file: str, **changes: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        facts = json.loads((folder / file).read_text())
        facts.update(changes)
        (folder / file).write_text(json.dumps({k: v for k, v in facts.items() if v is not None}))

    return damage


def tensors(change: Callable[[dict], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        state = load_file(folder / "adapter_model.safetensors")
        change(state)
        save_file(state, folder / "adapter_model.safetensors")

    return damage


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


KEY = "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight"
OTHER = {**SPEC.to_json(), "rank": 4}
LAYERS = {**SPEC.to_json(), "n_layers": 10**18}
DAMAGES = {
    "no configuration": (remove("adapter_config.json"), "lacks adapter_config.json"),
    "no weights": (remove("adapter_model.safetensors"), "lacks adapter_model.safetensors"),
    "story is not JSON": (write("t2l.json", b"{"), "damaged"),
    "story is not UTF-8": (write("t2l.json", b"\xff"), "damaged"),
    "story is a list": (write("t2l.json", b"[]"), "damaged.*no JSON object"),
    "story is too deep": (write("t2l.json", b"[" * 100_000), "damaged"),
    "story with an endless number": (write("t2l.json", b"9" * 5000), "damaged"),
    "story is too large": (write("t2l.json", b" " * (2**20 + 1)), "1,048,577 bytes"),
    "story of the future": (edit("t2l.json", format_version=2), "format_version 2.*update"),
    "no condition": (edit("t2l.json", condition=None), "damaged.*condition"),
    "condition is a number": (edit("t2l.json", condition={"text": 5}), "must be text"),
    "condition rings a bell": (edit("t2l.json", condition={"text": "\a"}), r"U\+0007|empty"),
    "task said in words": (edit("t2l.json", says_task="yes"), "damaged.*say the task"),
    "no task to say": (edit("t2l.json", condition={"text": ""}, says_task=True), "damaged.*say the task"),
    "half a character names the weights": (edit("t2l.json", base_weights_id="\ud800"), "names no weights"),
    "a very long name of weights": (edit("t2l.json", generator_id="x" * 999), "names no weights"),
    "half a character in the setup": (edit("t2l.json", setup={"preset": "\ud800"}), "damaged"),
    "spec is a number": (edit("t2l.json", spec=5), "specification cannot be read"),
    "another spec": (edit("t2l.json", spec=OTHER), "damaged.*differ in rank"),
    "hostile spec": (edit("t2l.json", spec=LAYERS), "damaged.*differ in n_layers"),
    "another alpha": (edit("adapter_config.json", lora_alpha=7), "damaged.*differ in alpha"),
    "another base": (edit("adapter_config.json", base_model_name_or_path="x"), "differ in base_model"),
    "another rank": (edit("adapter_config.json", r=4), r"shape \(3, 7\), expected \(4, 7\)"),
    "a missing tensor": (tensors(lambda s: s.pop(KEY)), f"lacks {KEY}"),
    "an unknown tensor": (tensors(lambda s: s.update(x=torch.zeros(1))), "holds x .*no LoRA on a Linear"),
    "a wrong shape": (tensors(lambda s: s.update({KEY: torch.zeros(6, 3)})), r"shape \(6, 3\)"),
    "NaN": (tensors(lambda s: s[KEY].fill_(float("nan"))), "NaN"),
    "no bytes": (write("adapter_model.safetensors", b""), "damaged"),
    "other bytes": (tensors(lambda s: s[KEY].fill_(0.5)), "damaged.*not the file"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_refused_by_name_and_fault(tmp_path: Path, name: str) -> None:
    damage, named = DAMAGES[name]
    adapter().save(tmp_path / "one")
    damage(tmp_path / "one")
    with pytest.raises(T2LError, match=f"one.*{named}"):
        Adapter.load(tmp_path / "one")


def test_a_full_disk_leaves_no_zip(tmp_path: Path, full_disk) -> None:
    adapter().save(tmp_path / "one")
    with full_disk(1000), pytest.raises(T2LError, match="free some space"):
        zip_folder(tmp_path / "one", tmp_path / "zips" / "one.zip")
    assert not list((tmp_path / "zips").iterdir())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"base_model": "other/base"}, "for some/base but the loaded base is other/base; choose that base"),
        ({"rank": 4}, "rank 3, but 4"),
        ({"n_layers": 3}, "layers 2, but 3"),
        ({"alpha": 12}, r"alpha and rank\) 2.0, but 4.0"),
        ({"targets": {"self_attn.v_proj": (6, 5)}}, "changes self_attn.q_proj .* but self_attn.v_proj"),
        ({"targets": {**SPEC.targets, "self_attn.q_proj": (6, 6)}}, r"\(6 to 5\).*\(6 to 6\)"),
    ],
)
def test_an_adapter_for_something_else_is_refused_naming_both(changes: dict, named: str) -> None:
    adapter().check_fits(replace(SPEC, targets=dict(reversed(SPEC.targets.items()))))
    with pytest.raises(T2LError, match=named):
        adapter().check_fits(replace(SPEC, **changes))


def test_a_card_turns_no_text_into_markup(tmp_path: Path) -> None:
    spec = replace(SPEC, base_model='a": [b')
    text = "Sort.\n---\n# Heading"
    made = adapter(
        weights=LoRAWeights(spec, randomly().A, randomly().B), condition=text, generator="`x`\n# y"
    )
    made.save(tmp_path / "one")
    card = (tmp_path / "one" / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["base_model"] == spec.base_model
    assert facts["tags"] == ["lora", "text-to-lora", f"base_model:adapter:{spec.base_model}"]
    assert [line for line in body.splitlines() if line.startswith("#")] == [
        "# A LoRA adapter made from a description"
    ]


def test_a_folder_of_other_things_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "thesis.txt").write_text("precious")
    with pytest.raises(T2LError, match="thesis"):
        adapter().save(tmp_path / "one")
    assert [file.name for file in (tmp_path / "one").iterdir()] == ["thesis.txt"]
