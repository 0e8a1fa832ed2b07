"""Presets: sizes against transformers' own models, templates against the recorded ones, memory, refusals."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from jinja2.sandbox import ImmutableSandboxedEnvironment
from paths import FIXTURES, REPO
from reference import write_checkpoint

from app import _parser as app_command_line
from app import main as app_main
from t2l import presets
from t2l.base import DEFAULT_BASE, BaseModel
from t2l.cli import _parser as command_line
from t2l.cli import main
from t2l.errors import T2LError
from t2l.generator import Generator
from t2l.hypernet import T2L, T2LConfig
from t2l.lora import LoRASpec
from t2l.official import load_generator
from t2l.presets import PRESETS, Setup, Shape, table
from t2l.studio import Studio

PROTOCOL = json.loads((FIXTURES / "protocol" / "protocol.json").read_text(encoding="utf-8"))
KINDS = {"mistral-7b": "Mistral", "llama-3.1-8b": "Llama", "gemma-2-2b": "Gemma2", "smollm2-135m": "Llama"}
SPECIAL = {"mistral-7b": ("<s>", "</s>"), "llama-3.1-8b": ("<|begin_of_text|>", "<|eot_id|>")}
SPECIAL["gemma-2-2b"] = ("<bos>", "<eos>")
PUBLISHED = list(SPECIAL)


def config(preset: str) -> Any:
    import transformers

    s: Shape = PRESETS[preset].shape
    return getattr(transformers, f"{KINDS[preset]}Config")(
        vocab_size=s.vocabulary,
        hidden_size=s.hidden,
        intermediate_size=s.intermediate,
        num_hidden_layers=s.n_layers,
        num_attention_heads=s.heads,
        num_key_value_heads=s.kv_heads,
        head_dim=s.head_size,
        tie_word_embeddings=s.tied,
    )


@pytest.mark.parametrize(
    ("preset", "count"),
    [
        ("mistral-7b", 7_241_732_096),
        ("llama-3.1-8b", 8_030_261_248),
        ("gemma-2-2b", 2_614_341_888),
        ("smollm2-135m", 134_515_008),
    ],
)
def test_sizes_are_those_of_transformers_own_models(preset: str, count: int) -> None:
    import transformers

    with torch.device("meta"):
        model = getattr(transformers, f"{KINDS[preset]}ForCausalLM")(config(preset))
    layers = [m for m in model.model.layers.modules() if isinstance(m, torch.nn.Linear)]
    shape = PRESETS[preset].shape
    assert sum(p.numel() for p in model.parameters()) == shape.parameters == count
    assert sum(m.weight.numel() for m in layers) == shape.linear
    states = config(preset)
    assert shape.cache_bytes("bfloat16", answers=3, tokens=5) == (
        3 * 5 * 2 * 2 * states.num_hidden_layers * states.num_key_value_heads * states.head_dim
    )


def test_the_small_preset_is_the_base_that_is_here(base: BaseModel) -> None:
    preset, own = PRESETS["smollm2-135m"], base.model.config
    s = preset.shape
    assert preset.base_model == base.id == DEFAULT_BASE
    assert (s.n_layers, s.hidden, s.intermediate) == (
        own.num_hidden_layers,
        own.hidden_size,
        own.intermediate_size,
    )
    assert s.parameters == sum(p.numel() for p in base.model.parameters())
    assert s.weight_bytes("float32") == sum(p.nbytes for p in base.model.parameters())
    made = Setup(preset).generator(REPO / "checkpoints" / preset.checkpoint)
    assert sum(t.numel() for t in made.network.state_dict().values()) == preset.network_parameters
    assert sum(p.numel() for p in made.encoder._model.parameters()) == preset.encoder_parameters
    assert made.encoder_name == preset.encoder


def test_networks_and_encoder_have_the_sizes_that_memory_is_computed_from() -> None:
    from transformers import GteConfig, GteModel

    sizes = {"vocab_size": 30528, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
    with torch.device("meta"):
        encoder = GteModel(GteConfig(**sizes, intermediate_size=4096, type_vocab_size=2))
    for name in PUBLISHED:
        preset, s = PRESETS[name], PRESETS[name].shape
        targets = {
            "self_attn.q_proj": (s.hidden, s.heads * s.head_size),
            "self_attn.v_proj": (s.hidden, s.kv_heads * s.head_size),
        }
        latent, head = (128, 512) if name == "mistral-7b" else (512, 2048)
        spec = LoRASpec(preset.base_model, s.n_layers, targets, 8, 16, use_rslora=True)
        with torch.device("meta"):
            network = T2L(T2LConfig(spec, 1024, "l", latent, head))
        assert sum(p.numel() for p in network.parameters()) == preset.network_parameters
        assert sum(p.numel() for p in encoder.parameters()) == preset.encoder_parameters


def test_four_bit_weights_take_what_bitsandbytes_stores() -> None:
    shape = Shape(1, 64, 128, 4, 2, 16, 100)
    linear = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 128
    assert shape.linear == linear
    # Half a byte each, four bytes for every 64; embeddings, head and norms in two bytes.
    assert shape.weight_bytes("4bit") == linear // 2 + linear // 64 * 4 + 2 * (2 * 100 * 64 + 3 * 64)


def rendered(preset: str, messages: list[dict[str, str]], generation: bool) -> str:
    bos, eos = SPECIAL[preset]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(PRESETS[preset].template)
    return template.render(messages=messages, add_generation_prompt=generation, bos_token=bos, eos_token=eos)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize("preset", PUBLISHED)
def test_the_references_templates_give_the_recorded_strings(preset: str) -> None:
    model = PRESETS[preset].base_model
    recorded, training = PROTOCOL["chat"][model], PROTOCOL["train_format"][model]
    for generation in (False, True):
        chats = {
            "sys_user": [user("Hello  there\nfriend ")],
            "sys_text_user": [{"role": "system", "content": "Be brief."}, user("Hi")],
        }
        for name, chat in chats.items():
            assert rendered(preset, chat, generation) == recorded[f"{name}.gen_prompt_{int(generation)}"]
        empty = {"role": "system", "content": ""}
        assert rendered(preset, [empty, user("Hi")], generation) == rendered(preset, [user("Hi")], generation)
    question = "Add the numbers. Please complete the task without any explanation.\n\n4 5"
    chat = [user(question), {"role": "assistant", "content": "9"}]
    assert rendered(preset, chat, False) == training["prompt"][0] + training["response"][0]
    # What `answer_ids` needs of a template: the answered chat begins with the prompt.
    assert rendered(preset, chat, False).startswith(rendered(preset, chat[:1], True))


@pytest.mark.parametrize("preset", PUBLISHED)
def test_a_template_in_place_of_the_stock_one_is_what_prompts_are_made_with(
    preset: str, base: BaseModel
) -> None:
    other = BaseModel.load(dtype="float32", device="cpu", template=PRESETS[preset].template)
    ids = other.prompt_ids([user("Hi")])
    text = other.tokenizer.decode(ids)
    assert text != base.tokenizer.decode(base.prompt_ids([user("Hi")])) and "Hi" in text
    assert base.tokenizer.chat_template != other.tokenizer.chat_template


def test_memory_is_said_before_anything_is_loaded_with_what_fits(monkeypatch) -> None:
    def load(*args: Any, **options: Any) -> None:
        raise AssertionError("the base must not be read")

    monkeypatch.setattr(BaseModel, "load", load)
    monkeypatch.setattr(presets, "free_bytes", lambda device: 8 * 10**9)
    for place, fits in (
        ("cuda", r"mistral-7b in 4bit \(5\.5 GB\).*gemma-2-2b in bfloat16 \(6\.2 GB\)"),
        ("cpu", "what fits: smollm2-135m"),
    ):
        monkeypatch.setattr(presets, "device_type", lambda device, place=place: place)
        with pytest.raises(
            T2LError, match=rf"llama-3\.1-8b in bfloat16 needs .* on {place} .*8\.0 GB .*{fits}"
        ):
            Setup(PRESETS["llama-3.1-8b"]).base()
    monkeypatch.setattr(presets, "free_bytes", lambda device: 10**8)
    with pytest.raises(T2LError, match="no preset fits; free some memory"):
        Setup(PRESETS["smollm2-135m"]).base()
    monkeypatch.setattr(presets, "free_bytes", lambda device: 10**12)
    with pytest.raises(AssertionError):
        Setup(PRESETS["llama-3.1-8b"]).base()


def test_what_is_loaded_already_is_not_counted_again_and_before_it_is_all_counts(monkeypatch) -> None:
    def load(*args: Any, **options: Any) -> None:
        raise AssertionError("nothing must be read")

    preset = PRESETS["smollm2-135m"]
    base_alone = preset.device_bytes("")
    monkeypatch.setattr(BaseModel, "load", load)
    monkeypatch.setattr(presets, "free_bytes", lambda device: base_alone)
    # Enough for the base, too little for what stands beside it.
    with pytest.raises(AssertionError):
        Setup(preset).base(device="cpu")
    monkeypatch.setattr(presets, "load_generator", load)
    with pytest.raises(T2LError, match=r"smollm2-135m in .* needs"):
        Studio(setup=Setup(preset), device="cpu").load()
    monkeypatch.setattr(presets, "free_bytes", lambda device: 10**8)
    assert main(["compare", "Sort the words.", "b a", "--preset", "smollm2-135m", "--device", "cpu"]) == 2


def published(folder: Path, preset: str) -> Path:
    """A small random checkpoint in the published format for the base of a preset, which knows two tasks."""
    torch.manual_seed(0)
    targets = {"self_attn.q_proj": (16, 16), "self_attn.v_proj": (16, 8)}
    spec = LoRASpec(PRESETS[preset].base_model, 2, targets, 8, 16, use_rslora=True)
    network = T2L(T2LConfig(spec, 2, "l", 16, 8))
    write_checkpoint(folder, network, use_one_hot_task_emb=True)
    return folder


def test_both_scalings_are_selectable_and_recorded(tmp_path: Path, capsys) -> None:
    folder = published(tmp_path / "checkpoint", "mistral-7b")
    stories, sizes = {}, {}
    for name, scaling in (("trained", 16 / 8**0.5), ("tables", 2.0)):
        out = tmp_path / name
        args = ["generate", "lol_001", "--checkpoint", str(folder), "--preset", "mistral-7b"]
        assert main([*args, "--scaling", name, "--out", str(out), "--chat-template", "reference"]) == 0
        stories[name] = json.loads((out / "t2l.json").read_text())
        peft = json.loads((out / "adapter_config.json").read_text())
        assert stories[name]["scaling"] == pytest.approx(scaling)
        assert peft["use_rslora"] == (name == "trained") and peft["lora_alpha"] == 16
        setup = stories[name]["setup"]
        assert setup["preset"] == "mistral-7b" and setup["scaling"].startswith(f"{name}: ")
        assert setup["chat_template"].startswith("reference: ")
        sizes[name] = (out / "adapter_model.safetensors").read_bytes()
    # The same numbers, multiplied otherwise: two adapters with ids of their own.
    assert sizes["trained"] == sizes["tables"]
    assert stories["trained"]["id"] != stories["tables"]["id"]
    assert stories["trained"]["generator_id"] != stories["tables"]["generator_id"]


def test_what_a_preset_chose_survives_the_folder(tmp_path: Path) -> None:
    from t2l.adapter import Adapter
    from t2l.card import render
    from t2l.studio import Studio

    folder = published(tmp_path / "checkpoint", "gemma-2-2b")
    setup = Setup(PRESETS["gemma-2-2b"], "tables")
    studio = Studio(str(folder), setup=setup, shelf=tmp_path / "shelf")
    made = studio.describe("lol_002")
    again = Adapter.load(made.path)
    # Another checkpoint than the preset's own is part of what was chosen.
    chosen = setup.story() | {"checkpoint": "checkpoint"}
    assert again.setup == made.adapter.setup == chosen and again.id == made.adapter.id
    card = render(again, "you/t2l-count")
    assert (
        "t2l generate --chat-template stock --checkpoint checkpoint --preset gemma-2-2b --scaling tables "
        "--out adapter lol_002" in card
    )
    assert "- scaling: tables: alpha/r, with which" in card and "- chat template: stock: the base" in card
    plain = Studio(str(folder), shelf=tmp_path / "shelf").describe("lol_002").adapter
    assert not plain.setup and plain.spec.use_rslora and not again.spec.use_rslora
    story = json.loads((made.path / "t2l.json").read_text())
    (made.path / "t2l.json").write_text(json.dumps({**story, "setup": {"preset": ["x"]}}))
    with pytest.raises(T2LError, match="setup is not told rightly"):
        Adapter.load(made.path)


def test_a_preset_downloads_its_own_checkpoint(tmp_path: Path, monkeypatch) -> None:
    import huggingface_hub

    folder, asked = published(tmp_path / "checkpoint", "llama-3.1-8b"), set()

    def download(repo: str, name: str, *, subfolder: str | None) -> str:
        asked.add((repo, subfolder))
        return str(folder / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    made = Setup(PRESETS["llama-3.1-8b"]).generator()
    assert asked == {("SakanaAI/text-to-lora", "trained_t2l/llama_8b_t2l")}
    assert made.spec.base_model == "meta-llama/Llama-3.1-8B-Instruct" and made.spec.use_rslora


def test_rescaling_leaves_the_generator_itself_as_it_is(tmp_path: Path) -> None:
    made = load_generator(published(tmp_path, "mistral-7b"))
    other = made.rescaled(use_rslora=False)
    assert isinstance(other, Generator) and made.spec.use_rslora and not other.spec.use_rslora
    assert other.id != made.id and other.rescaled(use_rslora=True).id == made.id
    one, two = (g.generate(["lol_001"])[0] for g in (made, other))
    assert torch.equal(one.A["self_attn.q_proj"], two.A["self_attn.q_proj"])
    assert (one.spec.scaling, two.spec.scaling) == (pytest.approx(16 / 8**0.5), 2)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (
            ["--preset", "gpt-5"],
            "no preset 'gpt-5'; choose mistral-7b, llama-3.1-8b, gemma-2-2b, smollm2-135m",
        ),
        (
            ["--preset", "mistral-7b", "--scaling", "double"],
            "scaling 'double' is unknown; choose trained or tab",
        ),
        (
            ["--preset", "mistral-7b", "--chat-template", "x"],
            "template 'x' is unknown; choose stock or refer",
        ),
        (["--scaling", "tables"], "belongs to a preset"),
        (["--preset", "smollm2-135m", "--scaling", "tables"], "smollm2-135m has the scaling trained alone"),
        (["--preset", "mistral-7b"], "out of reach"),
        (
            ["--preset", "mistral-7b", "--checkpoint", "smollm2-135m-t2l-m"],
            "is for HuggingFaceTB/SmolLM2-135M-Instruct, but the preset mistral-7b is mistralai/Mistral",
        ),
    ],
)
def test_choices_that_cannot_be_are_refused(options: list[str], named: str, tmp_path: Path, capsys) -> None:
    assert main(["generate", "Sort.", "--out", str(tmp_path / "out"), *options]) == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_default_preset_gives_the_default_adapter(tmp_path: Path, capsys) -> None:
    for name, options in (("plain", []), ("preset", ["--preset", "smollm2-135m"])):
        assert main(["generate", "Sort the words.", "--out", str(tmp_path / name), *options]) == 0
    one, two = ((tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("plain", "preset"))
    assert one == two


def test_a_restricted_base_without_rights_is_told_where_to_ask(monkeypatch) -> None:
    monkeypatch.setattr(presets, "free_bytes", lambda device: 10**12)
    with pytest.raises(
        T2LError, match=r"gemma-2-2b-it' cannot be loaded.*restricted: ask for it on its Hub page"
    ):
        Setup(PRESETS["gemma-2-2b"]).base(device="cpu")
    with pytest.raises(T2LError, match="at least two GPUs"):
        Setup(PRESETS["mistral-7b"]).base(device="split")


def test_the_memory_table_is_printed_and_computed(capsys) -> None:
    assert main(["doctor", "--presets", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1])["presets"] == table()
    mistral = table()[0]
    assert (mistral["weights_bfloat16"], mistral["cache"]) == (14.48, 0.54)
    assert mistral["device_bfloat16"] == pytest.approx(14.48 + 0.54 + 0.54, abs=0.02)


def test_the_table_of_the_docs_is_the_computed_one() -> None:
    text = (REPO / "docs" / "bases.md").read_text(encoding="utf-8")
    for row in table():
        numbers = [row[f"device_{kind}"] for kind in ("float32", "bfloat16", "4bit")] + [row["host"]]
        cells = [row["preset"], *(f"{number:.2f}" for number in numbers), "yes" if row["gated"] else "no"]
        assert f"| {' | '.join(cells)} |" in text


def test_the_commands_of_the_docs_are_legal() -> None:
    text = (REPO / "docs" / "bases.md").read_text(encoding="utf-8")
    lines = [
        line for block in re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S) for line in block.splitlines()
    ]
    for line in lines:
        program, *args = shlex.split(line)
        parser = command_line if program == "t2l" else app_command_line
        assert parser().parse_args(args if program == "t2l" else args[1:])
    assert len(lines) >= 4


def test_the_app_takes_presets_by_flag_and_variable(monkeypatch, capsys) -> None:
    monkeypatch.setenv("T2L_PRESET", "gemma-2-2b")
    monkeypatch.setenv("T2L_SCALING", "tables")
    args = app_command_line().parse_args([])
    assert (args.preset, args.scaling, args.chat_template) == ("gemma-2-2b", "tables", "")
    assert app_command_line().parse_args(["--preset", "mistral-7b"]).preset == "mistral-7b"
    for options, named in (
        (["--preset", "gpt-5"], "no preset 'gpt-5'"),
        (["--scaling", "x"], "'x' is unknown"),
    ):
        assert app_main(options) == 2
        assert named in capsys.readouterr().err


def test_a_restricted_checkpoint_without_rights_is_told_where_to_ask(monkeypatch) -> None:
    import httpx
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    def download(repo: str, name: str, *, subfolder: str | None) -> str:
        request = httpx.Request("GET", f"http://localhost/{repo}/{name}")
        raise GatedRepoError("403 Client Error.", response=httpx.Response(403, request=request))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(
        T2LError, match=r"access to SakanaAI/text-to-lora is restricted; ask for it on its Hub page"
    ):
        Setup(PRESETS["mistral-7b"]).generator()
