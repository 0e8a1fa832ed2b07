"""The model card of a published adapter: from facts alone, by a template; the licence rules of its base.
Knows adapters and Markdown; not the Hub's protocol."""

from __future__ import annotations

import json
import re
import shlex
import string
from dataclasses import dataclass
from pathlib import Path

from t2l.adapter import Adapter, how_asked, takes_system, title
from t2l.errors import T2LError
from t2l.generator import check_text

MAX_NOTES, MAX_LIKENESS = 4000, 600
_MAX_SAMPLE = 20_000
# vLLM serves an adapter under a limit that must be one of these.
_VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_HUB_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}/[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True)
class License:
    """What a base's licence asks of an adapter.

    id: the Hub's identifier. prefix: how the repo's name must begin. built_with: a line that must be seen.
    notice: text of the file NOTICE that must come along. files: names under which the base's own repo holds
    the text that must come along; those that are there are taken, one LICENSE at least.
    """

    id: str
    prefix: str = ""
    built_with: str = ""
    notice: str = ""
    files: tuple[str, ...] = ()


# Of a file its repos have one or the other name.
_LLAMA_FILES = ("LICENSE", "LICENSE.txt", "USE_POLICY.md")


def _llama(version: str) -> License:
    return License(
        f"llama{version}",
        "Llama-",
        "Built with Llama",
        f"Llama {version} is licensed under the Llama {version} Community License, Copyright © Meta "
        "Platforms, Inc. All Rights Reserved.\n",
        _LLAMA_FILES,
    )


_LLAMA_3 = License(
    "llama3",
    "Llama-3-",
    "Built with Meta Llama 3",
    "Meta Llama 3 is licensed under the Meta Llama 3 Community License, Copyright © Meta Platforms, Inc. "
    "All Rights Reserved.\n",
    _LLAMA_FILES,
)
# The terms lie on its site and not in its repos: the notice says where, and what holds for this adapter.
_GEMMA = License(
    "gemma",
    notice="Gemma is provided under and subject to the Gemma Terms of Use found at "
    "ai.google.dev/gemma/terms\n\n"
    "Use of this adapter, a Model Derivative of Gemma, is subject to the use restrictions in section 3.2 of "
    "those terms, which include the policy found at ai.google.dev/gemma/prohibited_use_policy\n",
)
_APACHE, _MIT = License("apache-2.0"), License("mit")
# Bases whose licence is known, by what their Hub ids hold.
_BASES = (
    (r"llama-?3\.1", _llama("3.1")),
    (r"llama-?3\.2", _llama("3.2")),
    (r"llama-?3\.3", _llama("3.3")),
    (r"llama-?3(?![._\d])", _LLAMA_3),
    (r"gemma-(1\.1|2b|7b|2-|3-|3n-)", _GEMMA),
    (r"^HuggingFaceTB/SmolLM", _APACHE),
    (r"^mistralai/(Mistral-7B|Mixtral-8x)", _APACHE),
    (r"^Qwen/Qwen3-", _APACHE),
    (r"^Qwen/Qwen2\.5-(0\.5|1\.5|7|14|32)B", _APACHE),
    (r"^TinyLlama/", _APACHE),
    (r"^microsoft/(phi-2|Phi-3|Phi-4)", _MIT),
)
# What the Hub accepts, as far as a base may have it; "other" stands for all that is missing here.
LICENSES = (
    "apache-2.0 mit bsd-2-clause bsd-3-clause cc0-1.0 cc-by-4.0 cc-by-sa-4.0 cc-by-nc-4.0 cc-by-nc-sa-4.0 "
    "openrail bigscience-bloom-rail-1.0 gpl-3.0 agpl-3.0 lgpl-3.0 mpl-2.0 llama2 llama3 llama3.1 llama3.2 "
    "llama3.3 llama4 gemma other"
).split()


@dataclass(frozen=True)
class Measured:
    """How many of a person's own `n` examples the base and the adapter answered right."""

    n: int
    base: int
    adapted: int

    def __post_init__(self) -> None:
        for value in (self.base, self.adapted):
            if not 0 <= value <= self.n or self.n < 1:
                raise T2LError(f"{value} of {self.n} is no count of right answers; measure again.")


@dataclass(frozen=True)
class Sample:
    """One prompt with the answers of the base and of the adapter."""

    prompt: str
    base: str
    adapted: str


@dataclass(frozen=True)
class Told:
    """What a person adds to an adapter's own facts in its card.

    title: one line; notes: plain text, shown as it is typed; license: only for a base whose licence is not
    known here; likeness: a sentence or two on how near the task is to those that its generator learned.
    Raises T2LError for text that is too long or unprintable.
    """

    title: str = ""
    notes: str = ""
    license: str = ""
    measured: Measured | None = None
    sample: Sample | None = None
    likeness: str = ""

    def __post_init__(self) -> None:
        if title(self.title) != self.title:
            raise T2LError(f"The title {self.title[:80]!r} must be one line of at most 80 characters.")
        if self.notes.strip():
            check_text(self.notes, "notes", MAX_NOTES)
        if self.likeness.strip():
            check_text(self.likeness, "likeness", MAX_LIKENESS)


def is_hub_id(text: str) -> bool:
    """Whether a text may be the id of a repo on the Hub, "namespace/name"."""
    return bool(_HUB_ID.fullmatch(text)) and not re.search(r"--|\.\.|[.-](/|$)|\.(git|ipynb)$", text)


def known_license(base: str) -> License | None:
    """The licence of `base` where it is known here; raises T2LError for a base that is no id on the Hub."""
    if not is_hub_id(base):
        raise T2LError(
            f"This adapter names the base {base!r}, which is no id on the Hub; write the Hub id into its "
            "adapter_config.json, or describe the task again with a base from the Hub."
        )
    return next((found for part, found in _BASES if re.search(part, base, re.IGNORECASE)), None)


def license_of(base: str, given: str = "") -> License:
    """The licence of an adapter for `base`; raises T2LError where it must be given, or differs."""
    known = known_license(base)
    if given and given not in LICENSES:
        raise T2LError(f"The licence {given[:40]!r} is unknown; choose {', '.join(LICENSES)}.")
    if known and given not in ("", known.id):
        raise T2LError(f"The base {base} is under {known.id}, not {given}; leave the licence out.")
    if not known and not given:
        raise T2LError(
            f"The licence of the base {base} is not known here; read it and give it, one of "
            f"{', '.join(LICENSES)}."
        )
    return known or License(given)


def render(adapter: Adapter, repo_id: str, told: Told | None = None) -> str:
    """The card of an adapter in the repo `repo_id` as Markdown; the same input gives the same text.

    Everything that a person wrote is fenced or escaped. Raises T2LError as `license_of`.
    """
    if not is_hub_id(repo_id):
        raise T2LError(f"{repo_id[:100]!r} is no repo name; give one like you/t2l-sort-words.")
    told = told or Told()
    spec, base = adapter.spec, adapter.spec.base_model
    terms = license_of(base, told.license)
    template = string.Template((Path(__file__).parent / "card.md").read_text(encoding="utf-8"))
    heading = told.title or title(adapter.label) or "A LoRA adapter"
    return template.substitute(
        front=_front(base, terms, adapter),
        title=_escaped(heading),
        built_with=f"\n**{terms.built_with}**\n" if terms.built_with else "",
        base=base,
        repo=repo_id,
        rank=spec.rank,
        scaling=f"{spec.scaling:g}",
        layers=spec.n_layers,
        modules=", ".join(f"`{name}`" for name in spec.targets),
        origin=_origin(adapter),
        text=_text(adapter),
        notes=_notes(told.notes),
        made=_made(adapter),
        measured=_measured(told.measured),
        sample=_sample(told.sample),
        how_asked=how_asked(adapter),
        chat=_chat(adapter),
        vllm=_vllm(spec.rank, base, repo_id),
        limit=_limit(adapter),
        likeness=f"- {_escaped(line)}\n" if (line := " ".join(told.likeness.split())) else "",
    )


def _front(base: str, terms: License, adapter: Adapter) -> str:
    """The card's YAML. JSON strings are YAML too, whatever they hold."""
    tags = ["lora", f"base_model:adapter:{base}"]
    facts: list[tuple[str, str | list[str]]] = [
        ("base_model", base),
        ("base_model_relation", "adapter"),
        ("library_name", "peft"),
        ("pipeline_tag", "text-generation"),
        ("license", terms.id),
        # What came from elsewhere is not listed as made here.
        ("tags", tags if adapter.source else ["text-to-lora", *tags]),
    ]
    return "\n".join(
        f"{key}:\n" + "\n".join(f"- {json.dumps(one)}" for one in value)
        if isinstance(value, list)
        else f"{key}: {json.dumps(value)}"
        for key, value in facts
    )


def _text(adapter: Adapter) -> str:
    """What the adapter was made from; prompts only where they were told, each in a block of its own."""
    if adapter.examples and adapter.examples.prompts:
        return "\n\n".join(map(_fenced, adapter.examples.prompts))
    return _fenced(adapter.label)


def _origin(adapter: Adapter) -> str:
    if adapter.examples:
        kept = "" if adapter.examples.prompts else ", which its maker kept"
        elsewhere = "It was opened from elsewhere; there it is said to be" if adapter.source else "It was"
        return f"{elsewhere} made from example inputs of the task, without answers{kept}:"
    if not adapter.source:
        return "It was made from this description:"
    if adapter.condition:
        return "It was opened from elsewhere; there it is said to be made from this description:"
    return "It was made elsewhere and opened under this name:"


def _made(adapter: Adapter) -> str:
    digest = f"The sha256 of its weights file is `{adapter.weights_sha256}`."
    if not adapter.generator:
        return f"How is not known. {digest}"
    name = title(adapter.generator).replace("`", "'")
    if adapter.source:
        return f"Its folder names the generator `{name}`, which nobody checked. {digest}"
    chosen = {key: value.partition(":")[0] for key, value in adapter.setup.items()}
    made_by = [word for key in sorted(chosen) for word in (f"--{key.replace('_', '-')}", chosen[key])]
    command = [
        "t2l",
        "generate",
        *(made_by or ["--checkpoint", title(adapter.generator)]),
        "--out",
        "adapter",
    ]
    # A description that begins with a dash is no option.
    read = "the description alone"
    if adapter.examples:
        command += ["--prompts", "prompts.txt"]
        read = f"{adapter.examples.count} prompts (sha256 `{adapter.examples.sha256}`) and no answer"
    else:
        command += ["--"] * adapter.condition.startswith("-") + [adapter.condition]
    return (
        f"In one forward pass, without training, by the hypernetwork `{name}` (`{adapter.generator_id}`), "
        f"which read {read}. This makes it again where that checkpoint is:\n\n"
        f"{_fenced(shlex.join(command), 'bash')}\n\n{_setup(adapter)}{digest}"
    )


def _setup(adapter: Adapter) -> str:
    """What a preset chose, one line each."""
    lines = [f"- {key.replace('_', ' ')}: {_escaped(value)}\n" for key, value in adapter.setup.items()]
    return f"{''.join(lines)}\n" if lines else ""


def _measured(measured: Measured | None) -> str:
    if measured is None:
        return "Nothing: it was not evaluated on this task. Try it on examples of your own first."
    return (
        f"Answers that were right, of {measured.n} examples of the publisher's own: base {measured.base}, "
        f"with this adapter {measured.adapted}."
    )


def _sample(sample: Sample | None) -> str:
    if sample is None:
        return ""
    for what, text in (("prompt", sample.prompt), ("base's answer", sample.base)):
        if len(text) > _MAX_SAMPLE:
            raise T2LError(f"The sample's {what} has {len(text):,} characters; choose a shorter sample.")
    texts = (("Prompt", sample.prompt), ("Base", sample.base), ("With this adapter", sample.adapted))
    parts = "\n\n".join(f"{name}:\n\n{_fenced(text)}" for name, text in texts)
    return f"\nOne sample, chosen by the publisher:\n\n{parts}\n"


def _chat(adapter: Adapter) -> str:
    """The messages that the base is asked, as Python."""
    said, asked, system = adapter.condition if adapter.says_task else "", '"Your input"', ""
    # As Python writes it, no text has a line break that ends the block.
    if said and takes_system(adapter.spec.base_model):
        system = f'{{"role": "system", "content": {said!r}}}, '
    elif said:
        asked = repr(f"{said}\n\nYour input")
    return f'[{system}{{"role": "user", "content": {asked}}}]'


def _vllm(rank: int, base: str, repo_id: str) -> str:
    limit = next((most for most in _VLLM_RANKS if most >= rank), None)
    if limit is None:
        return ""
    name = repo_id.rpartition("/")[2]
    command = f"vllm serve {base} --enable-lora --max-lora-rank {limit} --lora-modules {name}={repo_id}"
    return (
        f"\nWith vLLM:\n\n```bash\n{command}\n```\n\n"
        f"Ask for the model `{name}`. Where it answers as the base does, word for word, it was not loaded.\n"
    )


def _limit(adapter: Adapter) -> str:
    if adapter.source:
        return "It was made elsewhere: what it was trained on, and how well it works, is not known here."
    made_from = "inputs, without one answer" if adapter.examples else "a sentence, without one example"
    return (
        f"It was made from {made_from}: it may miss the task, do half of it, or answer worse than its base."
    )


def _notes(notes: str) -> str:
    """Notes as paragraphs in which nothing is markup."""
    lines = [_escaped(line.strip()) for line in notes.strip().splitlines()]
    return "\n## Notes\n\n" + "\n".join(lines) + "\n" if lines else ""


def _escaped(text: str) -> str:
    """One line that Markdown shows as it stands."""
    # At its start a line may become a heading, a list, a rule; within, markup, a link or HTML.
    line = re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", text)
    return re.sub(r"^(\d*)([#+=.)-])", r"\1\\\2", line)


def _fenced(text: str, language: str = "text") -> str:
    """A text as a block of code, in a fence that is longer than any within."""
    # Other line ends than \n would end no line of the fence, but they do in some readers.
    text = "\n".join(text.splitlines())
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return f"{fence}{language}\n{text}\n{fence}"
