"""Conditions in canonical form; checkpoints that come back as they went, and the damaged ones refused."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from t2l.adapter import Adapter
from t2l.errors import T2LError
from t2l.export import lint
from t2l.generator import Condition, Generator, new_gate
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRASpec
from t2l.presets import PRESETS

SPEC = LoRASpec("some/base", 2, {"self_attn.q_proj": (6, 5), "mlp.down_proj": (7, 6)}, rank=3, alpha=6)


def generator(seed: int = 0, **changes: Any) -> Generator:
    torch.manual_seed(seed)
    sizes = {"condition_size": 384, "latent_size": 16, "head_size": 24, "shift": "element", "scale": "scalar"}
    network = T2L(T2LConfig(SPEC, **{**sizes, **changes})).requires_grad_(False).eval()
    return Generator(network, base_weights_id="file@sha256:0", training={"steps": 3})


def same(one: Generator, other: Generator) -> bool:
    mine, theirs = one.network.state_dict(), other.network.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("  Output\tthe\n\nplural \r\n", "Output the plural"),
        ("cafe\u0301", "café"),
        ("a\u00a0b\u2003c\u2028d", "a b c d"),
        ("اكتب الجمع", "اكتب الجمع"),
        ("\u200fتكتب", "\u200fتكتب"),
        ("Translate to 👩\u200d🚀!", "Translate to 👩\u200d🚀!"),
        ("x" * 2000, "x" * 2000),
    ],
)
def test_a_condition_is_kept_in_one_canonical_form(text: str, canonical: str) -> None:
    assert Condition(text).text == canonical == Condition(canonical).text
    assert Condition(text) == Condition(canonical)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (["a", "b"], "ambiguous"),
        (("a",), "ambiguous"),
        (None, "must be text, not NoneType"),
        (5, "must be text, not int"),
        ("", "is empty"),
        (" \n\u3000", "is empty"),
        ("x" * 100_000, "100,000 characters; the most is 2,000"),
        ("a\x00b", r"control character U\+0000"),
        ("\x1b[31mred", r"control character U\+001B"),
        ("half \ud83e", r"control character U\+D83E"),
        # Two characters each in canonical form, as which it is kept.
        ("\u09dc" * 1001, "2,002 characters; the most is 2,000"),
    ],
)
def test_what_is_no_description_is_refused(text: Any, named: str) -> None:
    with pytest.raises(T2LError, match=named):
        Condition(text)


@pytest.mark.parametrize("condition", ["pooled", "tokens"])
def test_an_encoder_fitted_to_descriptions_is_part_of_the_checkpoint(tmp_path: Path, condition: str) -> None:
    plain = generator(condition=condition)
    spec = LoRASpec(plain.encoder_name, 6, {"output.dense": (1536, 384)}, rank=2, alpha=4)
    torch.manual_seed(1)
    adapter = spec.zeros().map(lambda t: (torch.randn(t.shape) / 4).bfloat16().float())
    fitted = Generator(plain.network, plain.encoder_name, plain.base_weights_id, {}, encoder_adapter=adapter)
    assert fitted.id != plain.id
    fitted.save(tmp_path / "fitted", dtype=torch.float32)
    loaded = Generator.load(tmp_path / "fitted")
    assert loaded.id == fitted.id and same(loaded, fitted)
    made, again, without = (g.generate(["Sort the words."])[0] for g in (fitted, loaded, plain))
    name = "mlp.down_proj"
    torch.testing.assert_close(made.A[name], again.A[name], atol=1e-5, rtol=0)
    assert not torch.allclose(made.A[name], without.A[name], atol=1e-4)
    state = load_file(tmp_path / "fitted" / "model.safetensors")
    del state["encoder.A.output.dense"]
    save_file(state, tmp_path / "fitted" / "model.safetensors")
    with pytest.raises(T2LError, match=r"1 missing, first encoder\.A\.output\.dense"):
        Generator.load(tmp_path / "fitted")


def test_every_description_gets_its_own_adapter_and_always_the_same() -> None:
    made = generator()
    stack = made.generate(["Sort the words.", Condition("Count  the words.")])
    assert stack.n == 2 and stack.spec == SPEC
    a = stack.A["mlp.down_proj"]
    assert not torch.allclose(a[0], a[1], atol=1e-4)
    again = made.generate(["Count the words."])[0].A["mlp.down_proj"]
    torch.testing.assert_close(again, a[1], atol=1e-5, rtol=0)
    assert torch.equal(again, made.generate(["Count the words."])[0].A["mlp.down_proj"])
    for conditions in ([], "Sort.", Condition("Sort.")):
        with pytest.raises(T2LError, match="takes a list"):
            made.generate(conditions)


def test_an_encoder_of_another_size_is_refused() -> None:
    with pytest.raises(T2LError, match="gives 384 numbers, but this checkpoint expects 16"):
        generator(condition_size=16).generate(["Sort."])


@pytest.mark.parametrize("share", ["none", "layers", "all"])
def test_a_float32_checkpoint_comes_back_exactly(tmp_path: Path, share: str) -> None:
    made = generator(share=share, variant="s")
    made.save(tmp_path / "one", dtype=torch.float32)
    again = Generator.load(tmp_path / "one")
    assert same(made, again) and again.id == made.id and len(made.id) == 64
    assert again.network.config == made.network.config and again.name == "one"
    assert (again.training, again.base_weights_id) == ({"steps": 3}, "file@sha256:0")


def test_a_bfloat16_checkpoint_keeps_its_id_from_then_on(tmp_path: Path) -> None:
    made = generator()
    made.save(tmp_path / "one")
    first = Generator.load(tmp_path / "one")
    first.save(tmp_path / "two")
    second = Generator.load(tmp_path / "two")
    assert same(first, second) and first.id == second.id != made.id
    assert all(t.dtype == torch.float32 for t in first.network.state_dict().values())
    for key, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, made.network.state_dict()[key].bfloat16().float())
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_id_names_weights_and_configuration() -> None:
    made = [generator(), generator(), generator(seed=1), generator(head_size=25)]
    made[1].base_weights_id = "another"
    assert len({one.id for one in made}) == 4 and generator().id == made[0].id


def test_whether_prompts_are_to_say_the_task_is_part_of_the_checkpoint(tmp_path: Path) -> None:
    made = replace(generator(), says_task=True)
    made.save(tmp_path / "one", dtype=torch.float32)
    again = Generator.load(tmp_path / "one")
    assert again.says_task and again.id == made.id != generator().id
    generator().save(tmp_path / "two")
    assert "says_task" not in json.loads((tmp_path / "two" / "config.json").read_text())


def test_a_shift_of_zero_is_not_stored(tmp_path: Path) -> None:
    made = generator()
    made.save(tmp_path / "plain")
    assert not [key for key in load_file(tmp_path / "plain" / "model.safetensors") if "shift" in key]
    made.network.initialise("zero")
    made.save(tmp_path / "zero", dtype=torch.float32)
    stored = load_file(tmp_path / "zero" / "model.safetensors")
    assert {key for key in stored if "shift" in key} == {"shift.A0", "shift.A1"}
    assert same(Generator.load(tmp_path / "zero"), made)


TEXTS = ["Give the plural.", "The second letter.", "Say it in German.", "Write it backwards."]


def gated(generators: tuple[Generator, Generator] | None = None) -> Generator:
    """Two networks; the gate parts TEXTS into two and two."""
    one, other = generators or (generator(), generator(1))
    vectors = one.encoder.encode(TEXTS)
    gate = new_gate(384).requires_grad_(False)
    for tensor in gate.state_dict().values():
        tensor.zero_()
    gate[0].weight[0] = 10 * (vectors[1] + vectors[3] - vectors[0] - vectors[2])
    gate[2].weight[0, 0], gate[2].bias[0] = 1, -1
    assert isinstance(other.network, T2L)
    return replace(one, specialist=other.network, gate=gate, _id="")


def test_a_gate_says_which_of_two_networks_makes_an_adapter(tmp_path: Path) -> None:
    one, other = generator(), generator(1)
    both = gated((one, other))
    assert both.special(both.encoder.encode(TEXTS)).tolist() == [False, True, False, True]
    made = both.generate(TEXTS)
    for number, (text, maker) in enumerate(zip(TEXTS, (one, other, one, other), strict=True)):
        alone = maker.generate([text])
        for got, single in ((made[number], both.generate([text])[0]), (made[number], alone[0])):
            for name in SPEC.targets:
                torch.testing.assert_close(got.A[name], single.A[name])
                torch.testing.assert_close(got.B[name], single.B[name])
    assert both.id not in (one.id, other.id) and replace(both, gate=new_gate(384), _id="").id != both.id
    assert both.rescaled(use_rslora=True).generate(TEXTS[1:2]).spec.use_rslora


def test_a_specialist_is_kept_in_8_bits_and_comes_back_the_same(tmp_path: Path) -> None:
    both = gated()
    both.save(tmp_path / "a")
    stored = load_file(tmp_path / "a" / "model.safetensors")
    heads = [stored[f"specialist.heads.{n}.weight"].dtype for n in range(2)]
    assert heads == [torch.int8] * 2 and "specialist.heads.0.weight.step" in stored
    read = Generator.load(tmp_path / "a")
    made, wanted = read.generate(TEXTS), both.generate(TEXTS)
    for number in range(4):
        for name in SPEC.targets:
            off = (made.B[name][number] - wanted.B[name][number]).norm() / wanted.B[name][number].norm()
            assert off < 0.02, (number, name, off)
    read.save(tmp_path / "b")
    assert Generator.load(tmp_path / "b").id == read.id
    assert read.specialist is not None and "specialist" not in generator()._facts()


def test_a_specialist_that_cannot_be_is_refused(tmp_path: Path) -> None:
    both = gated()
    for name, change, match in (
        ("word", {"specialist": "yes"}, "specialist=yes must be true or false"),
        ("numbers", {"tasks": ["a"] * 384}, "specialist=True must be true or false, and needs pooled texts"),
        ("none", {"specialist": False}, "unknown, first gate"),
    ):
        both.save(tmp_path / name)
        file = tmp_path / name / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
        with pytest.raises(T2LError, match=match):
            Generator.load(tmp_path / name)
    generator().save(tmp_path / "plain")
    file = tmp_path / "plain" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"specialist": True}))
    with pytest.raises(T2LError, match="missing, first gate"):
        Generator.load(tmp_path / "plain")


def edit(**changes: Any) -> Callable[[Path], None]:
    """Changes entries of config.json, also inside "network" and "spec"; None removes one."""

    def damage(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        for place in (config, config["network"], config["network"]["spec"]):
            for key in place.keys() & changes:
                place[key] = changes[key]
                if changes[key] is None:
                    del place[key]
        (folder / "config.json").write_text(json.dumps(config))

    return damage


def top(**facts: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **facts}))

    return damage


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def tensors(change: Callable[[dict], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors")

    return damage


def cut(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def stored_as(kind: str, bits: int) -> Callable[[Path], None]:
    """Zeros of one of the format's rarer types, in the right shapes."""

    def damage(folder: Path) -> None:
        header, data = {}, b""
        for name, tensor in load_file(folder / "model.safetensors").items():
            whole = tensor.numel() * bits % 8 == 0
            zeros = bytes(tensor.numel() * bits // 8 if whole else tensor.numel())
            facts = {"dtype": kind if whole else "I8", "shape": list(tensor.shape)}
            header[name] = facts | {"data_offsets": [len(data), len(data) + len(zeros)]}
            data += zeros
        told = json.dumps(header).encode()
        (folder / "model.safetensors").write_bytes(len(told).to_bytes(8, "little") + told + data)

    return damage


BIAS = "neck.out.bias"
DAMAGES = {
    "no config": (lambda folder: (folder / "config.json").unlink(), "no checkpoint"),
    "no weights": (
        lambda folder: (folder / "model.safetensors").unlink(),
        "model.safetensors cannot be read",
    ),
    "config is not JSON": (write("config.json", b"{"), "config.json cannot be read"),
    "config is not UTF-8": (write("config.json", b'"\xff"'), "config.json cannot be read"),
    "config is a list": (write("config.json", b"[]"), "kind must be t2l"),
    "config is too deep": (write("config.json", b"[" * 100_000), "config.json cannot be read"),
    "config with an endless number": (write("config.json", b"9" * 5000), "config.json cannot be read"),
    "config is huge": (write("config.json", b" " * (2**20 + 1)), "larger than any configuration"),
    "another kind": (edit(kind="lora"), "kind must be t2l"),
    "a later format": (edit(format_version=2), "format_version 2, this program reads 1"),
    "no network": (edit(network=None), "lacks 'network'"),
    "network is a number": (edit(network=5), "config.json"),
    "pull without an index": (top(pull=0.5), "pull=0.5 .* needs .*tasks.safetensors"),
    "pull beyond the task": (top(pull=1.5), "pull=1.5 must be a number from 0 to 1"),
    "pull in words": (top(pull="far"), "pull=far must be a number"),
    "task said in words": (top(says_task="yes"), "says_task=yes must be true or false"),
    "no spec": (edit(spec=None), "config.json.*spec"),
    "unknown variant": (edit(variant="xl"), "config.json.*variant='xl'"),
    "unknown setting": (edit(spec={"base": "x"}), "config.json"),
    "targets of no size": (edit(targets=[["self_attn.q_proj", 0, 5]]), "config.json.*in of self_attn"),
    "targets of endless size": (edit(targets=[["self_attn.q_proj", float("inf"), 5]]), "config.json"),
    "rank in words": (edit(rank="three"), "config.json.*rank"),
    "a missing tensor": (tensors(lambda s: s.pop(BIAS)), f"1 missing, first {BIAS}"),
    "an unknown tensor": (tensors(lambda s: s.update(extra=torch.zeros(1))), "1 unknown, first extra"),
    "a wrong shape": (tensors(lambda s: s.update({BIAS: torch.zeros(25)})), rf"{BIAS} has shape \(25,\)"),
    "NaN": (tensors(lambda s: s[BIAS].fill_(float("nan"))), f"{BIAS} holds NaN"),
    "infinity": (tensors(lambda s: s[BIAS].fill_(float("inf"))), f"{BIAS} holds NaN or infinity"),
    "numbers of four bits": (stored_as("F4", 4), "numbers of type F4"),
    "complex numbers": (stored_as("C64", 64), "numbers of type C64"),
    "half the weights": (cut, "model.safetensors cannot be read.*download"),
    "no bytes": (write("model.safetensors", b""), "model.safetensors cannot be read"),
    "more layers": (edit(n_layers=3), r"layer.embedding.weight has shape \(2, 4\)"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_checkpoint_is_refused_by_file_and_fault(tmp_path: Path, name: str) -> None:
    damage, named = DAMAGES[name]
    generator().save(tmp_path / "one")
    damage(tmp_path / "one")
    with pytest.raises(T2LError, match=named) as caught:
        Generator.load(tmp_path / "one")
    assert str(tmp_path / "one") in str(caught.value)


@pytest.mark.parametrize("share", ["none", "layers", "all"])
@pytest.mark.parametrize(
    "size",
    [
        {key: 10**power}
        for key in ("n_layers", "rank", "head_size", "latent_size", "condition_size")
        for power in (9, 12, 18, 30)
    ],
    ids=str,
)
def test_hostile_sizes_are_refused_before_memory_is_taken(tmp_path: Path, size: dict, share: str) -> None:
    # Rotary positions leave the rank out of every stored shape, sharing the layers.
    generator(share=share, variant="rankwise", positions="rotary", shift="none").save(tmp_path / "one")
    edit(**size, shift="element")(tmp_path / "one")
    with pytest.raises(T2LError, match=re.escape(str(tmp_path))):
        Generator.load(tmp_path / "one")


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "sprung",)

    generator().save(tmp_path / "one")
    (tmp_path / "one" / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(T2LError, match=r"model\.safetensors cannot be read"):
        Generator.load(tmp_path / "one")
    (tmp_path / "one" / "model.safetensors").unlink()
    torch.save(generator().network.state_dict(), tmp_path / "one" / "pytorch_model.bin")
    with pytest.raises(T2LError, match=r"model\.safetensors cannot be read"):
        Generator.load(tmp_path / "one")
    assert not (tmp_path / "sprung").exists()


def test_a_full_disk_keeps_the_earlier_checkpoint_and_nothing_else(tmp_path: Path, full_disk) -> None:
    generator().save(tmp_path / "one")
    before = {file.name: file.read_bytes() for file in (tmp_path / "one").iterdir()}
    with full_disk(4000), pytest.raises(T2LError, match=r"one cannot be written.*free some space"):
        generator(seed=1).save(tmp_path / "one")
    assert {file.name: file.read_bytes() for file in (tmp_path / "one").iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["one"]


def test_saving_again_keeps_the_card_and_refuses_a_folder_of_other_things(tmp_path: Path) -> None:
    generator().save(tmp_path / "one")
    (tmp_path / "one" / "README.md").write_text("card")
    generator(seed=1).save(tmp_path / "one")
    assert (tmp_path / "one" / "README.md").read_text() == "card"
    bias = Generator.load(tmp_path / "one").network.state_dict()[BIAS]
    assert torch.equal(bias, generator(seed=1).network.state_dict()[BIAS].bfloat16().float())
    (tmp_path / "one" / "thesis.txt").write_text("precious")
    with pytest.raises(T2LError, match="thesis"):
        generator().save(tmp_path / "one")
    assert (tmp_path / "one" / "thesis.txt").read_text() == "precious"


def at_true_size(preset: str, variant: str) -> T2L:
    """A network with random numbers at the shapes of a preset's base, of the paper's sizes."""
    shape = PRESETS[preset].shape
    targets = {
        "self_attn.q_proj": (shape.hidden, shape.heads * shape.head_size),
        "self_attn.v_proj": (shape.hidden, shape.kv_heads * shape.head_size),
    }
    spec = LoRASpec(PRESETS[preset].base_model, shape.n_layers, targets, 8, 16, use_rslora=False)
    with torch.device("meta"):
        network = T2L(T2LConfig(spec, 1024, variant)).eval()
    network.to_empty(device="cpu")
    torch.manual_seed(0)
    for parameter in network.parameters():
        parameter.data.uniform_(-0.05, 0.05)
    return network


@pytest.mark.parametrize("variant", ["l", "m", "s"])
@pytest.mark.parametrize("preset", ["mistral-7b", "llama-3.1-8b", "gemma-2-2b"])
def test_adapters_of_true_size_are_made_saved_and_pass_the_linter(
    tmp_path: Path, preset: str, variant: str
) -> None:
    network, shape = at_true_size(preset, variant), PRESETS[preset].shape
    condition = torch.randn(1, 1024)
    with torch.no_grad():
        # The same numbers from the products of torch's own Linears and from packed ones.
        expected, made = network(condition)[0], network.freeze()(condition)[0].check_finite()
    for name in made.spec.targets:
        torch.testing.assert_close(made.B[name], expected.B[name], atol=1e-5, rtol=1e-4)
    adapter = Adapter(made, "Sort the words.", "random", "0" * 64)
    size = adapter.save(tmp_path / "adapter")
    q, v = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    numbers = shape.n_layers * 8 * (2 * shape.hidden + q + v)
    assert 4 * numbers < size < 4 * numbers + 40_000 and numbers == made.spec.n_parameters
    assert lint(tmp_path / "adapter") == []
    assert torch.equal(
        Adapter.load(tmp_path / "adapter").weights.B["self_attn.v_proj"], made.B["self_attn.v_proj"]
    )
