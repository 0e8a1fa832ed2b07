"""This project as a Space on the Hub: its files checked, then one commit; any other Space is refused.
Knows which files the app needs and the Hub's protocol; not the app."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from t2l import __version__
from t2l.errors import T2LError
from t2l.hub import Asked, Published, Repo, Say, check_id, check_rights, commit, create, look, read_small
from t2l.peft_folder import MOST_TEXT

HOUSE = Path(__file__).resolve().parent.parent
README, APP, REQUIREMENTS = "README.md", "app.py", "requirements.txt"
# What the app reads when it runs, what its licence wants to come along, and what the README links to.
FILES = (APP, REQUIREMENTS, README, "LICENSE", "NOTICE")
FOLDERS = ("t2l", "checkpoints", "results", "docs")
# What may lie in the folders. .pt: a published checkpoint. .jsonl: measured rows, for the Results tab.
KINDS = set(".py .md .css .js .json .jsonl .yaml .svg .png .ipynb .safetensors .pt".split())
MOST_BYTES = 10**9
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
# The sign-in on the page publishes by it.
SCOPE = "contribute-repos"
MAX_SHORT_DESCRIPTION = 60
# A file that only this app has.
_HEART = "t2l/studio.py"
# The link in the README that the Hub puts into a new Space.
_HUBS_OWN = b"spaces-config-reference"


@dataclass(frozen=True)
class Deployed(Published):
    """Where the Space is. changed: whether there is a new commit."""

    changed: bool = True


def space_files(house: Path | None = None) -> dict[str, bytes]:
    """What `deploy` uploads, by path, from a checkout of this project; asks nobody.

    Hidden files, caches and the tasks of `data` stay away. Raises T2LError for a folder that is no checkout,
    front matter that the Hub or the app would refuse, a link, a file of another kind, and too many bytes.
    """
    house = house or HOUSE
    lacking = [name for name in (*FILES, _HEART) if not (house / name).is_file()]
    if lacking:
        raise T2LError(
            f"A Space is made from a checkout of this project, and {house} is none (it lacks {lacking[0]}); "
            "clone the project and run t2l there."
        )
    for name in (*FILES, *FOLDERS):
        _refuse_link(house / name, name)
    paths = [house / name for name in FILES]
    paths += [path for folder in FOLDERS for path in _within(house / folder, house)]
    names = [path.relative_to(house).as_posix() for path in paths]
    try:
        sizes = [path.stat().st_size for path in paths]
        if sum(sizes) > MOST_BYTES:
            largest = max(zip(sizes, names, strict=True))
            raise T2LError(
                f"The Space would have {sum(sizes):,} bytes; the most is {MOST_BYTES:,}. The largest file is "
                f"{largest[1]} ({largest[0]:,}); move what the page does not need out of checkpoints."
            )
        files = {name: path.read_bytes() for name, path in sorted(zip(names, paths, strict=True))}
    except OSError as err:
        raise T2LError(f"{house} cannot be read ({err}); mend that and try again.") from err
    _check_front(files)
    if not any(re.fullmatch(r"checkpoints/[^/]+/(config\.json|hypermod\.pt)", name) for name in files):
        raise T2LError("checkpoints holds no checkpoint; put one there, made by `t2l train` or fetched.")
    if not _is_this_app(files[README], files[APP], files):
        raise T2LError(f"{APP} imports nothing of t2l; take the one of this project.")
    return files


def deploy(
    repo_id: str,
    token: str | None,
    *,
    private: bool = True,
    hardware: str | None = None,
    house: Path | None = None,
    progress: Say | None = None,
) -> Deployed:
    """Puts this project on the Hub as a Space, as one commit, and nothing where it is there already.

    A Space that is there must be of this app, or as the Hub makes new ones; what it holds beyond our files
    stays. hardware: of a new Space, by the Hub's names, such as "zero-a10g"; None is the Hub's own choice.
    house: the checkout, by default that of this package. progress: receives a line before each step.
    Raises T2LError as `space_files` before anything is sent; else for the sign-in, its rights, another Space
    of this name, one that is public though `private` was asked, and whatever the network does.
    """
    say = progress or (lambda line: None)
    check_id(repo_id, "text-to-lora")
    files = space_files(house)
    hub = Asked(token, repo_id, left="Nothing on the Hub has changed.", repo_type="space")
    say("Checking your sign-in")
    check_rights(hub, repo_id)
    there = look(hub, repo_id)
    if there is None:
        say(f"Creating {repo_id}")
        options = {"space_sdk": "gradio", **({"space_hardware": hardware} if hardware else {})}
        there = create(hub, repo_id, private, **options)
    else:
        _check_ours(hub, there)
        if hardware:
            say(f"{repo_id} keeps the hardware that it has; choose another in its settings on the Hub")
    if private and not there.private:
        raise T2LError(
            f"{repo_id} is public, but private was asked for; nothing was uploaded. Deploy it as public, "
            "choose another name, or make it private in its settings on the Hub."
        )
    changed = {name: data for name, data in files.items() if not there.holds({name: data})}
    if changed:
        say(f"Uploading {sum(map(len, changed.values())) / 1e6:.1f} MB")
        made = commit(hub, there, changed, f"Text-to-LoRA {__version__}")
    else:
        say("All files are there already")
        made = there.published()
    return Deployed(**vars(made), changed=bool(changed))


def _within(folder: Path, house: Path) -> Iterator[Path]:
    """The files of a folder and those below, but for hidden ones and caches; raises T2LError for others."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as err:
        raise T2LError(f"{folder} cannot be read ({err}); clone the project anew.") from err
    for path in entries:
        name = path.relative_to(house).as_posix()
        if path.name.startswith(".") or path.name == "__pycache__" or path.suffix == ".pyc":
            continue
        _refuse_link(path, name)
        if path.is_dir():
            yield from _within(path, house)
        elif path.suffix in KINDS:
            yield path
        else:
            raise T2LError(f"{name} is no file that a Space needs; move it elsewhere.")


def _refuse_link(path: Path, name: str) -> None:
    """Raises T2LError for a link: what it points to may lie anywhere on this machine."""
    if path.is_symlink():
        raise T2LError(f"{name} is a link; put what it points to in its place (cp -L).")


def _check_front(files: dict[str, bytes]) -> None:
    """Raises T2LError where the README's front matter is not what the Hub reads and this app needs."""
    readme, requirements = (files[name].decode(errors="replace") for name in (README, REQUIREMENTS))
    match = re.match(r"---\r?\n(.*?)^---\r?$", readme, re.DOTALL | re.MULTILINE)
    try:
        front: Any = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError as err:
        raise T2LError(
            f"The front matter of {README} is no YAML ({' '.join(str(err).split())}); mend it."
        ) from err
    if not isinstance(front, dict):
        raise T2LError(f"{README} has no front matter; begin it with the lines of the project's own.")
    pinned = re.search(r"^gradio(?:\[[\w,]*\])?==(\S+)", requirements, re.MULTILINE)
    if not pinned:
        raise T2LError(f"{REQUIREMENTS} pins no gradio; write gradio[oauth]==VERSION, as sdk_version.")
    colours = f"one of {', '.join(COLOURS)}"
    scopes = front.get("hf_oauth_scopes")
    short = front.get("short_description", "")
    for key, good, wanted in (
        ("title", _is_words(front.get("title")), "the name of the Space"),
        ("emoji", _is_words(front.get("emoji")), "an emoji"),
        ("colorFrom", front.get("colorFrom") in COLOURS, colours),
        ("colorTo", front.get("colorTo") in COLOURS, colours),
        ("sdk", front.get("sdk") == "gradio", "gradio"),
        ("sdk_version", front.get("sdk_version") == pinned[1], f"{pinned[1]}, as {REQUIREMENTS} pins gradio"),
        ("app_file", front.get("app_file") == APP, APP),
        (
            "short_description",
            isinstance(short, str) and len(short) <= MAX_SHORT_DESCRIPTION,
            f"at most {MAX_SHORT_DESCRIPTION} characters",
        ),
        ("hf_oauth", front.get("hf_oauth") is True, "true"),
        ("hf_oauth_scopes", isinstance(scopes, list) and SCOPE in scopes, f"a list with {SCOPE}"),
    ):
        if not good:
            said = f"says {str(front[key])[:80]!r}" if key in front else "is missing"
            raise T2LError(f"In the front matter of {README} {key} {said}; write {wanted}.")


def _is_words(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _check_ours(hub: Asked, there: Repo) -> None:
    """Raises T2LError for a Space that is neither this app nor new."""
    # Small ones alone: what a stranger's Space holds is not read.
    texts = {
        name: read_small(hub, there, name)
        for name in (README, APP)
        if there.files.get(name, (MOST_TEXT + 1,))[0] <= MOST_TEXT
    }
    new = there.blank and (README not in there.files or _HUBS_OWN in texts.get(README, b""))
    if not new and not _is_this_app(texts.get(README, b""), texts.get(APP, b""), there.files):
        raise T2LError(f"{there.repo_id} is a Space of something else; choose another name.")


def _is_this_app(readme: bytes, app: bytes, names: Collection[str]) -> bool:
    """Whether files are those of this app, in whatever version."""
    sdk = re.match(rb"---\r?\n(?:(?!---).*\n)*sdk: *[\"']?gradio\b", readme)
    return _HEART in names and bool(sdk) and bool(re.search(rb"^(from|import) t2l\b", app, re.MULTILINE))
