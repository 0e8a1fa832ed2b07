"""A Hub on the loopback that speaks the protocol of the real one, and fails where a test wants it to.

And a process with the real client, which asks it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn
import yaml
from paths import REPO
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

# What a request is a step of, by its method and path.
STEPS = (
    ("whoami", "GET", r"/api/whoami-v2"),
    ("create", "POST", r"/api/repos/create"),
    ("card", "POST", r"/api/validate-yaml"),
    ("preupload", "POST", r"/api/(models|spaces)/[^/]+/[^/]+/preupload/.+"),
    ("commit", "POST", r"/api/(models|spaces)/[^/]+/[^/]+/commit/.+"),
    ("tree", "GET", r"/api/(models|spaces)/[^/]+/[^/]+/tree/.+"),
    ("requests", "GET", r"/api/(models|spaces)/[^/]+/[^/]+/discussions"),
    ("look", "GET", r"/api/(models|spaces)/[^/]+/[^/]+(/revision/.+)?"),
    ("list", "GET", r"/api/models"),
    ("batch", "POST", r"(/spaces)?/[^/]+/[^/]+\.git/info/lfs/objects/batch"),
    ("put", "PUT", r"/storage/.+"),
    ("verify", "POST", r"/verify"),
    ("resolve", "(GET|HEAD)", r"(/spaces)?/[^/]+/[^/]+/resolve/.+"),
)
LICENSES = ("apache-2.0", "mit", "llama3.1", "gemma", "other")
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
# As the Hub begins a Space.
SPACE_CARD = """---
title: X
emoji: 📉
colorFrom: pink
colorTo: gray
sdk: gradio
sdk_version: 1.0.0
app_file: app.py
pinned: false
---

Check out the configuration reference at https://huggingface.co/docs/hub/spaces-config-reference
"""


@dataclass
class Repo:
    """A repo: its visibility, commits (oid, files by path), and pull requests (title, author, commit).

    asked: what it was created with. accepted: who may see a gated one's files; None where it is not gated.
    large_files: whether weights are told of as large files.
    """

    id: str
    private: bool
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    requests: list[tuple[str, str, tuple[str, dict[str, bytes]]]] = field(default_factory=list)
    # Sizes that the Hub tells in place of the true ones.
    told_sizes: dict[str, int] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    accepted: set[str] | None = None
    large_files: bool = True

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1][1]

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if match := re.fullmatch(r"refs/pr/(\d+)", revision):
            number = int(match[1])
            return self.requests[number - 1][2] if number <= len(self.requests) else None
        if revision == "main":
            return self.commits[-1]
        everywhere = [*self.commits, *(commit for *_, commit in self.requests)]
        return next((commit for commit in everywhere if commit[0] == revision), None)


class LocalHub:
    """The Hub's state and faults. users: what whoami answers, by token. faults: kind by step, until cleared.

    repos: by id, those of Spaces with "spaces/" before it.

    Kinds: a status; "cut before" and "cut after" the step was done; "last words" (cut after, and no look from
    then on); "slow"; "stalled"; "not JSON"; "wrong checksum"; "public" (of create: what was asked to be
    private is not); "echo" (a 400 that repeats the request's headers).
    """

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.repos: dict[str, Repo] = {}
        self.stored: dict[str, bytes] = {}
        self.faults: dict[str, int | str] = {}
        self.log: list[tuple[str, str]] = []
        self.url = ""
        self._connections: dict[tuple[str, int], asyncio.Transport] = {}

    def add_user(
        self, token: str, name: str, role: str = "write", orgs: dict[str, str] | None = None
    ) -> None:
        listed = [{"name": org, "roleInOrg": held} for org, held in (orgs or {}).items()]
        auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": role}}
        self.users[token] = {"type": "user", "name": name, "orgs": listed, "auth": auth}

    def add_repo(self, id: str, files: dict[str, bytes] | None = None, private: bool = False) -> Repo:
        repo = self.repos[id] = Repo(id.removeprefix("spaces/"), private)
        if id.startswith("spaces/") and files is None:
            files = {"README.md": SPACE_CARD.encode()}
        self._add_commit(repo, {".gitattributes": b"*.safetensors filter=lfs\n", **(files or {})})
        return repo

    def _add_commit(self, repo: Repo, files: dict[str, bytes], request: str = "", author: str = "") -> str:
        parts = [repo.id, str(len(repo.commits)), str(len(repo.requests)), *sorted(files)]
        oid = hashlib.sha1("\n".join(parts).encode() + b"".join(files[n] for n in sorted(files))).hexdigest()
        if request:
            repo.requests.append((request, author, (oid, files)))
        else:
            repo.commits.append((oid, files))
        return oid

    # The answers.

    def _user(self, request: Request) -> dict[str, Any] | None:
        return self.users.get(request.headers.get("authorization", "").removeprefix("Bearer "))

    def _may_write(self, user: dict[str, Any], namespace: str) -> bool:
        roles = {org["name"]: org["roleInOrg"] for org in user["orgs"]}
        mine = namespace == user["name"] or roles.get(namespace) in ("admin", "write", "contributor")
        return mine and user["auth"]["accessToken"]["role"] != "read"

    def _repo(self, request: Request) -> Repo | Response:
        spaces = "spaces/" if re.match("(/api)?/spaces/", request.url.path) else ""
        repo = self.repos.get(spaces + "{ns}/{name}".format(**request.path_params))
        user = self._user(request)
        sees = repo and (not repo.private or (user and (repo.id.split("/")[0] in _names(user))))
        return (
            repo if repo and sees else refused(404 if user else 401, "Repository not found", "RepoNotFound")
        )

    async def whoami(self, request: Request) -> Response:
        user = self._user(request)
        return JSONResponse(user) if user else refused(401, "Invalid username or password.")

    async def create(self, request: Request) -> Response:
        user, asked = self._user(request), await request.json()
        if user is None:
            return refused(401, "Invalid username or password.")
        namespace = asked.get("organization") or user["name"]
        id = f"{'spaces/' if asked.get('type') == 'space' else ''}{namespace}/{asked['name']}"
        if not self._may_write(user, namespace):
            return refused(403, f"You don't have the rights to create a model under {namespace!r}")
        if id in self.repos:
            body = {"error": "You already created this model repo", "url": f"{self.url}/{id}"}
            return JSONResponse(body, 409)
        private = asked.get("visibility") == "private" and self.faults.get("create") != "public"
        self.add_repo(id, private=private).asked = asked
        return JSONResponse({"url": f"{self.url}/{id}"})

    async def card(self, request: Request) -> Response:
        errors = faults_of_card((await request.json())["content"])
        return JSONResponse(
            {"errors": [{"message": e} for e in errors], "warnings": []}, 400 if errors else 200
        )

    async def preupload(self, request: Request) -> Response:
        repo = self._writable(request)
        if isinstance(repo, Response):
            return repo
        answers = []
        for file in (await request.json())["files"]:
            large = file["path"].endswith(".safetensors")
            answer = {
                "path": file["path"],
                "uploadMode": "lfs" if large else "regular",
                "shouldIgnore": False,
            }
            if not large and file["path"] in repo.files:
                answer["oid"] = git_sha1(repo.files[file["path"]])
            answers.append(answer)
        return JSONResponse({"files": answers})

    def _writable(self, request: Request) -> Repo | Response:
        repo, user = self._repo(request), self._user(request)
        if isinstance(repo, Response):
            return repo
        proposes = "create_pr" in request.query_params
        if not user or not (proposes or self._may_write(user, repo.id.split("/")[0])):
            return refused(403, "You don't have the rights to write to this repository")
        return repo

    async def batch(self, request: Request) -> Response:
        if self._user(request) is None:
            return refused(401, "Invalid username or password.")
        objects = []
        for one in (await request.json())["objects"]:
            if one["oid"] not in self.stored:
                upload = {"href": f"{self.url}/storage/{one['oid']}"}
                one = {**one, "actions": {"upload": upload, "verify": {"href": f"{self.url}/verify"}}}
            objects.append(one)
        body = {"transfer": "basic", "objects": objects}
        return JSONResponse(body, media_type="application/vnd.git-lfs+json")

    async def put(self, request: Request) -> Response:
        assert "authorization" not in request.headers, "the storage must not see the token"
        data, oid = await request.body(), request.path_params["oid"]
        if hashlib.sha256(data).hexdigest() != oid:
            return Response("XAmzContentChecksumMismatch: the checksum does not match", 400)
        self.stored[oid] = data
        return Response()

    async def verify(self, request: Request) -> Response:
        one = await request.json()
        good = one["oid"] in self.stored and len(self.stored[one["oid"]]) == one["size"]
        return JSONResponse({}) if good else refused(404, "The object was not uploaded")

    async def commit(self, request: Request) -> Response:
        repo = self._writable(request)
        if isinstance(repo, Response):
            return repo
        lines = [json.loads(line) for line in (await request.body()).splitlines()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        if header.get("parentCommit", repo.commits[-1][0]) != repo.commits[-1][0]:
            return refused(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repo.files)
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.stored:
                    return refused(400, f"LFS object {value['oid']} was not uploaded")
                files[value["path"]] = self.stored[value["oid"]]
            else:
                assert line["key"] == "header", f"{line['key']}: nothing may be deleted"
        if "README.md" in files and (errors := faults_of_card(files["README.md"].decode())):
            return refused(400, "; ".join(errors))
        user = self._user(request)
        proposes = "create_pr" in request.query_params
        oid = self._add_commit(
            repo, files, header["summary"] if proposes else "", user["name"] if user else ""
        )
        answer = {"success": True, "commitOid": oid, "commitUrl": f"{self.url}/{repo.id}/commit/{oid}"}
        if proposes:
            answer["pullRequestUrl"] = f"{self.url}/{repo.id}/discussions/{len(repo.requests)}"
        return JSONResponse(answer)

    async def look(self, request: Request) -> Response:
        repo = self._repo(request)
        if isinstance(repo, Response):
            return repo
        found = repo.at(request.path_params.get("revision", "main"))
        return JSONResponse(told(repo, *found)) if found else refused(404, "No revision", "RevisionNotFound")

    async def tree(self, request: Request) -> Response:
        repo = self._repo(request)
        if isinstance(repo, Response):
            return repo
        found = repo.at(revision := request.path_params["revision"])
        if found is None and revision.startswith("main/"):
            return refused(404, "No such folder", "EntryNotFound", {"X-Repo-Commit": repo.commits[-1][0]})
        if found is None:
            return refused(404, "No revision", "RevisionNotFound")
        rows: list[dict[str, Any]] = []
        deep = request.query_params.get("recursive") == "true"
        for path, data in sorted(found[1].items()):
            if "/" in path and not deep:
                folder = {
                    "type": "directory",
                    "path": path.partition("/")[0],
                    "size": 0,
                    "oid": git_sha1(b""),
                }
                rows += [folder] * (folder not in rows)
                continue
            size = repo.told_sizes.get(path, len(data))
            row: dict[str, Any] = {"type": "file", "path": path, "size": size, "oid": git_sha1(data)}
            if path.endswith(".safetensors") and repo.large_files:
                row["oid"] = git_sha1(b"pointer to " + data)
                row["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": size, "pointerSize": 130}
            rows.append(row)
        return JSONResponse(rows)

    async def requests(self, request: Request) -> Response:
        repo = self._repo(request)
        if isinstance(repo, Response):
            return repo
        rows = [
            {
                "num": number,
                "title": title,
                "author": {"name": author},
                "createdAt": "2026-01-01T00:00:00.000Z",
                "status": "open",
                "repo": {"name": repo.id, "type": "model"},
                "isPullRequest": True,
            }
            for number, (title, author, _) in enumerate(repo.requests, 1)
        ]
        return JSONResponse({"discussions": rows, "count": len(rows), "start": 0})

    async def list(self, request: Request) -> Response:
        user = self._user(request)
        names = _names(user) if user else set()
        wanted = set(parse_qs(request.url.query).get("filter", []))
        rows = [
            told(repo, *repo.commits[-1])
            for id, repo in self.repos.items()
            if not id.startswith("spaces/")
            if not repo.private or repo.id.split("/")[0] in names
        ]
        rows = [row for row in rows if wanted <= set(row["tags"])]
        return JSONResponse(rows[: int(request.query_params.get("limit", 1000))])

    async def resolve(self, request: Request) -> Response:
        repo = self._repo(request)
        if isinstance(repo, Response):
            return repo
        user = self._user(request)
        if repo.accepted is not None and (user is None or user["name"] not in repo.accepted):
            error = f"Access to model {repo.id} is restricted. Visit its page to ask for access."
            return refused(403 if user else 401, error, "GatedRepo")
        found = repo.at(request.path_params["revision"])
        path = request.path_params["file"]
        if found is None or path not in found[1]:
            return refused(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": repo.commits[-1][0]})
        data = found[1][path]
        if self.faults.get("resolve") == "wrong checksum":
            data = data[:-1] + bytes([data[-1] ^ 1])
        headers = {"X-Repo-Commit": found[0], "ETag": f'"{git_sha1(found[1][path])}"'}
        if path.endswith(".safetensors"):
            headers["X-Linked-ETag"] = f'"{hashlib.sha256(found[1][path]).hexdigest()}"'
            headers["X-Linked-Size"] = str(len(data))
        return Response(data, headers=headers, media_type="application/octet-stream")

    # The server.

    def _app(self) -> Any:
        routes = [
            Route("/api/whoami-v2", self.whoami),
            Route("/api/repos/create", self.create, methods=["POST"]),
            Route("/api/validate-yaml", self.card, methods=["POST"]),
            Route("/api/models", self.list),
            Route("/storage/{oid}", self.put, methods=["PUT"]),
            Route("/verify", self.verify, methods=["POST"]),
        ]
        for kind, before in (("models", ""), ("spaces", "/spaces")):
            repo = f"/api/{kind}/{{ns}}/{{name}}"
            routes += [
                Route(f"{repo}/preupload/{{revision:path}}", self.preupload, methods=["POST"]),
                Route(f"{repo}/commit/{{revision:path}}", self.commit, methods=["POST"]),
                Route(f"{repo}/tree/{{revision:path}}", self.tree),
                Route(f"{repo}/revision/{{revision:path}}", self.look),
                Route(f"{repo}/discussions", self.requests),
                Route(repo, self.look),
                Route(f"{before}/{{ns}}/{{name}}.git/info/lfs/objects/batch", self.batch, methods=["POST"]),
                Route(f"{before}/{{ns}}/{{name}}/resolve/{{revision}}/{{file:path}}", self.resolve),
            ]
        app = Starlette(routes=routes)

        async def failing(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
            step = step_of(scope["method"], scope["path"])
            self.log.append((step, scope["path"]))
            kind = self.faults.get(step)
            if kind == "wrong checksum" and step == "put":
                body = body[:-1] + bytes([body[-1] ^ 1])
            answer: list[Any] = []

            async def replay() -> Any:
                return {"type": "http.request", "body": body, "more_body": False}

            async def keep(message: Any) -> None:
                answer.append(message)

            if isinstance(kind, int):
                # Real ones name the seconds in either of two headers.
                headers = {"Retry-After": "7"} if kind == 429 else None
                await refused(kind, "as the test asked", headers=headers)(scope, replay, keep)
            elif kind == "echo":
                said = {k.decode(): v.decode() for k, v in scope["headers"]}
                await refused(400, f"bad request: {said}")(scope, replay, keep)
            elif kind == "not JSON":
                await Response("<html>a proxy</html>", 200, media_type="text/html")(scope, replay, keep)
            elif kind != "cut before":
                await app(scope, replay, keep)
            if kind == "last words":
                self.faults["look"] = 500
            if kind in ("cut before", "cut after", "last words"):
                return self._connections[tuple(scope["client"])].abort()
            if kind in ("slow", "stalled"):
                await asyncio.sleep(0.2 if kind == "slow" else 1.5)
            for message in answer:
                await send(message)

        return failing

    @contextmanager
    def running(self) -> Iterator[LocalHub]:
        """Serves on a free port of the loopback while the block runs."""
        connections = self._connections

        class Cuttable(H11Protocol):
            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                # Head and body of an answer are two writes; without this the second waits 40 ms.
                transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[transport.get_extra_info("peername")] = transport

        config = uvicorn.Config(self._app(), port=0, log_level="warning", http=Cuttable, lifespan="off")
        server = uvicorn.Server(config)
        sockets = [config.bind_socket()]
        self.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": sockets}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.should_exit = server.force_exit = True
            thread.join()
            sockets[0].close()


class Child:
    """A process with the client; ask() gives its answer after a search for tokens in it."""

    def __init__(self, endpoint: str, home: Path, tokens: tuple[str, ...]) -> None:
        self.home, self.tokens = home, tokens
        home.mkdir()
        environment = {k: v for k, v in os.environ.items() if k not in ("HF_TOKEN", "HF_HUB_OFFLINE")}
        environment |= {
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(home / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(home),
            "PYTHONPATH": str(REPO),
        }
        with open(home / "log.txt", "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(REPO / "tests" / "hub_child.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
            )

    def ask(self, do: str, **job: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"do": do, **job}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, (self.home / "log.txt").read_text()[-2000:]
        assert not [token for token in self.tokens if token in line], line
        answer = json.loads(line)
        assert "crash" not in answer, answer["crash"]
        return answer

    def get(self, do: str, **job: Any) -> Any:
        """The result of what must succeed."""
        answer = self.ask(do, **job)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def refusal(self, do: str, **job: Any) -> str:
        """The error of what must fail: one line that a person can read."""
        answer = self.ask(do, **job)
        assert "error" in answer, answer
        assert (
            "\n" not in answer["error"] and len(answer["error"]) < 700 and "Traceback" not in answer["error"]
        )
        return answer["error"]

    def end(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def step_of(method: str, path: str) -> str:
    """The step that a request belongs to."""
    return next((s for s, m, p in STEPS if re.fullmatch(m, method) and re.fullmatch(p, path)), "other")


def refused(status: int, error: str, code: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """A refusal in the Hub's own form."""
    coded = {"X-Error-Code": code} if code else {}
    return JSONResponse(
        {"error": error}, status, headers={**coded, "X-Error-Message": error, **(headers or {})}
    )


def told(repo: Repo, oid: str, files: dict[str, bytes]) -> dict[str, Any]:
    """What the Hub tells of a repo at a commit."""
    front = front_of(files.get("README.md", b"").decode()) or {}
    return {
        "id": repo.id,
        "modelId": repo.id,
        "sha": oid,
        "private": repo.private,
        "tags": [*front.get("tags", []), *([front["library_name"]] if "library_name" in front else [])],
        "downloads": 0,
        "likes": 0,
        "lastModified": "2026-01-01T00:00:00.000Z",
        "siblings": [{"rfilename": path} for path in sorted(files)],
    }


def front_of(card: str) -> dict[str, Any] | None:
    match = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    return yaml.safe_load(match[1]) if match else None


def faults_of_card(card: str) -> list[str]:
    """What the Hub's own check refuses, as far as it is known."""
    try:
        front = front_of(card)
    except yaml.YAMLError as err:
        return [f"the YAML cannot be read: {err}"]
    if front is None:
        return []
    errors = []
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(front.get("base_model", "a/b"))):
        errors.append('"base_model" with value is not valid. Use a model id from the Hub.')
    if front.get("license", "mit") not in LICENSES:
        errors.append('"license" must be one of the listed ones')
    if any(front.get(key, "red") not in COLOURS for key in ("colorFrom", "colorTo")):
        errors.append('"colorFrom" and "colorTo" must be one of the listed ones')
    if len(front.get("short_description", "")) > 60:
        errors.append('"short_description" length must be less than or equal to 60 characters long')
    return errors


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _names(user: dict[str, Any]) -> set[str]:
    return {user["name"], *(org["name"] for org in user["orgs"])}
