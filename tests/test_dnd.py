"""Drag-and-Drop: the reference's numbers, grids that lose nothing, and prompts that become an adapter."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import tiny_base
import torch
from paths import FIXTURES, REPO
from safetensors.torch import load_file
from torch import nn

from t2l.adapter import Adapter, Examples
from t2l.base import DEFAULT_BASE, BaseModel
from t2l.card import render
from t2l.cli import main
from t2l.dnd import (
    PRESETS,
    DnD,
    DnDConfig,
    Grid,
    HyperConv,
    LengthReduction,
    deviation,
    draws,
    importance,
    weighted_mse,
)
from t2l.encoder import TextEncoder
from t2l.errors import T2LError
from t2l.eval.finetune import drawn
from t2l.eval.methods import JUNK, METHODS, Sources, asks
from t2l.eval.run import evaluate
from t2l.generator import MAX_EXAMPLE, MAX_EXAMPLES, Condition, Generator, read_prompts
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRASpec, LoRAWeights, mix, stack
from t2l.studio import Studio
from t2l.tasks import read_suite

RECORDED = FIXTURES.parent / "dnd"
# Sizes without a large common divisor: some cells of some tokens stay unused.
SPEC = LoRASpec("some/base", 2, {"mlp.down_proj": (48, 32), "self_attn.q_proj": (32, 20)}, 4, 8)
RENAMED = {
    "linear1.norm.": "norm.",
    "linear1.conv1w.": "width1.",
    "linear1.conv1h.": "height1.",
    "linear1.conv2h.": "height2.",
    "linear1.conv2w.": "width2.",
    "linear1.bias": "bias",
    "linear2.": "number.",
}


def recorded(name: str) -> dict[str, torch.Tensor]:
    return load_file(RECORDED / name)


def renamed(key: str) -> str:
    key = key.removeprefix("decoder.module_list.")
    for theirs, ours in RENAMED.items():
        key = key.replace(theirs, ours)
    return key


@pytest.fixture(scope="module")
def decoder() -> nn.Sequential:
    features = [tuple(f) for f in json.loads((RECORDED / "decoder/config.json").read_text())["features"]]
    made = nn.Sequential(*(HyperConv(a, b, 5) for a, b in pairwise(features)))
    made.load_state_dict({renamed(k): v for k, v in recorded("decoder/model.safetensors").items()})
    return made


def random_weights(spec: LoRASpec, seed: int = 0, n: int | None = None) -> LoRAWeights:
    generator = torch.Generator().manual_seed(seed)
    return spec.zeros(n).map(lambda t: torch.randn(t.shape, generator=generator) / 30)


def same(one: LoRAWeights, other: LoRAWeights) -> bool:
    return all(
        torch.equal(a[k], b[k]) for a, b in ((one.A, other.A), (one.B, other.B)) for k in one.spec.targets
    )


# Recorded from the reference


def test_every_layer_gives_what_the_reference_gave(decoder) -> None:
    io = recorded("decoder/io.safetensors")
    x = io["condition"]
    for number, layer in enumerate(decoder):
        x = layer(x)
        torch.testing.assert_close(x, io[f"after_layer_{number}"], atol=1e-5, rtol=0)


def test_loss_and_gradients_are_those_recorded_from_the_reference(decoder) -> None:
    io = recorded("loss/io.safetensors")
    target = torch.where(io["mask"], io["target"], math.nan)
    loss = weighted_mse(decoder(io["condition"]), target, io["criterion_weight"])
    assert float(loss.detach()) == pytest.approx(float(io["loss"]), abs=1e-5)
    decoder.zero_grad()
    loss.backward()
    grads = {key.removeprefix("grad."): value for key, value in io.items() if key.startswith("grad.")}
    assert grads
    for key, value in grads.items():
        torch.testing.assert_close(decoder.get_parameter(renamed(key)).grad, value, atol=1e-5, rtol=0)


def test_the_length_reduction_is_that_of_the_large_variant(decoder) -> None:
    io = recorded("superlarge/io.safetensors")
    reduction = LengthReduction(32, 20)
    names = {"down": "down_proj", "out": "gate_proj"}
    reduction.load_state_dict(
        {
            f"{ours}.{kind}": io[f"{theirs}.{kind}"]
            for ours, theirs in names.items()
            for kind in ("weight", "bias")
        }
    )
    torch.testing.assert_close(decoder(reduction(io["bert_states"])), io["output"], atol=1e-5, rtol=0)


def test_tokens_and_what_noisy_ones_decode_to_are_those_recorded() -> None:
    io = recorded("tokenizer/io.safetensors")
    spec = LoRASpec(
        "qwen",
        1,
        {"self_attn.q_proj": (896, 896), "self_attn.k_proj": (896, 128), "self_attn.v_proj": (896, 128)},
        8,
        16,
    )
    grid = Grid(spec)

    def read(kind: str) -> LoRAWeights:
        state = {k.partition(".")[2]: v for k, v in io.items() if k.startswith(f"{kind}.")}
        return LoRAWeights.from_peft(spec, {f"base_model.model.{k}": v for k, v in state.items()})

    assert grid.shape == tuple(io["tokens"].shape)
    torch.testing.assert_close(grid.encode(read("lora")).float(), io["tokens"], atol=1e-5, rtol=0)
    for tokens, expected in (("tokens", "detok"), ("noisy_tokens", "noisy_detok")):
        made, wanted = grid.decode(io[tokens]), read(expected)
        for side in ("A", "B"):
            for name in spec.targets:
                torch.testing.assert_close(
                    getattr(made, side)[name], getattr(wanted, side)[name], atol=1e-5, rtol=0
                )


def test_a_tokens_importance_is_the_recorded_one() -> None:
    io = recorded("criterion.safetensors")
    torch.testing.assert_close(importance([io["tokens"]]), io["criterion_weight"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "grid", "millions"),
    [
        ("qwen2.5-0.5b-commonsense", (4296, 10, 130), 1113),
        ("qwen2.5-1.5b-math", (4508, 18, 258), 1775 + 5.6),
        ("qwen2.5-1.5b-code", (4508, 18, 258), 1715 + 27.6),
        ("qwen2.5-7b-math", (4928, 18, 514), 1937 + 5.6),
        ("qwen2.5-vl-3b", (7308, 18, 258), 2410),
    ],
)
def test_grids_and_parameters_of_the_presets_are_the_published_ones(name, grid, millions) -> None:
    with torch.device("meta"):
        network = DnD(PRESETS[name])
    assert network.grid.shape == grid
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=1)


# Grids


def test_the_grid_of_the_embedded_base_follows_from_its_shapes() -> None:
    targets = {
        "self_attn.q_proj": (576, 576),
        "self_attn.v_proj": (576, 192),
        "self_attn.o_proj": (576, 576),
        "mlp.down_proj": (1536, 576),
    }
    grid = Grid(LoRASpec("smollm", 30, targets, 8, 16))
    # q 3 + 3, v 3 + 1, o 3 + 3, down 8 + 3 tokens of 192 columns.
    assert (grid.width, grid.shape) == (192, (30 * 27, 10, 194))


@pytest.mark.parametrize("width", [0, 2, 6, 20, 48, 64])
def test_adapters_come_back_bit_by_bit_at_any_width(width: int) -> None:
    grid = Grid(SPEC, width)
    one, many = random_weights(SPEC), random_weights(SPEC, 1, n=3)
    assert same(grid.decode(grid.encode(one)), one)
    assert same(grid.decode(grid.encode(many)), many)
    assert same(grid.join(grid.cut(one)), one)


def test_a_zero_adapter_and_a_constant_one_come_back_too() -> None:
    grid = Grid(SPEC)
    for weights in (SPEC.zeros(), SPEC.zeros().map(lambda t: t + 0.25)):
        tokens = grid.encode(weights)
        assert not tokens[~grid.encode(random_weights(SPEC)).isnan()].isnan().any()
        assert same(grid.decode(tokens), weights)


def test_unused_cells_never_reach_the_adapter() -> None:
    grid = Grid(SPEC)
    tokens = grid.encode(random_weights(SPEC))
    unused = tokens.isnan()
    # 48 and 32 features in tokens of 20 columns.
    assert unused.any() and grid.width == 20
    plain = grid.decode(tokens.nan_to_num(0.0))
    for value in (1e30, math.nan, math.inf):
        assert same(grid.decode(torch.where(unused, value, tokens)), plain)


def test_modules_stand_in_the_published_order_whatever_the_specifications() -> None:
    turned = LoRASpec("some/base", 2, dict(reversed(SPEC.targets.items())), 4, 8)
    weights = random_weights(SPEC)
    again = LoRAWeights(turned, weights.A, weights.B)
    torch.testing.assert_close(Grid(SPEC).encode(weights), Grid(turned).encode(again), equal_nan=True)
    assert next(name for name, *_ in Grid(SPEC).blocks) == "self_attn.q_proj"


def test_a_generated_deviation_below_zero_does_not_turn_a_token_around() -> None:
    grid = Grid(SPEC)
    tokens = torch.ones(grid.shape)
    # What stands for mean and deviation, in turn: a mean of 0.5, and a deviation of -0.1 before the clamp.
    told = torch.tensor([8 * 0.5, -5.0])
    tokens[:, SPEC.rank :] = told.repeat(grid.width // 2 + 1)
    tokens[..., grid.width :] = told
    made = grid.decode(tokens)
    for side in (made.A, made.B):
        for tensor in side.values():
            torch.testing.assert_close(tensor, torch.full_like(tensor, 0.5 + 1e-6), atol=1e-7, rtol=0)


def test_importance_leaves_unused_cells_out_and_averages_over_tasks() -> None:
    grid = Grid(SPEC)
    still = torch.stack([grid.encode(random_weights(SPEC))] * 3)
    moving = grid.encode(random_weights(SPEC, 5, n=3))
    weight = importance([still, moving])
    cells = (~still[0].isnan()).sum((-2, -1))
    assert not weight.isnan().any()
    assert float((weight * cells).sum() / cells.sum()) == pytest.approx(1)
    torch.testing.assert_close(weight, importance([moving]))
    with pytest.raises(T2LError, match="equal"):
        importance([still])
    with pytest.raises(T2LError, match="at least two"):
        deviation(still[:1])


def test_cells_without_a_target_have_no_part_in_the_loss() -> None:
    output = torch.randn(2, 3, 4, 5, requires_grad=True)
    target = torch.randn(2, 3, 4, 5)
    target[:, 1, 2:] = math.nan
    weight = torch.tensor([1.0, 2.0, 0.5])
    loss = weighted_mse(output, target, weight)
    kept = ~target.isnan()
    by_hand = (weight[:, None, None] * (output - target) ** 2)[kept].mean()
    assert float(loss.detach()) == pytest.approx(float(by_hand.detach()), rel=1e-6)
    loss.backward()
    assert not output.grad[~kept].any() and output.grad[kept].all()


# The network


def config(**changes) -> DnDConfig:
    return DnDConfig(SPEC, **{"condition_size": 12, "prompts": 4, "length": 8, "size": 6, **changes})


def network(seed: int = 0, **changes) -> DnD:
    torch.manual_seed(seed)
    return DnD(config(**changes)).eval()


def test_a_stack_in_one_pass_equals_one_by_one() -> None:
    made, condition = network(), torch.randn(3, 4, 8, 12)
    together = made(condition)
    for number in range(3):
        alone = made(condition[number : number + 1])[0]
        for side in ("A", "B"):
            for name in SPEC.targets:
                torch.testing.assert_close(
                    getattr(together, side)[name][number], getattr(alone, side)[name], atol=1e-5, rtol=0
                )


def test_all_sizes_follow_from_the_dial_the_condition_and_the_grid() -> None:
    small, large = config(size=6), config(size=12)
    for c in (small, large):
        assert c.features[0] == (4, 8, 12) and c.features[-1] == c.grid.shape
    count = [sum(p.numel() for p in DnD(c).parameters()) for c in (small, large)]
    assert count[0] < count[1]
    named = config(stages=((5, 6, 7),))
    assert named.features == ((4, 8, 12), (5, 6, 7), named.grid.shape)
    reduced = config(length=32, reduced=8)
    assert reduced.features[0] == (4, 8, 12)
    assert DnD(reduced)(torch.randn(1, 4, 32, 12)).n == 1


def test_a_configuration_comes_back_from_json() -> None:
    for c in (config(), config(stages=((5, 6, 7),), masked=False), *PRESETS.values()):
        assert DnDConfig.from_json(json.loads(json.dumps(c.to_json()))) == c


def test_the_output_is_shift_plus_scale_times_the_decoder() -> None:
    made, condition = network(), torch.randn(1, 4, 8, 12)
    raw = made(condition, as_tokens=True)
    mean = Grid(SPEC).encode(random_weights(SPEC)).float().nan_to_num()
    made.get_buffer("shift").copy_(mean)
    made.get_buffer("scale").fill_(0.5)
    torch.testing.assert_close(made(condition, as_tokens=True), mean + raw / 2)
    made.get_buffer("scale").fill_(0.0)
    mean_adapter, alone = made.mean_adapter(), made(condition)[0]
    assert same(mean_adapter, alone)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kernel": 4}, "kernel must be odd"),
        ({"prompts": 0}, "prompts must be"),
        ({"length": 2.5}, "length must be"),
        ({"size": True}, "size must be"),
        ({"stages": ((1, 2),)}, "three sizes"),
        ({"stages": ((1, 2, 0),)}, "stages must be"),
    ],
    ids=str,
)
def test_a_configuration_that_cannot_work_is_refused(changes: dict, named: str) -> None:
    with pytest.raises(T2LError, match=named):
        config(**changes)


def test_wrong_shapes_are_refused_by_name() -> None:
    with pytest.raises(T2LError, match=r"expected \(n, 4, 8, 12\)"):
        network()(torch.randn(1, 4, 9, 12))
    with pytest.raises(T2LError, match="expected"):
        Grid(SPEC).decode(torch.zeros(1, 2, 3))
    with pytest.raises(T2LError, match="even"):
        Grid(SPEC, 3)
    with pytest.raises(T2LError, match="cannot be read"):
        DnDConfig.from_json({"spec": SPEC.to_json(), "layers": 3})


def test_fewer_prompts_are_cycled_and_more_are_split() -> None:
    assert draws(["a", "b", "c"], 5) == [["a", "b", "c", "a", "b"]]
    assert draws(["a", "b", "c"], 2) == [["a", "b"], ["c", "a"]]
    assert draws(["a", "b"], 2) == [["a", "b"]]
    with pytest.raises(T2LError, match="No prompts"):
        draws([], 2)


# With the encoder, from prompts to an adapter


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    made = DnD(config(condition_size=384, prompts=3, length=16))
    made.get_buffer("shift").copy_(Grid(SPEC).encode(random_weights(SPEC)).float().nan_to_num())
    return Generator(made, base_weights_id="b" * 64, name="dnd-tiny")


@pytest.fixture(scope="module")
def encoder(generator: Generator) -> TextEncoder:
    assert isinstance(generator.encoder, TextEncoder)
    return generator.encoder


PROMPTS = ("toaster", "Where is the old mill by the river?", "7, 12")


def test_states_of_padding_are_zeros_unless_the_references_way_is_asked_for(encoder) -> None:
    masked = encoder.prompt_states(PROMPTS, 16)
    whole = encoder.prompt_states(PROMPTS, 16, masked=False)
    assert masked.shape == whole.shape == (3, 16, 384)
    tokens = encoder._tokenizer(list(PROMPTS))["input_ids"]
    for row, ids in enumerate(tokens):
        torch.testing.assert_close(masked[row, : len(ids)], whole[row, : len(ids)], atol=1e-5, rtol=1e-4)
        assert not masked[row, len(ids) :].any() and whole[row, len(ids) :].any(-1).all()


def test_states_are_those_of_transformers_and_long_prompts_are_cut(encoder) -> None:
    long = " ".join(["river"] * 40)
    made = encoder.prompt_states(["toaster", long], 16)
    batch = encoder._tokenizer([long], truncation=True, max_length=16, return_tensors="pt")
    with torch.no_grad():
        expected = encoder._model(**batch).last_hidden_state[0]
    torch.testing.assert_close(made[1], expected, atol=1e-5, rtol=1e-4)


def test_more_tokens_than_the_encoder_reads_are_read_in_chunks(encoder) -> None:
    long = " ".join(["river"] * 700)
    for masked in (True, False):
        made = encoder.prompt_states(["toaster", long], 1024, masked=masked)
        assert made.shape == (2, 1024, 384) and torch.isfinite(made).all()
    ids = encoder._tokenizer([long], return_tensors="pt")["input_ids"][:, 512:702]
    with torch.no_grad():
        expected = encoder._model(input_ids=ids).last_hidden_state[0]
    made = encoder.prompt_states([long], 1024)
    torch.testing.assert_close(made[0, 512:702], expected, atol=1e-4, rtol=1e-4)
    # As long as the published ones' shortest.
    assert encoder.prompt_states(["toaster"], 384).shape == (1, 384, 384)
    with pytest.raises(T2LError, match="multiple"):
        encoder.prompt_states(["toaster"], 600)


def test_the_mean_over_draws_is_the_adapter_of_many_prompts(generator) -> None:
    many = (*PROMPTS, "one", "two")
    made = generator.generate([Condition(prompts=many)])[0]
    one, two = (generator.generate([Condition(prompts=g)])[0] for g in draws(many, 3))
    expected = mix(stack([one, two]), [0.5, 0.5])
    for name in SPEC.targets:
        torch.testing.assert_close(made.A[name], expected.A[name], atol=1e-5, rtol=0)
        torch.testing.assert_close(made.B[name], expected.B[name], atol=1e-5, rtol=0)
    again = generator.generate([Condition(prompts=PROMPTS[:1] * 3)])[0]
    assert same(generator.generate([Condition(prompts=PROMPTS[:1])])[0], again)


def test_a_saved_network_makes_the_same_adapters_and_keeps_its_id(generator, tmp_path: Path) -> None:
    generator.save(tmp_path / "one", dtype=torch.float32)
    again = Generator.load(tmp_path / "one")
    assert again.id == generator.id and again.reads == "prompts"
    assert json.loads((tmp_path / "one/config.json").read_text())["kind"] == "dnd"
    asked = [Condition(prompts=PROMPTS)]
    assert same(again.generate(asked)[0], generator.generate(asked)[0])


def test_a_damaged_network_is_refused_by_file_and_fault(generator, tmp_path: Path) -> None:
    generator.save(tmp_path / "one")
    file = tmp_path / "one/config.json"
    facts = json.loads(file.read_text())
    for changes, named in (
        ({"kind": "t2l"}, "cannot be read"),
        ({"network": {**facts["network"], "size": 10**30}}, "config.json|shape|cannot"),
        ({"network": {**facts["network"], "size": 7}}, "shape"),
        ({"network": {**facts["network"], "stages": 5}}, "config.json"),
    ):
        file.write_text(json.dumps({**facts, **changes}))
        with pytest.raises(T2LError, match=named):
            Generator.load(tmp_path / "one")


def test_each_kind_of_network_refuses_the_other_kind_of_condition(generator) -> None:
    with pytest.raises(T2LError, match="dnd-tiny makes adapters from example prompts"):
        generator.generate(["Give the plural."])
    described = Generator(T2L(T2LConfig(SPEC, 384, "m", 16, 8)))
    with pytest.raises(T2LError, match="makes adapters from descriptions, not from example prompts"):
        described.generate([Condition(prompts=PROMPTS)])


# What people may give


def test_inputs_with_their_answers_are_refused_where_a_person_gives_them(tmp_path: Path) -> None:
    for prompts in (("toaster -> toasters", "child -> children"), ("a\nAnswer: b", "c\nAnswer: d")):
        with pytest.raises(T2LError, match="as if that were its answer"):
            Studio(shelf=tmp_path).show(prompts)
        # A task's own inputs may look so.
        assert Condition(prompts=prompts).prompts == prompts


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "description is empty"),
        ({"prompts": ()}, "description is empty"),
        ({"prompts": "toaster"}, "must be a list of texts"),
        ({"text": "Do it.", "prompts": ("a",)}, "not both"),
        ({"prompts": ("a", "  ")}, "prompt 2 is empty"),
        ({"prompts": ("a", 5)}, "prompt 2 must be text, not int"),
        ({"prompts": ("a",) * 10_000}, f"10,000 prompts were given; the most is {MAX_EXAMPLES:,}"),
        ({"prompts": ("a" * 2**20,)}, f"prompt 1 has 1,048,576 characters; the most is {MAX_EXAMPLE:,}"),
        ({"prompts": ({"input": "a", "output": "b"},)}, "give the inputs alone, without answers"),
        ({"prompts": ("a\x00",)}, r"control character U\+0000"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_prompts_that_cannot_serve_are_refused_with_a_reason(given: dict, named: str) -> None:
    with pytest.raises(T2LError, match=named):
        Condition(**given)


def test_one_prompt_serves_and_lines_are_kept() -> None:
    assert Condition(prompts=(" a\nb ",)).prompts == ("a\nb",)
    one, other = Condition(prompts=("a", "b")), Condition(prompts=("b", "a"))
    assert one.digest != other.digest and len(one.digest) == 64
    assert Condition("Give the plural.").digest == ""


def test_other_scripts_serve_where_the_encoder_knows_them_and_are_refused_where_not(generator) -> None:
    made = generator.generate([Condition(prompts=("Où est la gare ?", "日本語の文", "Где вокзал?"))])
    assert made.n == 1
    with pytest.raises(T2LError, match="knows no word of these prompts"):
        generator.generate([Condition(prompts=("🧵🧵🧵", "ᚠᛇᚻ"))])


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.txt", "", "holds no prompts"),
        ("a.jsonl", '{"input": "a", "output": "b"}\n', "line 1: .*answers are not read"),
        ("a.jsonl", '"a"\n{', "line 2: not JSON"),
        ("a.jsonl", "5", "line 1: expected a text"),
        ("a.txt", "a" * (MAX_EXAMPLE * MAX_EXAMPLES + 1), "larger than 1,024 prompts"),
        ("none.txt", None, "cannot be read"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_files_that_cannot_serve_are_refused_by_name_and_line(name, text, named, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(T2LError, match=named) as caught:
        read_prompts(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_prompts_are_read_from_lines_and_from_json(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("toaster\n\n child \n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('"two\\nlines"\n{"input": "child"}\n', encoding="utf-8")
    assert read_prompts(tmp_path / "a.txt") == ("toaster", " child ")
    assert read_prompts(tmp_path / "a.jsonl") == ("two\nlines", "child")


# Doors


@pytest.fixture(scope="module")
def studio(generator: Generator, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder = tmp_path_factory.mktemp("studio")
    generator.save(folder / "dnd-tiny", dtype=torch.float32)
    return Studio(str(folder / "dnd-tiny"), shelf=folder / "shelf")


def test_an_adapter_of_prompts_is_an_adapter_like_any_other(studio: Studio, generator: Generator) -> None:
    made = studio.show(PROMPTS)
    assert same(made.adapter.weights, generator.generate([Condition(prompts=PROMPTS)])[0])
    assert studio.adapter(made.adapter.id).weights_sha256 == made.adapter.weights_sha256
    assert studio.adapters()[0].name == made.adapter.label == "3 example prompts"
    assert studio.show(PROMPTS).adapter.id == made.adapter.id
    assert studio.show(PROMPTS[::-1]).adapter.id != made.adapter.id
    with pytest.raises(T2LError, match="No prompts were given"):
        studio.show([])
    with pytest.raises(T2LError, match="from example prompts, not from a description"):
        studio.describe("Give the plural.")
    # The shipped checkpoints, which read texts, are of another base.
    assert studio.reads == {"prompts"}


def test_prompts_stand_on_the_card_only_where_a_person_agreed(studio: Studio) -> None:
    silent, told = studio.show(PROMPTS), studio.show(PROMPTS, tell=True)
    # Two adapters: nobody finds in their folder what somebody else told.
    assert silent.adapter.id != told.adapter.id
    for made, shown in ((silent, False), (told, True)):
        files = {file.name: file.read_text() for file in made.path.iterdir() if file.suffix != ".safetensors"}
        assert all((PROMPTS[1] in files[name]) == shown for name in ("README.md", "t2l.json"))
        again = Adapter.load(made.path)
        assert (
            again.examples == Examples.of(Condition(prompts=PROMPTS), shown) and again.id == made.adapter.id
        )
        assert f'"sha256": "{Condition(prompts=PROMPTS).digest}"' in files["t2l.json"]


def test_prompts_that_are_too_long_to_be_told_are_refused_before_anything_is_made(studio: Studio) -> None:
    many = [f"{number} " + "\u4e00" * 1000 for number in range(200)]
    before = {entry.id for entry in studio.shelf.list()}
    with pytest.raises(T2LError, match=r"have 60\d,\d+ bytes .* most is 524,288.* without telling"):
        studio.show(many, tell=True)
    assert {entry.id for entry in studio.shelf.list()} == before
    silent = studio.show(many)
    assert studio.shelf.get(silent.adapter.id).examples == Examples.of(Condition(prompts=many), False)
    # What can be told can be read again, whatever it holds.
    for hard in ('"', "\n", "\u2028", "\u0301"):
        told = studio.show([f"{n} {hard * 500}." for n in range(120)], tell=True)
        assert Adapter.load(told.path).examples == told.adapter.examples


@pytest.mark.parametrize("tell", [False, True])
def test_a_published_card_shows_prompts_only_where_a_person_agreed(tell: bool) -> None:
    spec = replace(SPEC, base_model=DEFAULT_BASE)
    examples = Examples.of(Condition(prompts=PROMPTS), tell)
    card = render(Adapter(random_weights(spec), "", "dnd-tiny", "g" * 64, examples=examples), "me/test")
    assert all((prompt in card) == tell for prompt in PROMPTS[1:])
    assert "# 3 example prompts" in card and "without answers" in card and examples.sha256 in card
    assert "t2l generate --checkpoint dnd-tiny --out adapter --prompts prompts.txt" in card


def test_a_folder_whose_prompts_are_not_those_that_it_names_is_damaged(
    studio: Studio, tmp_path: Path
) -> None:
    studio.show(PROMPTS, tell=True).adapter.save(tmp_path / "one")
    file = tmp_path / "one/t2l.json"
    story = json.loads(file.read_text())
    for changes in (
        {"prompts": ["other", "ones", "here"]},
        {"count": 2},
        {"sha256": "x"},
        {"prompts": [1, 2, 3]},
    ):
        told = {**story["condition"]["examples"], **changes}
        file.write_text(json.dumps({**story, "condition": {"text": "", "examples": told}}))
        with pytest.raises(T2LError, match="one"):
            Adapter.load(tmp_path / "one")


def test_the_command_makes_an_adapter_of_a_file(studio: Studio, tmp_path: Path, capsys) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS), encoding="utf-8")
    words = ["generate", "--prompts", tmp_path / "prompts.txt", "--checkpoint", studio.checkpoint]
    assert main([*map(str, words), "--out", str(tmp_path / "made"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["id"] == studio.show(PROMPTS).adapter.id == Adapter.load(tmp_path / "made").id
    for more in ([], ["Do it.", "--prompts", "x"]):
        assert main(["generate", *more, "--out", str(tmp_path / "made")]) == 2
    assert "either a description or --prompts" in capsys.readouterr().err


# In a process of its own: gradio leaves an event loop behind.
PAGES = """
import json, os, sys
from t2l.studio import Studio
from t2l.ui import build
for folder in sys.argv[1:]:
    os.environ["T2L_CHECKPOINTS"] = folder
    blocks = build(Studio("described", shelf=folder + "/shelf")).blocks.values()
    parts = {block.elem_id: block for block in blocks if getattr(block, "elem_id", None)}
    print(json.dumps([parts["how"].visible, parts["how"].value, parts["showing"].visible]))
"""


def test_the_page_has_its_switch_only_where_a_checkpoint_reads_prompts(
    generator: Generator, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        Generator(T2L(T2LConfig(SPEC, 384, "m", 16, 8))).save(folder / "described")
    generator.save(tmp_path / "two/a-dnd")
    made = subprocess.run(
        [sys.executable, "-c", PAGES, *map(str, folders)],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr
    told = [json.loads(line) for line in made.stdout.splitlines()]
    assert told == [[False, "text", False], [True, "text", False]]


def test_prompts_go_to_the_checkpoint_that_reads_them(
    generator: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T2L_CHECKPOINTS", str(tmp_path / "there"))
    Generator(T2L(T2LConfig(SPEC, 384, "m", 16, 8))).save(tmp_path / "there/described")
    studio = Studio("described", shelf=tmp_path / "shelf")
    assert studio.reads == {"text"}
    with pytest.raises(T2LError, match="No checkpoint here makes adapters from example prompts"):
        studio.show(PROMPTS)
    generator.save(tmp_path / "there/a-dnd")
    # Those of prompts come last.
    assert [(c.name, c.reads) for c in studio.checkpoints()] == [("described", "text"), ("a-dnd", "prompts")]
    assert studio.reads == {"text", "prompts"}
    assert studio.show(PROMPTS).adapter.generator == "a-dnd"
    with pytest.raises(T2LError, match="described makes adapters from descriptions"):
        studio.show(PROMPTS, checkpoint="described")
    assert studio.control("Do it.", checkpoint="a-dnd").label == "5 example prompts"


# Scored on a suite


CONTROLS = ("dnd_other", "dnd_junk", "dnd_mean")


def test_methods_and_controls_answer_with_the_adapters_that_they_name(tmp_path: Path) -> None:
    tiny_base.write_base(tmp_path / "base")
    tiny_base.write_suite(tmp_path / "suite")
    for name, function in tiny_base.TASKS.items():
        lines = [json.dumps({"input": word, "output": function(word)}) for word in ("abc", "hello", "zyx")]
        (tmp_path / "suite" / name / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    base = BaseModel.load(str(tmp_path / "base"), dtype="float32", device="cpu")
    spec = base.spec(tiny_base.TARGETS, 4, 8)
    torch.manual_seed(0)
    network = DnD(DnDConfig(spec, 384, prompts=3, length=8, size=6)).eval()
    network.get_buffer("shift").copy_(Grid(spec).encode(random_weights(spec)).float().nan_to_num())
    generator = Generator(network, base_weights_id=base.weights_id, name="dnd-tiny")
    suite = read_suite(tmp_path / "suite")
    sources = Sources(base, generator, tasks=suite)
    task, tasks = suite["copy"], list(suite.values())

    def prompted(of: str, n: int, seed: int) -> LoRAWeights:
        prompts = tuple(example.input for example in drawn(suite[of], n, seed))
        # Of answers nothing is read, of test examples neither.
        assert not {example.input for example in suite[of].test} & set(prompts)
        return generator.generate([Condition(prompts=prompts)])[0]

    for name, count in (("dnd", 16), ("dnd_1", 1), ("dnd_4", 4)):
        asked = asks(name, task, tasks, sources, 3, seeds=2)
        for seed, ask in enumerate(asked):
            assert same(METHODS[name].adapter(sources, ask), prompted("copy", count, seed))
    assert "64 training examples" in asks("dnd_64", task, tasks, sources, 3, 1)
    (ask,) = asks("dnd_other", task, tasks, sources, 3, seeds=1)
    assert ask.of != "copy" and same(METHODS["dnd_other"].adapter(sources, ask), prompted(ask.of, 16, 0))
    # Its prompts are part of what is asked, and too few of them are none.
    assert ask.examples == drawn(suite[ask.of], 16, 0)
    few = [replace(one, train=one.train[:3]) if one.name == ask.of else one for one in tasks]
    assert f"{ask.of}, its control, has no 16 training examples" in asks(
        "dnd_other", task, few, sources, 3, 1
    )
    made = {
        name: METHODS[name].adapter(sources, asks(name, task, tasks, sources, 3, 1)[0]) for name in CONTROLS
    }
    assert same(made["dnd_mean"], network.mean_adapter())
    assert same(made["dnd_junk"], generator.generate([Condition(prompts=JUNK)])[0])
    two = [task, suite["reverse"]]
    rows = evaluate(two, ["base", "dnd", *CONTROLS], base, generator, tmp_path / "rows.jsonl", limit=2)
    assert [row["method"] for row in rows] == ["base", "dnd", *CONTROLS] * 2
    assert METHODS["dnd"].leads and not METHODS["dnd_other"].leads
    described = Sources(base, Generator(T2L(T2LConfig(spec, 384, "m", 16, 8))), tasks=suite)
    with pytest.raises(T2LError, match="needs a checkpoint that reads prompts"):
        METHODS["dnd_mean"].adapter(described, ask)
