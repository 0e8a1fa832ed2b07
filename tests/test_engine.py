"""Decoding: the tokens of `generate`, whatever shares the batch; nothing left behind, however it stops."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

import t2l.engine
from t2l.adapter import Adapter
from t2l.attach import attached
from t2l.base import BaseModel
from t2l.engine import Decoding, Engine, _Row, _State, decode
from t2l.errors import T2LError
from t2l.lora import LoRASpec, LoRAWeights, stack

TARGETS = ["self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"]
WORDS = ["Eins zwei", "Say yes or no, but in a long and winding sentence.", "Ä", "Counting: 1 2 3 4 5 6 7 8"]
GREEDY = Decoding(max_new_tokens=12)


def tiny_base(base: BaseModel, kind: str, **changes: Any) -> BaseModel:
    """A random model of one architecture with the vocabulary of the embedded base."""
    import transformers

    # Large weights, so that greedy tokens vary; sliding windows shorter than the prompts.
    settings = {
        "vocab_size": len(base.tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 64,
        "initializer_range": 0.5,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
        "tie_word_embeddings": False,
        "attn_implementation": "eager",
        **({"sliding_window": 6} if kind in ("Gemma2", "Mistral") else {}),
        **changes,
    }
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**settings)
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval().requires_grad_(False)
    return BaseModel(f"tiny/{kind}", "random", model, base.tokenizer)


@pytest.fixture
def tiny(base: BaseModel) -> BaseModel:
    return tiny_base(base, "Llama")


def adapters(base: BaseModel, n: int, size: float = 0.3, targets: Sequence[str] = TARGETS) -> LoRAWeights:
    generator = torch.Generator().manual_seed(0)
    zeros = base.spec(targets, rank=4, alpha=8).zeros(n)
    return zeros.map(lambda t: torch.randn(t.shape, generator=generator) * size)


def ids(base: BaseModel, texts: Sequence[str] = WORDS) -> list[list[int]]:
    return [base.tokenizer(text)["input_ids"] for text in texts]


def last(texts: Iterator[list[str]]) -> list[str]:
    *_, final = texts
    return final


def generated(base: BaseModel, prompt: list[int], **settings: Any) -> str:
    """What transformers' own `generate` answers to one prompt."""
    tokens = torch.tensor([prompt])
    settings = {"max_new_tokens": 12, "do_sample": False, **settings}
    with torch.no_grad():
        made = base.model.generate(tokens, attention_mask=torch.ones_like(tokens), **settings)
    new = made[0, len(prompt) :].tolist()
    # `generate` gives the token that ended it as well.
    return base.tokenizer.decode(new[:-1] if new[-1] in base.eos_ids else new, skip_special_tokens=True)


def untouched(base: BaseModel) -> bool:
    return not any(module._forward_hooks for module in base.model.modules())


@pytest.mark.parametrize("kind", ["Llama", "Gemma2", "Qwen3", "Mistral"])
def test_a_batch_gives_the_tokens_of_generate_one_by_one(base: BaseModel, kind: str) -> None:
    tiny = tiny_base(base, kind)
    prompts = ids(tiny)
    assert len({len(prompt) for prompt in prompts}) == 4
    for settings in ({}, {"repetition_penalty": 1.5}):
        expected = [generated(tiny, prompt, **settings) for prompt in prompts]
        assert len(set(expected)) == 4 and all(len(set(text)) > 5 for text in expected)
        assert last(decode(tiny, prompts, None, Decoding(max_new_tokens=12, **settings))) == expected


def test_the_embedded_base_answers_a_batch_as_generate_does(base: BaseModel) -> None:
    questions = ["What is the capital of France?", "Hi", "toaster"]
    prompts = [base.prompt_ids([{"role": "user", "content": text}]) for text in questions]
    expected = [generated(base, prompt) for prompt in prompts]
    zeros = base.spec(TARGETS).zeros(3)
    assert last(decode(base, prompts, zeros, GREEDY)) == expected
    assert "Paris" in expected[0]


def test_rows_with_different_adapters_answer_as_each_alone(tiny: BaseModel) -> None:
    prompts, made = ids(tiny), adapters(tiny, 3)
    weights = stack([tiny.spec(TARGETS, 4, 8).zeros(), *(made[index] for index in range(3))])
    together = last(decode(tiny, prompts, weights, GREEDY))
    alone = [last(decode(tiny, [prompt], weights[i : i + 1], GREEDY))[0] for i, prompt in enumerate(prompts)]
    plain = last(decode(tiny, prompts, None, GREEDY))
    assert together == alone and together[0] == plain[0]
    assert all(one != other for one, other in zip(together[1:], plain[1:], strict=True))
    # The same four answers from a smaller stack whose adapters are shared by rows, and from one for all.
    rows = [2, 1, 2, 0]
    shared = last(decode(tiny, prompts, weights, GREEDY, rows))
    pairs = zip(prompts, rows, strict=True)
    assert shared == [last(decode(tiny, [prompt], weights[row], GREEDY))[0] for prompt, row in pairs]
    assert last(decode(tiny, prompts, weights[1], GREEDY))[1] == together[1]


@pytest.mark.parametrize("kind", ["Llama", "Gemma2", "Mistral"])
def test_a_common_start_is_read_once_for_each_adapter_and_changes_no_answer(
    base: BaseModel, kind: str
) -> None:
    tiny, read = tiny_base(base, kind), []
    # Starts and rests of different lengths; the third prompt of the first adapter is its start alone.
    starts = ["You are an assistant that answers with the result alone.", "Turn the words around. Input:"]
    prompts = ids(
        tiny, [starts[i] + word for i in (0, 1) for word in (" house", " the old tree", "", " a b c")]
    )
    rows = [0] * 4 + [1] * 4
    weights = adapters(tiny, 2)
    alone = [
        last(decode(tiny, [prompt], weights[i], GREEDY))[0] for prompt, i in zip(prompts, rows, strict=True)
    ]
    handle = tiny.model.model.register_forward_pre_hook(
        lambda _, args, kwargs: read.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    assert last(decode(tiny, prompts, weights, GREEDY, rows)) == alone
    handle.remove()
    if kind == "Llama":
        assert read[0][0] == 2 and read[1][0] == 8 and read[1][1] < 8
    else:
        # In a window, padding behind the start would push out what should be seen.
        assert read[0][0] == 8
    assert len(set(alone)) > 4


@pytest.mark.parametrize("kind", ["Llama", "Gemma2", "Qwen3", "Mistral"])
def test_long_prompts_are_read_in_pieces_and_change_no_answer(
    base: BaseModel, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = tiny_base(base, kind)
    # The longest ends with a piece of one token.
    prompts = [(prompt * 3)[:length] for prompt, length in zip(ids(tiny), (4, 16, 1, 9), strict=True)]
    expected = [generated(tiny, prompt) for prompt in prompts]
    weights, rows = adapters(tiny, 2), [0, 1, 1, 0]
    together = [ids(tiny)[1] + prompt for prompt in prompts]
    adapted = last(decode(tiny, together, weights, GREEDY, rows))
    monkeypatch.setattr(t2l.engine, "_PIECE", 5)
    texts = list(decode(tiny, prompts, None, GREEDY))
    assert texts[-1] == expected
    # A window takes all at once.
    pieces = 3 if kind in ("Llama", "Qwen3") else 0
    assert texts[:pieces] == [[""] * 4] * pieces and any(texts[pieces])
    assert last(decode(tiny, together, weights, GREEDY, rows)) == adapted


@pytest.mark.parametrize("kind", ["Llama", "Qwen3", "Mistral"])
def test_steps_in_bfloat16_have_the_logits_of_the_model_itself(base: BaseModel, kind: str) -> None:
    tiny = tiny_base(base, kind, attn_implementation="sdpa", initializer_range=0.2)
    tiny.model.to(torch.bfloat16)
    rows = [_Row(tiny, ids(tiny)[1], GREEDY) for _ in range(2)]
    state = _State(tiny, rows, None, None)
    found = (logits for logits in state.steps() if logits is not None)
    for step, logits in zip(range(4), found, strict=False):
        # A window hides what is older than itself, so that no mask of ours may stand there.
        assert (state.unmasked is None) is (kind == "Mistral")
        with torch.inference_mode():
            expected = tiny.model(torch.tensor([row.prompt + row.new for row in rows])).logits[:, -1].float()
        torch.testing.assert_close(logits, expected, atol=0.02 * float(expected.abs().max()), rtol=0)
        for row in rows:
            row.new.append(5 + step)


def test_an_ended_row_leaves_the_batch_while_the_others_go_on(base: BaseModel) -> None:
    tiny = tiny_base(base, "Gemma2")
    prompts, sizes, tokens = ids(tiny), [], []
    for prompt in prompts:
        with torch.no_grad():
            made = tiny.model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False)
        tokens.append(made[0, len(prompt) :].tolist())
    # Rows 0 and 2 end early, each at a token of its own that the others never say.
    ends = [
        next(t for t in tokens[row][at:] if sum(t in other for other in tokens) == 1)
        for row, at in ((0, 2), (2, 5))
    ]
    tiny.model.generation_config.eos_token_id = [2, *ends]
    expected = [generated(tiny, prompt) for prompt in prompts]
    weights = adapters(tiny, 4).scale(0)
    handle = tiny.model.lm_head.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
    assert last(decode(tiny, prompts, weights, GREEDY)) == expected
    handle.remove()
    lengths = [next((at for at, t in enumerate(row) if t in ends), 11) for row in tokens]
    assert lengths[0] < 11 and lengths[2] < 11 and lengths[1] == lengths[3] == 11
    assert sizes == [sum(at <= length for length in lengths) for at in range(12)]


def test_texts_only_grow_and_end_at_the_most_new_tokens(tiny: BaseModel) -> None:
    prompt = ids(tiny)[1]
    for most in (1, 3):
        assert last(decode(tiny, [prompt], None, Decoding(most))) == [
            generated(tiny, prompt, max_new_tokens=most)
        ]
    steps = [texts[0] for texts in decode(tiny, [prompt], None, GREEDY)]
    assert all(later.startswith(earlier) for earlier, later in pairwise(steps))
    assert len(set(steps)) > 6


def test_an_answer_ends_where_the_context_does(tiny: BaseModel) -> None:
    prompt = (ids(tiny)[1] * 10)[:60]
    assert last(decode(tiny, [prompt], None, GREEDY)) == [generated(tiny, prompt, max_new_tokens=4)]
    with pytest.raises(T2LError, match="64 tokens; tiny/Llama reads at most 63"):
        last(decode(tiny, [[5], [5] * 64], None, GREEDY))
    # A long row's end is none of the others'.
    short = ids(tiny)[1]
    texts = last(decode(tiny, [prompt, short], None, GREEDY))
    assert texts == [generated(tiny, prompt, max_new_tokens=4), generated(tiny, short)]


@pytest.mark.parametrize(
    "decoding", [GREEDY, Decoding(12, temperature=1), Decoding(12, top_p=0.5, temperature=1)]
)
def test_an_adapter_whose_numbers_overflow_is_refused_in_words(tiny: BaseModel, decoding: Decoding) -> None:
    huge = adapters(tiny, 1).map(lambda t: torch.full_like(t, 1e30))
    weights = stack([tiny.spec(TARGETS, 4, 8).zeros(), huge[0]])
    with pytest.raises(T2LError, match="overflow"):
        last(decode(tiny, ids(tiny)[:2], weights, decoding))


@pytest.mark.parametrize("rows", [[], [[]], [[5], []]])
def test_prompts_without_tokens_are_refused(tiny: BaseModel, rows: list[list[int]]) -> None:
    with pytest.raises(T2LError):
        last(decode(tiny, rows, None, GREEDY))


def test_as_many_adapters_as_prompts_are_asked_for(tiny: BaseModel) -> None:
    with pytest.raises(T2LError, match="2 prompts need one adapter each, not 3"):
        last(decode(tiny, ids(tiny)[:2], adapters(tiny, 3), GREEDY))


def fed(base: BaseModel, text: str, **settings: Any) -> tuple[list[str], _Row]:
    """The texts shown while a model says exactly `text`, and the row itself, not ended by us."""
    row, shown = _Row(base, [5], Decoding(**settings)), []
    for token in base.tokenizer(text)["input_ids"]:
        if row.ended:
            break
        scores = torch.zeros(len(base.tokenizer))
        scores[token] = 1
        row.take(scores)
        shown.append(row.text)
    return shown, row


@pytest.mark.parametrize("text", ["I 🤖 like 👩\u200d🚀!", "日本語テキスト", "ñ é ü", "עברית 🇮🇱 x"])
def test_half_a_character_is_never_shown(base: BaseModel, text: str) -> None:
    shown, row = fed(base, text)
    assert len(shown) > len(set(shown)) or len(shown) < len(text)
    assert all(text.startswith(part) for part in shown)
    row.end()
    assert row.text == text


def test_byte_fallback_takes_no_shown_character_back(base: BaseModel) -> None:
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    # As Llama 2's and Mistral's: a run of bytes that is no whole text becomes U+FFFD in all its parts.
    vocabulary = ["<unk>", "</s>", "▁", "a", "b", *(f"<0x{byte:02X}>" for byte in range(256))]
    numbers = {token: number for number, token in enumerate(vocabulary)}
    made = Tokenizer(models.BPE(numbers, [], unk_token="<unk>", byte_fallback=True))
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>")
    base = BaseModel("tiny", "random", base.model, tokenizer)
    shown, row = fed(base, "a🤖🧵b")
    assert shown == ["a"] * 4 + ["a🤖"] * 4 + ["a🤖🧵", "a🤖🧵b"] and not row.ended
    shown, row = fed(base, "a🤖🧵")
    row.new.pop()
    row.text = shown[-2]
    row.end()
    assert row.text == "a🤖\ufffd"


def test_an_answer_cut_within_a_character_shows_that_it_was(base: BaseModel) -> None:
    row = _Row(base, [5], Decoding())
    scores = torch.zeros(len(base.tokenizer))
    scores[base.tokenizer("🤖")["input_ids"][0]] = 1
    row.take(scores)
    assert row.text == ""
    row.end()
    assert row.text == "\ufffd"


def test_a_stop_string_ends_the_answer_before_it(base: BaseModel) -> None:
    shown, row = fed(base, "one two\n\nQuestion: three", stop=("\n\nQuestion:", "four"))
    assert row.ended and row.text == "one two" == shown[-1]
    assert all("one two".startswith(part) for part in shown)
    _, row = fed(base, "one two three", stop=("three", "two"))
    assert row.text == "one "


def test_the_start_of_a_stop_string_waits_and_is_shown_when_it_was_none(base: BaseModel) -> None:
    shown, row = fed(base, "The END of it", stop=("END now",))
    assert not any(part.endswith(("E", "EN", "END", "END ")) for part in shown)
    assert row.text == "The END of it" and not row.ended
    _, row = fed(base, "The END", stop=("END now",))
    assert row.text == "The "
    row.end()
    assert row.text == "The END"


def test_the_token_that_ends_an_answer_is_not_shown(base: BaseModel) -> None:
    _, row = fed(base, "yes<|im_end|>no")
    assert row.ended and row.text == "yes"


def test_a_seed_repeats_and_columns_differ_by_their_adapter_alone(tiny: BaseModel) -> None:
    prompt = ids(tiny)[1]

    def sampled(n: int, seed: int = 3, **settings: Any) -> list[str]:
        settings = {"max_new_tokens": 12, "temperature": 1.5, **settings}
        return last(decode(tiny, [prompt] * n, None, Decoding(seed=seed, **settings)))

    first = sampled(3)
    assert len(set(first)) == 1 and first == sampled(3) and sampled(1) == first[:1]
    assert sampled(1, seed=4) != first[:1]
    greedy = last(decode(tiny, [prompt], None, GREEDY))
    assert (
        sampled(1, top_k=1) == sampled(1, top_p=1e-6) == sampled(1, temperature=0.01) == greedy != first[:1]
    )
    changed = last(
        decode(tiny, [prompt] * 2, adapters(tiny, 2), Decoding(max_new_tokens=12, temperature=1.5, seed=3))
    )
    assert len({*changed, first[0]}) == 3


@pytest.mark.parametrize(
    "values",
    [
        {"max_new_tokens": 0},
        {"max_new_tokens": 10**6},
        {"max_new_tokens": 1.5},
        {"max_new_tokens": True},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        pytest.param({"temperature": 10**400}, id="temperature of 401 digits"),
        {"temperature": 1e-40},
        {"temperature": "1"},
        {"top_p": 0},
        {"top_p": 1.1},
        {"top_k": -1},
        {"repetition_penalty": 0},
        {"seed": -1},
        {"seed": 2**63},
        {"stop": ("",)},
        {"stop": (5,)},
        {"stop": "END"},
        {"stop": None},
    ],
    ids=str,
)
def test_values_that_cannot_work_are_refused_by_name(values: dict) -> None:
    with pytest.raises(T2LError, match=f"^{next(iter(values))} must be"):
        Decoding(**values)


def test_stop_texts_are_few_and_short() -> None:
    assert Decoding(stop=("x" * 200,) * 16)
    with pytest.raises(T2LError, match="17 stop texts were given; the most is 16"):
        Decoding(stop=("x",) * 17)
    with pytest.raises(T2LError, match="A stop text of 201 characters was given; the most is 200"):
        Decoding(stop=("x", "y" * 201))


CHATS = [[{"role": "user", "content": text}] for text in ("toaster", "Hi")]


@pytest.fixture
def engine(base: BaseModel) -> Engine:
    # The chat template alone takes some 30 tokens.
    return Engine(tiny_base(base, "Llama", max_position_embeddings=256))


def test_the_engine_streams_what_decode_gives(engine: Engine) -> None:
    base, weights = engine.base, adapters(engine.base, 2)
    prompts = [base.prompt_ids(chat) for chat in CHATS]
    assert list(engine.stream(CHATS, weights, GREEDY)) == list(decode(base, prompts, weights, GREEDY))
    assert untouched(base)


def test_a_stream_closed_midway_leaves_nothing_and_the_next_is_answered(engine: Engine) -> None:
    weights = adapters(engine.base, 2)
    expected = last(engine.stream(CHATS, weights, GREEDY))
    steps = []

    def slowly(*_: object) -> None:
        steps.append(1)
        time.sleep(0.02)

    handle = engine.base.model.lm_head.register_forward_pre_hook(slowly)
    stream = engine.stream(CHATS, weights, Decoding(max_new_tokens=200))
    next(stream), next(stream)
    stream.close()
    before = len(steps)
    time.sleep(0.2)
    # The one that it was at, if that.
    assert len(steps) - before <= 1 and before < 200
    # Nor does the idle thread keep what the request brought.
    kept = weakref.ref(adapter := adapters(engine.base, 2).scale(0.5))
    stream = engine.stream(CHATS, adapter, Decoding(max_new_tokens=200))
    next(stream), stream.close()
    del stream, adapter
    deadline = time.monotonic() + 20
    while kept() is not None and time.monotonic() < deadline:
        time.sleep(0.05)
        gc.collect()
    assert kept() is None
    assert last(engine.stream(CHATS, weights, GREEDY)) == expected
    handle.remove()
    assert untouched(engine.base)


def test_an_error_in_the_engines_thread_reaches_the_caller_and_harms_nobody_else(engine: Engine) -> None:
    weights = adapters(engine.base, 2)
    expected = last(engine.stream(CHATS, weights, GREEDY))
    other = LoRASpec("other/base", 4, {"self_attn.q_proj": (32, 31)}, 4, 8).zeros(2)
    with pytest.raises(T2LError, match="it was made for another base"):
        last(engine.stream(CHATS, other, GREEDY))
    with pytest.raises(T2LError, match="NaN"):
        last(engine.stream(CHATS, weights.scale(3e38).scale(3e38), GREEDY))
    with pytest.raises(T2LError, match="reads at most 256"):
        last(engine.stream([[{"role": "user", "content": "word " * 300}]], weights[:1], GREEDY))
    handle = engine.base.model.model.norm.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        last(engine.stream(CHATS, weights, GREEDY))
    handle.remove()
    assert last(engine.stream(CHATS, weights, GREEDY)) == expected and untouched(engine.base)


def test_requests_from_several_threads_get_what_they_get_alone(engine: Engine) -> None:
    made = adapters(engine.base, 4)
    chat = CHATS[:1]
    alone = [last(engine.stream(chat, made[i : i + 1], GREEDY)) for i in range(4)]
    assert len({text for (text,) in alone}) == 4
    together: dict[int, list[list[str]]] = {index: [] for index in range(4)}
    start = threading.Barrier(4)

    def ask(index: int) -> None:
        start.wait()
        for _ in range(3):
            together[index].append(last(engine.stream(chat, made[index : index + 1], GREEDY)))

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(texts == [alone[index]] * 3 for index, texts in together.items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_strength_zero_is_the_base_bit_for_bit(base: BaseModel, dtype: torch.dtype) -> None:
    tiny = tiny_base(base, "Llama")
    tiny.model.to(dtype)
    made = adapters(tiny, 3)
    tokens = torch.tensor([ids(tiny)[1]] * 3)
    with torch.inference_mode():
        alone = tiny.model(tokens).logits
        with attached(tiny.model, made.scale([0, 1, -1])):
            logits = tiny.model(tokens).logits
    assert torch.equal(logits[0], alone[0])
    assert not torch.equal(logits[1], alone[1]) and not torch.equal(logits[1], logits[2])


@pytest.mark.parametrize(
    "strengths", [[1.0], [float("nan"), 1], [None, 1], ["2", 1], [True, 1], [10**400, 1], [-1e39, 1]]
)
def test_strengths_that_cannot_be_are_refused(strengths: list) -> None:
    weights = LoRASpec("some/base", 2, {"mlp.up_proj": (4, 4)}, 2, 2).zeros(2)
    with pytest.raises(T2LError, match=r"Strength must be|1 strengths were given"):
        weights.scale(strengths)


def test_more_than_eight_columns_are_refused(engine: Engine) -> None:
    with pytest.raises(T2LError, match="9 columns"):
        next(engine.stream(CHATS[:1] * 9, adapters(engine.base, 9), GREEDY))


def test_twenty_threads_with_an_adapter_each_get_what_they_get_alone(engine: Engine) -> None:
    made = adapters(engine.base, 20)
    alone = [last(engine.stream(CHATS[:1], made[i : i + 1], GREEDY)) for i in range(20)]
    assert len({text for (text,) in alone}) > 15
    together: dict[int, list[str]] = {}
    start = threading.Barrier(20)

    def ask(index: int) -> None:
        start.wait()
        together[index] = last(engine.stream(CHATS[:1], made[index : index + 1], GREEDY))

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[index] for index in range(20)] == alone


def test_fifty_requests_of_which_half_are_cancelled_serve_the_other_half(engine: Engine) -> None:
    made = adapters(engine.base, 2)
    expected = last(engine.stream(CHATS, made, GREEDY))
    answers: list[list[str]] = []
    start = threading.Barrier(50)

    def ask(index: int) -> None:
        start.wait()
        stream = engine.stream(CHATS, made, GREEDY)
        if index % 2:
            answers.append(last(stream))
        else:
            next(stream)
            stream.close()

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 25
    assert last(engine.stream(CHATS, made, GREEDY)) == expected and untouched(engine.base)


def test_a_short_answer_does_not_wait_for_a_long_one(engine: Engine) -> None:
    made = adapters(engine.base, 1)
    long = engine.stream(CHATS[:1], made, Decoding(max_new_tokens=180))
    next(long)
    short = list(engine.stream(CHATS[1:], made, Decoding(max_new_tokens=4)))
    left = list(long)
    # The long one grew meanwhile, and goes on.
    assert len(short) <= 6 and len(left) > 20


def test_memory_stays_flat_over_two_hundred_adapters(engine: Engine) -> None:
    import psutil

    base = engine.base
    spec = base.spec(TARGETS, rank=64, alpha=64)

    def use(number: int) -> None:
        weights = spec.zeros(2).map(lambda t: torch.randn(t.shape) * 0.01)
        last(engine.stream(CHATS, weights, Decoding(max_new_tokens=2, seed=number)))

    for number in range(20):
        use(number)
    process = psutil.Process()
    before = process.memory_info().rss
    for number in range(200):
        use(number)
    # Each stack has half a megabyte; two hundred of them kept would be a hundred.
    assert process.memory_info().rss - before < 25e6


def test_after_a_fork_the_engine_answers_in_the_child(engine: Engine) -> None:
    import os
    import warnings

    made = adapters(engine.base, 2)
    expected = last(engine.stream(CHATS, made, GREEDY))
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python warns of forks in a process with threads; that it works nevertheless is what is shown here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        os.write(writer, "\0".join(last(engine.stream(CHATS, made, GREEDY))).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as stream:
        assert stream.read().split("\0") == expected
    assert os.waitpid(child, 0)[1] == 0
    assert last(engine.stream(CHATS, made, GREEDY)) == expected


def test_transformers_pipeline_with_the_saved_adapter_gives_the_engines_answer(
    base: BaseModel, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, pipeline

    made = adapters(base, 1, size=0.02)[0]
    Adapter(made, "Any task.", "some-generator", "0").save(tmp_path / "adapter")
    chat = [{"role": "user", "content": "Name three colours."}]
    streams = Engine(base).stream([chat], made, Decoding(max_new_tokens=20))
    plain = AutoModelForCausalLM.from_pretrained(base.model.config._name_or_path, dtype=torch.float32)
    model = PeftModel.from_pretrained(plain, tmp_path / "adapter").merge_and_unload()
    answer = pipeline("text-generation", model=model, tokenizer=base.tokenizer)
    settings = {"max_new_tokens": 20, "do_sample": False, "return_full_text": False}
    [[written]] = answer([chat], **settings)
    assert last(streams) == [written["generated_text"]]
