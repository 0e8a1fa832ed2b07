"""The model card: valid front matter, hostile text shown as it stands, snippets that parse, no clock."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import replace
from typing import Any

import pytest
import yaml
from test_adapter import adapter, randomly

from t2l.card import LICENSES, Measured, Sample, Told, license_of, render
from t2l.cli import _parser
from t2l.errors import T2LError
from t2l.hub import repo_files
from t2l.lora import LoRASpec

BASE, REPO_ID = "HuggingFaceTB/SmolLM2-135M-Instruct", "me/t2l-sort"
HOSTILE = [
    "---\nlicense: mit\n---",
    "```\n# Heading\n<script>alert(1)</script>",
    "````text\n~~~\n```",
    "{{ 7*7 }} {% for x in y %} ${base} $base $front %s {0}",
    '\'; rm -rf / # "$(id)" `id` \\',
    "-5 is negative, --out elsewhere",
    "| a | b |\n| --- | --- |\n<!-- <img src=x onerror=alert(1)> [a](javascript:b)",
    "Schreibe café 👩‍🚀 اكتب \u2028 next",
]


def made(base: str = BASE, rank: int = 8, **changes: Any):
    spec = LoRASpec(base, 2, {"self_attn.q_proj": (6, 5), "mlp.down_proj": (7, 6)}, rank, 16)
    return adapter(weights=randomly(spec), **changes)


def parts(card: str) -> tuple[dict[str, Any], str]:
    _, front, body = card.split("---\n", 2)
    return yaml.safe_load(front), body


def blocks(body: str) -> list[tuple[str, str]]:
    """Language and text of every fenced block, by CommonMark's rule: a fence ends at one as long."""
    found = re.findall(r"^(`{3,})(\w+)\n(.*?)\n\1$", body, re.MULTILINE | re.DOTALL)
    return [(language, text) for _, language, text in found]


def test_the_front_matter_says_what_the_hub_reads() -> None:
    front, body = parts(render(made(), REPO_ID))
    assert front == {
        "base_model": BASE,
        "base_model_relation": "adapter",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "license": "apache-2.0",
        "tags": ["text-to-lora", "lora", f"base_model:adapter:{BASE}"],
    }
    assert "# Sort the words.\n" in body and "Nothing: it was not evaluated" in body
    assert "Notes" not in body and "sample" not in body and "Built with" not in body


def test_the_hubs_own_client_reads_the_card() -> None:
    from huggingface_hub import ModelCard

    card = ModelCard(render(made(), REPO_ID))
    assert card.data.base_model == BASE and card.data.license == "apache-2.0"
    assert card.data.to_dict()["base_model_relation"] == "adapter"


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_stranger_changes_nothing_but_its_own_block(text: str) -> None:
    plain = render(made(), REPO_ID, Told(notes="n", sample=Sample("a", "b", "c")))
    told = Told(notes=text, sample=Sample(text, text, text), likeness=text)
    card = render(made(condition=text), REPO_ID, told)
    front, body = parts(card)
    assert front == parts(plain)[0]
    shown = "\n".join(text.splitlines())
    assert [block for block in blocks(body) if block == ("text", shown)] == [("text", shown)] * 4
    assert [language for language, _ in blocks(body)] == [language for language, _ in blocks(parts(plain)[1])]
    outside = re.sub(r"^(`{3,})\w+\n.*?\n\1$", "", body, flags=re.MULTILINE | re.DOTALL)
    # Nothing outside the blocks begins a heading, a list, a fence, HTML or a link that is not the card's own.
    headings = [line for line in outside.splitlines() if line.startswith("#")]
    sections = ["Notes", "How it was made", "What was measured", "Use it", "Limits"]
    assert headings[1:] == [f"## {name}" for name in sections]
    assert not re.search(r"(?<!\\)[<\[]|^\s*(---|```|~~~)", outside, re.MULTILINE)


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\n" not in text])
def test_the_command_makes_the_adapter_again(text: str) -> None:
    text = " ".join(text.split())
    _, body = parts(render(made(condition=text), REPO_ID))
    command = next(code for language, code in blocks(body) if language == "bash" and "generate" in code)
    program, *args = shlex.split(command)
    parsed = _parser().parse_args(args)
    assert program == "t2l" and (parsed.command, parsed.description) == ("generate", text)
    assert (parsed.checkpoint, parsed.out) == ("a-checkpoint", "adapter")


@pytest.mark.parametrize("text", HOSTILE)
def test_the_snippet_says_the_task_where_the_adapter_was_trained_so(text: str) -> None:
    plain, body = (parts(render(made(condition=text, says_task=says), REPO_ID))[1] for says in (False, True))
    assert "message, without the description above" in plain and "behind the description above" in body
    code = next(code for language, code in blocks(body) if language == "python")
    chat = next(node for node in ast.parse(code).body if ast.unparse(node).startswith("chat = "))
    assert isinstance(chat, ast.Assign)
    system, user = ast.literal_eval(chat.value)
    assert system == {"role": "system", "content": text} and user["role"] == "user"
    assert [language for language, _ in blocks(body)] == [language for language, _ in blocks(plain)]


def test_what_came_from_elsewhere_is_not_said_to_be_made_here() -> None:
    front, body = parts(render(made(source="you/other"), REPO_ID))
    assert "text-to-lora" not in front["tags"] and "which nobody checked" in body
    assert "t2l generate" not in body and "made from a sentence" not in body
    bare = made(condition="", generator="", generator_id="", source="you/<other>")
    assert "# you/\\<other\\>\n" in render(bare, REPO_ID) and "How is not known" in render(bare, REPO_ID)


def test_likeness_to_trained_tasks_is_a_bullet_of_the_limits() -> None:
    body = render(made(), REPO_ID, Told(likeness=" Near `sort_words` \n(0.71).  # Not far "))
    _, _, limits = body.partition("## Limits\n\n")
    assert [line[:6] for line in limits.splitlines()] == ["- It w", "- Near", "- It i", "- It f"]
    assert "\n- Near \\`sort\\_words\\` (0.71). # Not far\n" in limits
    assert render(made(), REPO_ID, Told(likeness=" \n")) == render(made(), REPO_ID)
    for wrong, named in (("x" * 601, "601 characters"), ("a\0b", "U\\+0000")):
        with pytest.raises(T2LError, match=named):
            Told(likeness=wrong)


def test_numbers_stand_there_only_when_measured() -> None:
    body = render(made(), REPO_ID, Told(measured=Measured(10, 3, 7)))
    assert "of 10 examples of the publisher's own: base 3, with this adapter 7." in body
    for wrong in ((0, 0, 0), (10, 11, 0), (10, 0, -1)):
        with pytest.raises(T2LError, match="no count"):
            Measured(*wrong)


@pytest.mark.parametrize(("rank", "limit"), [(1, 1), (3, 8), (8, 8), (64, 64), (65, 128), (513, None)])
def test_vllm_gets_a_rank_limit_that_it_allows(rank: int, limit: int | None) -> None:
    _, body = parts(render(made(rank=rank), REPO_ID))
    commands = [shlex.split(code) for language, code in blocks(body) if code.startswith("vllm")]
    if limit is None:
        assert commands == []
    else:
        (command,) = commands
        assert command[:3] == ["vllm", "serve", BASE] and command[-1] == f"t2l-sort={REPO_ID}"
        assert command[command.index("--max-lora-rank") + 1] == str(limit)


def test_all_snippets_parse_and_name_repo_and_base() -> None:
    _, body = parts(render(made(), REPO_ID))
    (python,) = (code for language, code in blocks(body) if language == "python")
    compile(python, "card", "exec")
    shell = "\n".join(code for language, code in blocks(body) if language == "bash")
    assert all(shlex.split(line) for line in shell.splitlines())
    assert f'"{REPO_ID}"' in python and REPO_ID in shlex.split(shell)
    assert BASE in python and BASE in shell


@pytest.mark.parametrize(
    ("base", "system"),
    [
        (BASE, True),
        ("google/gemma-2-2b-it", False),
        ("google/gemma-1.1-7b-it", False),
        ("google/gemma-3-1b-it", True),
    ],
)
def test_the_snippet_says_the_task_where_the_base_reads_it(base: str, system: bool) -> None:
    _, body = parts(render(replace(made(base), says_task=True), REPO_ID))
    (python,) = (code for language, code in blocks(body) if language == "python")
    (line,) = (line for line in python.splitlines() if line.startswith("chat = "))
    chat = ast.literal_eval(line.removeprefix("chat = "))
    if system:
        assert [m["role"] for m in chat] == ["system", "user"] and chat[0]["content"] == "Sort the words."
        assert "as system message" in body
    else:
        assert chat == [{"role": "user", "content": "Sort the words.\n\nYour input"}]
        assert "as system message" not in body and "behind the description above and an empty line" in body


def test_the_same_input_gives_the_same_bytes() -> None:
    told = Told("Sorter", "A note.", sample=Sample("a", "b", "c"))
    one, two = (repo_files(made(), REPO_ID, told) for _ in range(2))
    assert one == two and list(one) == sorted(one)
    assert not re.search(r"\b20\d\d-\d\d|\d\d:\d\d", one["README.md"].decode())


@pytest.mark.parametrize(
    ("base", "license", "prefix"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3.1", "Llama-"),
        ("meta-llama/Meta-Llama-3.1-8B", "llama3.1", "Llama-"),
        ("unsloth/llama-3.2-1b-instruct", "llama3.2", "Llama-"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama3.3", "Llama-"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "llama3", "Llama-3-"),
        ("google/gemma-2-2b-it", "gemma", ""),
        ("google/gemma-3-1b-it", "gemma", ""),
        ("mistralai/Mistral-7B-Instruct-v0.2", "apache-2.0", ""),
        ("Qwen/Qwen2.5-0.5B-Instruct", "apache-2.0", ""),
        ("microsoft/Phi-3-mini-4k-instruct", "mit", ""),
        (BASE, "apache-2.0", ""),
    ],
)
def test_a_known_base_brings_its_licence(base: str, license: str, prefix: str) -> None:
    terms = license_of(base)
    assert (terms.id, terms.prefix) == (license, prefix) and terms.id in LICENSES
    with pytest.raises(T2LError, match=f"is under {re.escape(license)}, not cc-by-4.0; leave"):
        license_of(base, "cc-by-4.0")
    files = repo_files(made(base), f"me/{prefix}sorter")
    front, body = parts(files["README.md"].decode())
    assert front["license"] == license
    assert ("Built with" in body) is bool(prefix) and ("NOTICE" in files) is (
        license not in ("apache-2.0", "mit")
    )


@pytest.mark.parametrize(
    "base",
    ["Qwen/Qwen2.5-3B-Instruct", "some/base", "deepseek-ai/llama-distill", "nvidia/Llama-3_3-Nemotron-8B"],
)
def test_the_licence_of_an_unknown_base_must_be_given(base: str) -> None:
    with pytest.raises(T2LError, match="is not known here; read it and give it, one of "):
        license_of(base)
    assert license_of(base, "other").id == "other"


def test_a_repo_name_is_never_markup() -> None:
    for name in ("me/`x`", "me/x y", "x", 'me/"x"'):
        with pytest.raises(T2LError, match="no repo name"):
            render(made(), name)
    assert render(replace(made(), generator="`x`\n# y"), REPO_ID).count("\n# ") == 1
