"""Adapters on the Hub: published as one commit with their card, opened again, listed; every fault explained.
Knows the Hub's client and adapters; not who is signed in: the token is an argument and is kept nowhere."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from json import JSONDecodeError
from pathlib import Path
from typing import Any, TypeVar

from t2l.adapter import CARD, STORY, Adapter, title
from t2l.card import License, Measured, Sample, Told, is_hub_id, known_license, license_of, render
from t2l.errors import T2LError
from t2l.peft_folder import CONFIG, MOST_TEXT, MOST_WEIGHTS, WEIGHTS, read_bytes

MODES = ("new", "update", "pr")
TAG = "text-to-lora"
_NOTICE = "NOTICE"
_MAX_PART = 96
# Seconds without a byte after which the Hub is given up; its client would wait for ever.
PATIENCE = 120.0
# What a new repo may hold before anything was uploaded; a Space begins with a README of the Hub's.
_EMPTY = {None: {".gitattributes"}, "space": {".gitattributes", "README.md"}}
_WRITERS = ("admin", "write", "contributor")

Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Published:
    """Where an adapter is on the Hub. private: what the repo really is, whatever was asked for."""

    repo_id: str
    url: str
    commit: str
    pull_request_url: str | None
    private: bool


@dataclass(frozen=True)
class Identity:
    """Whose sign-in it is. namespaces: where it may create repos, the user's own first.

    may_write: False for a token that may only read; True says no more than that.
    """

    name: str
    namespaces: tuple[str, ...]
    may_write: bool


@dataclass(frozen=True)
class NameState:
    """What is under a name on the Hub, for an adapter that is to be published there.

    state: "free"; "empty" (a repo with nothing in it, which is used); "same" (these very weights); "update"
    (another adapter of the same base); "taken" (anything else). message: that in a sentence. suggestion: a
    free name where this one is taken, else empty.
    """

    state: str
    message: str
    suggestion: str = ""


@dataclass(frozen=True)
class Found:
    """An adapter on the Hub, as a listing tells of it."""

    repo_id: str
    private: bool
    downloads: int
    likes: int


def stored_token() -> str | None:
    """The token of this machine's own sign-in: HF_TOKEN, else what `hf auth login` stored; None without."""
    from huggingface_hub import get_token

    return get_token()


def suggest_name(adapter: Adapter) -> str:
    """A free-looking repo name for an adapter, t2l-<words>-<6 hex>, as the licence of its base wants it."""
    words = re.sub("[^a-z0-9]+", "-", title(adapter.label).lower())
    name = f"t2l-{words.strip('-')[:40].strip('-') or 'adapter'}-{adapter.id[:6]}"
    try:
        return license_of(adapter.spec.base_model).prefix + name
    except T2LError:
        # A licence that must be given asks for no name.
        return name


def identity(token: str | None) -> Identity:
    """Whose sign-in a token is, by one question to the Hub; raises T2LError as `publish`."""
    return _who(Asked(token, "your sign-in"))


def check_name(repo_id: str, token: str | None, adapter: Adapter) -> NameState:
    """What publishing an adapter under a name would meet; changes nothing.

    Raises T2LError for a name that cannot be, or not under the base's licence, for a sign-in without rights
    there, and for the network.
    """
    base = adapter.spec.base_model
    known = known_license(base)
    check_id(repo_id)
    # A licence that must be given asks for no name.
    if known:
        _check_prefix(repo_id, known, base)
    hub = Asked(token, repo_id)
    check_rights(hub, repo_id)
    there = look(hub, repo_id)
    if there is None:
        return NameState("free", f"{repo_id} is free.")
    if there.blank:
        return NameState("empty", f"{repo_id} is there already and empty; the adapter goes into it.")
    if fault := _other(hub, there, adapter):
        free = _free(hub, repo_id)
        return NameState("taken", f"{fault}; choose another name, such as {free}.", free)
    # The weights alone: a card may tell more than the last time.
    if there.holds({WEIGHTS: _saved(adapter)[WEIGHTS]}):
        return NameState("same", f"{repo_id} holds this very adapter already.")
    return NameState("update", f"{repo_id} holds another adapter of the same base; an update replaces it.")


def check_id(repo_id: str, example: str = "my-adapter") -> None:
    """Raises T2LError where a text is no repo name, with one that would be."""
    if is_hub_id(repo_id):
        return
    namespace, _, name = repo_id.partition("/")
    parts = (re.sub("[^A-Za-z0-9]+", "-", part).strip("-")[:60] for part in (namespace, name))
    example = "/".join(part or other for part, other in zip(parts, ("you", example), strict=True))
    raise T2LError(
        f"{repo_id[:120]!r} is no repo name; give namespace/name of letters, digits, '-', '_' and '.', "
        f"at most {_MAX_PART} characters each, for example {example}."
    )


def _check_prefix(repo_id: str, terms: License, base: str) -> None:
    """Raises T2LError for a name that the licence of the base does not allow."""
    namespace, _, name = repo_id.partition("/")
    if not name.startswith(terms.prefix):
        raise T2LError(
            f"The licence of {base} wants names that begin with {terms.prefix!r}; publish as "
            f"{namespace}/{terms.prefix}{name}."
        )


def repo_files(adapter: Adapter, repo_id: str, told: Told | None = None) -> dict[str, bytes]:
    """What `publish` uploads, by name, but for texts of the base's licence; asks nobody.

    Raises T2LError for the name, the card or the licence.
    """
    terms = license_of(adapter.spec.base_model, (told or Told()).license)
    check_id(repo_id)
    _check_prefix(repo_id, terms, adapter.spec.base_model)
    files = _saved(adapter)
    files[CARD] = render(adapter, repo_id, told).encode()
    if terms.notice:
        files[_NOTICE] = terms.notice.encode()
    return dict(sorted(files.items()))


def _saved(adapter: Adapter) -> dict[str, bytes]:
    """The files of an adapter's folder."""
    with tempfile.TemporaryDirectory(prefix="t2l-publish-") as temporary:
        folder = Path(temporary) / "adapter"
        adapter.save(folder)
        return {file.name: file.read_bytes() for file in folder.iterdir()}


def publish(
    adapter: Adapter,
    repo_id: str,
    token: str | None,
    *,
    private: bool = True,
    mode: str = "new",
    title: str | None = None,
    notes: str = "",
    license: str = "",
    measured: Measured | None = None,
    sample: Sample | None = None,
    likeness: str = "",
    progress: Say | None = None,
) -> Published:
    """Puts an adapter with its card on the Hub as one commit.

    mode: "new" (a repo that is not there, or is empty), "update" (a new commit on an adapter of the same
    base) or "pr" (a pull request to one). A repo that holds the same files already is returned as it is: so
    an upload whose answer was lost is found again. title, notes, license, measured, sample and likeness: what
    the card tells beyond the adapter's own facts (see `Told`). progress: receives a line before each step.
    Where the base's licence wants its text to come along, that is fetched from the base's own repo.
    Raises T2LError before anything is sent where name, mode, card or licence will not do; else for the
    sign-in, its rights, a licence text that cannot be fetched, a repo that is public though `private` was
    asked, and whatever the network does.
    Nothing that was on the Hub is ever deleted.
    """
    say = progress or (lambda line: None)
    if mode not in MODES:
        raise T2LError(f"The mode {mode!r} is unknown; choose {', '.join(MODES)}.")
    told = Told(title or "", notes, license, measured, sample, likeness)
    files = repo_files(adapter, repo_id, told)
    hub = Asked(token, repo_id, left="Nothing on the Hub has changed.")
    say("Checking your sign-in")
    check_rights(hub, repo_id, mode)
    base = adapter.spec.base_model
    if wanted := license_of(base, license).files:
        say(f"Fetching the licence of {base}")
        files |= _license_texts(token, base, wanted)
    there = look(hub, repo_id)
    if there is None:
        if mode != "new":
            raise T2LError(f"There is no {repo_id} on the Hub; check the name, or publish it as new.")
        say(f"Creating {repo_id}")
        there = create(hub, repo_id, private)
    elif mode != "new":
        _check_same_base(hub, there, adapter)
    elif not there.holds(files) and not there.blank:
        raise T2LError(
            f"{repo_id} exists already; choose another name, such as {_free(hub, repo_id)}, update it, or "
            "open a pull request."
        )
    if private and not there.private:
        raise T2LError(
            f"{repo_id} is public, but private was asked for; nothing was uploaded. Publish it as public, "
            "choose another name, or make it private in its settings on the Hub."
        )
    if there.holds(files):
        return there.published()
    message = f"Adapter {adapter.id}"
    if mode == "pr":
        # A Hub that does not list them may still take one.
        with suppress(T2LError):
            if request := _open_request(hub, there, files, message):
                return request
    say(f"Uploading {sum(map(len, files.values())) / 1e6:.1f} MB")
    return commit(hub, there, files, message, mode)


def pull(
    repo_id: str, *, revision: str | None = None, token: str | None = None, most: int = MOST_WEIGHTS
) -> Adapter:
    """An adapter of the Hub, its source the repo's name; token None reads what is public.

    most: bytes of its weights. Only the weights as safetensors and two JSON files are downloaded, after their
    sizes were looked at.
    Raises T2LError for a repo that is not there, not an adapter, or not one that `Adapter.load` serves.
    """
    if not is_hub_id(repo_id):
        raise T2LError(f"{repo_id[:120]!r} is no repo name; give namespace/name.")
    hub = Asked(token, repo_id, signed_in=False)
    there = hub(f"looking at {repo_id}", lambda: _state(hub, repo_id, revision))
    wanted = {CONFIG: MOST_TEXT, WEIGHTS: min(most, MOST_WEIGHTS), STORY: MOST_TEXT}
    for name, other, words in (
        (CONFIG, "config.json", f"is a whole model ({{}}, no {CONFIG})"),
        (WEIGHTS, "adapter_model.bin", f"holds its weights as a pickle ({{}}, no {WEIGHTS})"),
    ):
        if name not in there.files:
            fault = words.format(other) if other in there.files else f"is no LoRA adapter (it lacks {name})"
            raise T2LError(f"{repo_id} {fault}, which is not opened here; choose a LoRA as safetensors.")
    for name, limit in wanted.items():
        if (size := there.files.get(name, (0, ""))[0]) > limit:
            raise T2LError(
                f"{name} of {repo_id} has {size:,} bytes; the most is {limit:,}. Choose a smaller adapter."
            )
    with tempfile.TemporaryDirectory(prefix="t2l-pull-") as temporary:
        folder = Path(temporary) / "adapter"
        for name in wanted:
            if name in there.files:
                hub(f"downloading {name}", lambda name=name: _download(hub, there, name, folder))
        try:
            adapter = Adapter.load(folder)
        except T2LError as err:
            fault = str(err).replace(str(folder), repo_id)
        else:
            # What a repo says of itself is not proven.
            return replace(adapter, source=repo_id)
    raise T2LError(fault)


def search(base_model: str, *, token: str | None = None, limit: int = 50) -> tuple[Found, ...]:
    """Adapters for a base that were published from here, the latest first; private ones of the token too."""
    hub = Asked(token, "the list of adapters", signed_in=False)
    tags = [TAG, f"base_model:adapter:{base_model}"]

    def found() -> tuple[Found, ...]:
        models = hub.api.list_models(filter=tags, sort="last_modified", limit=limit)
        return tuple(Found(m.id, bool(m.private), m.downloads or 0, m.likes or 0) for m in models)

    return hub("listing adapters", found)


@dataclass(frozen=True)
class Repo:
    """A repo as it is on the Hub.

    files: size and hash by name (sha256 of large ones, else git's sha1), of a model those at its top alone.
    blank: whether it holds no more than the Hub itself puts into a new one.
    """

    repo_id: str
    url: str
    commit: str
    private: bool
    files: Mapping[str, tuple[int, str]]
    blank: bool

    def holds(self, files: Mapping[str, bytes]) -> bool:
        """Whether the repo has these files with these contents."""
        return all(
            name in self.files
            and self.files[name][0] == len(data)
            and self.files[name][1] in (hashlib.sha256(data).hexdigest(), _git_sha1(data))
            for name, data in files.items()
        )

    def published(self, pull_request_url: str | None = None) -> Published:
        return Published(self.repo_id, self.url, self.commit, pull_request_url, self.private)


def _git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class Asked:
    """One thing that is asked of the Hub, step by step: calling it runs a step and explains its fault.

    api: huggingface_hub's own client. repo_type: None for a model, or "space". left: what a fault leaves
    behind, for the message.
    """

    def __init__(
        self,
        token: str | None,
        what: str,
        *,
        left: str = "",
        signed_in: bool = True,
        repo_type: str | None = None,
    ) -> None:
        from huggingface_hub import HfApi, get_session

        token = (token or "").strip()
        if signed_in and not token:
            raise T2LError("Publishing needs a sign-in to the Hub: set HF_TOKEN, or run `hf auth login`.")
        # The client would show it in its own error.
        if not re.fullmatch("[!-~]*", token):
            raise T2LError("The token holds characters that no token has; copy it again.")
        self._token, self._what, self.left = token, what, left
        self.repo_type = repo_type
        # What to do again, and what makes an upload smaller.
        self.again, self._smaller = {
            None: ("publish again", "publish an adapter of a lower rank"),
            "space": ("deploy again", "remove a checkpoint"),
        }[repo_type]
        # False: never this machine's own sign-in in place of a visitor's.
        self.api = HfApi(token=token or False)
        get_session().timeout = PATIENCE

    def __call__(self, step: str, ask: Callable[[], T]) -> T:
        """The answer of one step; raises T2LError for whatever goes wrong in it."""
        import httpx2

        try:
            return ask()
        except T2LError:
            raise
        # Beyond HTTP: no network, no disk, and answers that are not what the client takes for granted.
        except (
            httpx2.HTTPError,
            OSError,
            ValueError,
            RuntimeError,
            LookupError,
            TypeError,
            AttributeError,
        ) as err:
            fault = T2LError(f"{self._explained(step, err)} {self.left}".strip())
        # Out of the block: the client's error, which keeps its request, does not travel along.
        raise fault

    def _explained(self, step: str, err: BaseException) -> str:
        """A fault of the client or the Hub in words that name the remedy."""
        from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled

        errors = _chain(err)
        response = next((e.response for e in errors if getattr(e, "response", None) is not None), None)
        status = response.status_code if response is not None else 0
        if any(isinstance(e, OfflineModeIsEnabled) for e in errors):
            return "The Hub is switched off here (HF_HUB_OFFLINE); unset that and try again."
        if any(getattr(e, "errno", 0) in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) for e in errors):
            return f"The disk refused {step}; free some space and try again."
        if any(isinstance(e, GatedRepoError) for e in errors):
            return (
                f"The Hub shows {self._what} only to those who accepted its licence ({step}): accept it on "
                f"{self.api.endpoint}/{self._what}, sign in with a token that may read gated repos, and try "
                "again."
            )
        if status == 401 and not self._token:
            return (
                f"The Hub shows nobody {self._what} without a sign-in ({step}); check the name, or sign in."
            )
        if status == 401:
            return f"The Hub does not accept your sign-in ({step}), or it has expired; sign in again."
        if status == 403:
            return (
                f"Your sign-in does not allow {step}; sign in again with the right to write, or choose a "
                "namespace of your own."
            )
        if status == 404:
            return f"The Hub finds no {self._what} ({step}), or your sign-in may not see it; check the name."
        if status in (409, 412):
            return (
                f"{self._what} was made or changed by someone else just now ({step}); look at it, then "
                "update it or choose another name."
            )
        if status == 413:
            return f"The Hub finds the upload too large ({step}); {self._smaller}."
        if status == 429:
            return f"The Hub has had too many requests ({step}); wait {_wait(response)}, then try again."
        if status >= 500:
            return f"The Hub has a fault of its own ({status}, {step}); try again in some minutes."
        if any(isinstance(e, JSONDecodeError) for e in errors):
            return f"The Hub gave an answer that cannot be read ({step}); try again in some minutes."
        if status or isinstance(err, ValueError):
            said = next((e.server_message for e in errors if getattr(e, "server_message", "")), str(err))
            return f"The Hub refuses {step} ({self._shown(said)}); mend that and try again."
        return f"The Hub cannot be reached, or its answer was cut off ({step}); try again."

    def _shown(self, said: str) -> str:
        """What a server said, as one line that holds no token."""
        said = said.replace(self._token, "***") if self._token else said
        return title(re.sub(r"\bhf_\w+", "***", said))


def _chain(err: BaseException | None) -> list[Any]:
    """An error and those that it came from."""
    errors: list[Any] = []
    while err is not None and err not in errors:
        errors.append(err)
        err = err.__cause__ or err.__context__
    return errors


def _wait(response: Any) -> str:
    """How long a Hub that is asked too often wants to be left alone."""
    from huggingface_hub.utils import parse_ratelimit_headers

    limits = parse_ratelimit_headers(response.headers)
    seconds = limits.reset_in_seconds if limits else response.headers.get("Retry-After", "")
    return f"{seconds} seconds" if str(seconds).isdigit() else "a minute"


def _who(hub: Asked) -> Identity:
    """Whose sign-in it is, as the Hub tells."""

    def ask() -> Identity:
        me = hub.api.whoami()
        if not isinstance(me["name"], str):
            raise TypeError("a name that is no text")
        # A Hub without roles lets every member write.
        orgs = (o["name"] for o in me.get("orgs") or () if o.get("roleInOrg", "write") in _WRITERS)
        role = ((me.get("auth") or {}).get("accessToken") or {}).get("role")
        return Identity(me["name"], (me["name"], *orgs), role != "read")

    return hub("asking who you are", ask)


def check_rights(hub: Asked, repo_id: str, mode: str = "new") -> None:
    """Raises T2LError where this sign-in will not do for the repo, as far as it tells."""
    me = _who(hub)
    if not me.may_write:
        raise T2LError(
            "Your token may only read; make one that may write in your settings on the Hub, and sign in "
            "with that."
        )
    namespace = repo_id.partition("/")[0]
    if mode != "pr" and namespace.lower() not in {name.lower() for name in me.namespaces}:
        instead = "" if hub.repo_type else ", or open a pull request"
        raise T2LError(
            f"Your sign-in ({me.name}) may not write in {namespace}; choose {' or '.join(me.namespaces)}"
            f"{instead}."
        )


def _state(hub: Asked, repo_id: str, revision: str | None = None) -> Repo:
    """A repo at a revision; the client's errors where there is none."""
    from huggingface_hub.hf_api import RepoFile, RepoFolder

    kind: Any = hub.repo_type
    info: Any = hub.api.repo_info(repo_id, revision=revision, repo_type=kind)
    # Of a stranger's model only the files at its top matter.
    tree = {"revision": info.sha, "repo_type": kind, "recursive": kind is not None}
    entries = list(hub.api.list_repo_tree(repo_id, **tree)) if info.sha else []
    files = {
        e.path: (e.size, e.lfs.sha256 if e.lfs else e.blob_id) for e in entries if isinstance(e, RepoFile)
    }
    url = f"{hub.api.endpoint}/{'spaces/' if kind == 'space' else ''}{info.id}"
    folders = any(isinstance(e, RepoFolder) for e in entries)
    blank = not folders and not set(files) - _EMPTY[kind]
    return Repo(info.id, url, info.sha or "", info.private is True, files, blank)


def look(hub: Asked, repo_id: str) -> Repo | None:
    """A repo as it is now; None where there is none that this sign-in may see."""
    from huggingface_hub.errors import RepositoryNotFoundError

    def look() -> Repo | None:
        try:
            return _state(hub, repo_id)
        except RepositoryNotFoundError as err:
            if err.response.status_code == 404:
                return None
            raise

    return hub(f"looking at {repo_id}", look)


def create(hub: Asked, repo_id: str, private: bool, **options: Any) -> Repo:
    """Makes an empty repo and looks at what it is; options as `HfApi.create_repo`."""
    options |= {"private": private, "repo_type": hub.repo_type}
    try:
        hub(f"creating {repo_id}", lambda: hub.api.create_repo(repo_id, **options))
    except T2LError:
        # The answer may have been lost, and the repo made.
        there = None
        with suppress(T2LError):
            there = look(hub, repo_id)
        if there is None or not there.blank:
            raise
    hub.left = f"The empty repo {repo_id} was created and stays; {hub.again} to use it."
    there = look(hub, repo_id)
    if there is None:
        raise T2LError(f"The Hub made {repo_id}, but does not show it yet; {hub.again} in a minute.")
    return there


def _check_same_base(hub: Asked, there: Repo, adapter: Adapter) -> None:
    """Raises T2LError where a repo is not an adapter of the same base: another kind must not be changed."""
    if fault := _other(hub, there, adapter):
        raise T2LError(f"{fault}; choose another name.")


def _other(hub: Asked, there: Repo, adapter: Adapter) -> str:
    """In what a repo is no adapter of the same base; empty where it is one."""
    size, _ = there.files.get(CONFIG, (0, ""))
    if not 0 < size <= MOST_TEXT:
        return f"{there.repo_id} is no adapter (it lacks {CONFIG})"
    data = read_small(hub, there, CONFIG)
    try:
        config = json.loads(data)
        kind, base = config.get("peft_type"), config.get("base_model_name_or_path")
    except (ValueError, AttributeError, RecursionError):
        return f"{there.repo_id} is no adapter (its {CONFIG} is damaged)"
    if kind == "LORA" and base == adapter.spec.base_model:
        return ""
    return (
        f"{there.repo_id} holds a {title(str(kind))} adapter of {title(str(base))}, but this is a LORA "
        f"adapter of {adapter.spec.base_model}"
    )


def _license_texts(token: str | None, base: str, names: Sequence[str]) -> dict[str, bytes]:
    """The files of a base's own repo that hold its licence; raises T2LError where there is none to fetch."""
    hub = Asked(token, base, left="Nothing on the Hub has changed.")
    there = hub(f"looking at {base}", lambda: _state(hub, base))
    texts = {name: read_small(hub, there, name) for name in names if name in there.files}
    if not any(name.startswith("LICENSE") for name in texts):
        raise T2LError(
            f"The licence of {base} wants its text to come along, but that repo has none "
            f"({', '.join(names)}); describe the task again with a base that brings it. {hub.left}"
        )
    return texts


def _free(hub: Asked, repo_id: str) -> str:
    """A name near `repo_id` under which there is nothing."""
    for number in range(2, 10):
        name = f"{repo_id}-{number}"
        with suppress(T2LError):
            if look(hub, name) is None:
                return name
    return f"{repo_id}-new"


def _download(hub: Asked, there: Repo, name: str, folder: str | Path) -> None:
    # Into a folder: the client's cache is made of links, which no adapter's folder may hold.
    hub.api.hf_hub_download(
        there.repo_id,
        name,
        repo_type=hub.repo_type,
        revision=there.commit or None,
        local_dir=folder,
    )


def read_small(hub: Asked, there: Repo, name: str) -> bytes:
    """A file of a repo; raises T2LError where it has over `MOST_TEXT` bytes, or cannot be fetched."""
    if (size := there.files[name][0]) > MOST_TEXT:
        raise T2LError(
            f"{name} of {there.repo_id} has {size:,} bytes; the most is {MOST_TEXT:,}. Choose another repo."
        )
    with tempfile.TemporaryDirectory(prefix="t2l-look-") as folder:

        def fetch() -> bytes:
            _download(hub, there, name, folder)
            return read_bytes(Path(folder), name, MOST_TEXT)

        return hub(f"reading {name} of {there.repo_id}", fetch)


def _open_request(hub: Asked, there: Repo, files: Mapping[str, bytes], message: str) -> Published | None:
    """The open pull request that holds these files already."""

    def find() -> Published | None:
        requests = hub.api.get_repo_discussions(
            there.repo_id, discussion_type="pull_request", discussion_status="open"
        )
        for request in requests:
            if request.title == message and request.git_reference:
                proposed = _state(hub, there.repo_id, request.git_reference)
                if proposed.holds(files):
                    return replace(proposed, private=there.private).published(request.url)
        return None

    return hub(f"looking at the pull requests of {there.repo_id}", find)


def commit(hub: Asked, there: Repo, files: Mapping[str, bytes], message: str, mode: str = "new") -> Published:
    """Uploads all files as one commit; where its answer was lost, the commit is found again."""
    from huggingface_hub import CommitOperationAdd

    # Where the repo changed since it was looked at, the Hub refuses.
    parent = there.commit if re.fullmatch("[0-9a-f]{40}", there.commit) else None
    left, hub.left = hub.left, ""
    try:
        made = hub(
            f"uploading to {there.repo_id}",
            lambda: hub.api.create_commit(
                there.repo_id,
                [CommitOperationAdd(name, data) for name, data in files.items()],
                commit_message=message,
                repo_type=hub.repo_type,
                parent_commit=parent,
                create_pr=mode == "pr",
            ),
        )
    except T2LError as err:
        fault = str(err)
    else:
        return Published(there.repo_id, there.url, made.oid, made.pr_url, there.private)
    try:
        if mode == "pr":
            found = _open_request(hub, there, files, message)
        else:
            now = look(hub, there.repo_id)
            found = now.published() if now and now.holds(files) else None
    except T2LError:
        raise T2LError(
            f"{fault} Whether the upload arrived is not known: {hub.again}, and it is found if it did."
        ) from None
    if found:
        return found
    raise T2LError(f"{fault} {left}")
