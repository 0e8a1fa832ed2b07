"""Publish and Gallery in Chromium, against a Hub on the loopback: from a sentence to a repo and back."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from local_hub import Child, LocalHub
from safetensors.torch import load_file
from serving import online, serving
from test_shelf_page import PLURAL, describe, expect_tab, open_tab

from t2l.adapter import Adapter, unzip_folder
from t2l.attach import attached
from t2l.base import BaseModel

pytestmark = pytest.mark.browser
SLOW = 20_000
TOKEN, MACHINE = f"hf_publisher{'Zq7' * 9}", f"hf_machine{'Zq7' * 9}"
LOOK = {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}}


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    with LocalHub().running() as hub:
        hub.add_user(TOKEN, "tester", orgs={"team": "write", "readers": "read"})
        hub.add_user(MACHINE, "owner")
        hub.add_repo("tester/thesis", {"thesis.txt": b"precious"})
        yield hub


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def address(hub: LocalHub, place: Path) -> Iterator[str]:
    with serving(place / "app.log", online(hub.url, place)) as address:
        yield address


@contextmanager
def visitor(browser, address: str, path: str = "", on_space: bool = False) -> Iterator[Any]:
    """A fresh visitor's page; ends by asserting that nothing was asked elsewhere and nothing failed.

    on_space: there gradio puts the Hub's own header on the page, which asks for fonts and pictures.
    """
    context = browser.new_context(**LOOK, accept_downloads=True)
    page = context.new_page()
    faults: list[str] = []
    # Leaving for a sign-in cuts off a stream of the page that is left.
    left = re.compile("AbortError|Connection errored out|Failed to fetch|ERR_ABORTED")
    page.on(
        "console",
        lambda said: (
            faults.append(said.text) if said.type == "error" and not left.search(said.text) else None
        ),
    )
    page.on("pageerror", lambda error: None if left.search(str(error)) else faults.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
            else faults.append(request.url)
        ),
    )
    page.goto(address + path)
    # Nothing is kept for a visitor whose browser has no key yet.
    page.wait_for_function("localStorage.getItem('t2l-visitor')", timeout=SLOW)
    yield page
    assert on_space or not faults
    context.close()


def expect_text(page, place: str, text: str | re.Pattern[str]) -> None:
    from playwright.sync_api import expect

    expect(page.locator(place)).to_contain_text(text, timeout=SLOW)


def leave(page, field: str, text: str) -> None:
    """Types into a field and goes on to the next."""
    page.locator(f"{field} input, {field} textarea").first.fill(text)
    page.keyboard.press("Tab")


def test_a_sentence_is_published_listed_opened_and_shared(
    browser, address: str, hub: LocalHub, place: Path, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    with visitor(browser, address) as page:
        id = describe(page, PLURAL)
        # What it did on a visitor's examples may go on its card.
        open_tab(page, "Examples")
        page.locator("#examples-go").click()
        expect_text(page, "#examples-said", "4 examples answered by each")
        # Nobody asks the Hub before a visitor does.
        assert hub.log == []
        open_tab(page, "Publish")
        name = f"t2l-output-the-plural-of-the-noun-{id[:6]}"
        expect(page.locator("#publish-repo input, #publish-repo textarea")).to_have_value(name, timeout=SLOW)
        expect_text(page, "#publish-card", "Output the plural of the noun")
        expect_text(page, "#publish-files", "adapter_model.safetensors")
        assert "---" not in page.locator("#publish-card").inner_text() and hub.log == []

        page.locator("#publish-go").click()
        expect_text(page, "#publish-said", "needs your sign-in to the Hub; give a token above")
        leave(page, "#publish-token", "hf_wrong")
        expect_text(page, "#publish-who", "does not accept your sign-in")
        page.locator("#publish-go").click()
        expect_text(page, "#publish-said", re.compile("does not accept your sign-in.*still on your shelf"))
        leave(page, "#publish-token", TOKEN)
        expect_text(page, "#publish-who", "You are tester.")
        expect(page.locator("#publish-owner input")).to_have_value("tester")
        expect_text(page, "#publish-state", f"tester/{name} is free.")

        leave(page, "#publish-repo", "thesis")
        expect_text(page, "#publish-state", re.compile("thesis is no adapter.*such as tester/thesis-2"))
        page.locator("#publish-go").click()
        expect_text(page, "#publish-said", "tester/thesis exists already; choose another name")
        leave(page, "#publish-repo", name)

        page.get_by_role("button", name="Words for the card").click()
        page.wait_for_timeout(500)
        page.locator("#publish-prompt textarea").fill("hammer")
        page.locator("#publish-prompt").get_by_role("button", name="Answer").click()
        expect(page.locator("#publish-sample input")).to_be_checked(timeout=SLOW)
        expect_text(page, "#publish-measured", re.compile("[34] of 4 right, strictly; the base 0."))
        page.locator("#publish-measured input").check()
        expect_text(page, "#publish-card", "of 4 examples of the publisher's own: base 0")
        leave(page, "#publish-notes", "Words <img src=x> only.")
        expect_text(page, "#publish-card", "Words <img src=x> only.")
        expect_text(page, "#publish-card", "With this adapter:")
        page.locator("#publish-go").click()
        expect_text(page, "#publish-said", f"Published: tester/{name} (private)")
        expect_text(
            page, "#publish-said", re.compile("Checking your sign-in.*Creating.*Uploading 5", re.DOTALL)
        )
        expect_text(page, "#publish-use", f"t2l pull tester/{name} --out {name}")
        expect_text(page, "#publish-use", "vllm serve")
        page.locator("#publish-repo input, #publish-repo textarea").first.press("Enter")
        expect_text(page, "#publish-state", "Already published here")
        with page.expect_download() as download:
            page.locator("#publish-download").click()
        download.value.save_as(tmp_path / "one.zip")

        repo = hub.repos[f"tester/{name}"]
        card = repo.files["README.md"].decode()
        assert repo.private and len(repo.commits) == 2
        assert "hammers" in card and "\\<img src=x\\>" in card and "The trained tasks most like" in card

        # The gallery lists a private one for its owner alone.
        open_tab(page, "Gallery")
        expect_text(page, "#gallery-status", "None yet")
        page.get_by_role("button", name="Private ones").click()
        # The box has just been opened: its first value may come late and wipe out what is typed.
        page.wait_for_timeout(500)
        page.locator("#gallery-token input").fill(TOKEN)
        page.locator("#gallery-token input").press("Enter")
        expect_text(page, "#gallery-rows", re.compile(f"tester/{name}\\s+private · 0 downloads"))
        page.locator("#gallery-rows label").click()
        link = page.locator("#gallery-link textarea, #gallery-link input")
        expect(link).to_have_value(f"{address}/?adapter=tester/{name}", timeout=SLOW)
        shared = link.input_value()
        page.locator("#gallery-compare").click()
        expect_tab(page, "Compare")
        expect_text(page, "#columns", re.compile(f"tester/{name}|plural"))
        open_tab(page, "Shelf")
        expect(page.locator("#shelf-rows label")).to_have_count(2, timeout=SLOW)

        kept = page.content() + str(page.evaluate("JSON.stringify([localStorage, sessionStorage])"))
        assert TOKEN not in kept and "hf_wrong" not in kept

    with visitor(browser, address, shared.removeprefix(address)) as page:
        # Private: a stranger is told, and the page works.
        page.locator(".toast-body").filter(has_text="check the name").wait_for(timeout=SLOW)
    repo.private = False
    with visitor(browser, address, shared.removeprefix(address)) as page:
        expect_text(page, "#columns", re.compile(f"tester/{name}|plural"))
        open_tab(page, "Shelf")
        expect_text(page, "#shelf-rows", "Output the plural of the noun")

    # The zip is what was published.
    folder = unzip_folder(tmp_path / "one.zip", tmp_path / "one")
    weights = "adapter_model.safetensors"
    assert (folder / weights).read_bytes() == repo.files[weights]
    for path in place.rglob("*"):
        assert not path.is_file() or not {TOKEN.encode(), b"hf_wrong"} & set(
            re.findall(rb"hf_\w+", path.read_bytes())
        )


def test_a_bad_link_and_a_hub_with_faults_leave_a_page_that_works(
    browser, address: str, hub: LocalHub
) -> None:
    with visitor(browser, address, "/?adapter=<img src=x onerror=alert(1)>") as page:
        page.locator(".toast-body").filter(has_text="is no repo name").wait_for(timeout=SLOW)
        assert not page.locator(".toast-body img[src='x']").count()
        hub.faults["list"] = "not JSON"
        open_tab(page, "Gallery")
        expect_text(
            page, "#gallery-status", "gave an answer that cannot be read (listing adapters); try again"
        )
        hub.faults.clear()
        page.locator("#gallery-refresh").click()
        expect_text(page, "#gallery-status", re.compile("1 adapter|None yet"))
        page.get_by_label("Any adapter on the Hub").fill("tester/none")
        page.locator("#gallery-open").click()
        page.locator(".toast-body").filter(has_text="check the name").wait_for(timeout=SLOW)


def test_what_one_adapter_answers_is_not_put_on_another_ones_card(browser, address: str) -> None:
    from playwright.sync_api import expect

    with visitor(browser, address) as page:
        describe(page, PLURAL)
        describe(page, "Write a long story.")
        open_tab(page, "Publish")
        expect_text(page, "#publish-card", "Write a long story.")
        page.get_by_role("button", name="Words for the card").click()
        page.wait_for_timeout(500)
        page.locator("#publish-prompt textarea").fill("Tell me everything about the sea, in many words.")
        page.locator("#publish-prompt").get_by_role("button", name="Answer").click()
        expect(page.locator("#publish-base textarea")).not_to_have_value("", timeout=SLOW)
        page.locator("#publish-adapter input").click()
        page.get_by_role("option", name=PLURAL).click()
        expect_text(page, "#publish-card", PLURAL)
        page.wait_for_timeout(4000)
        expect(page.locator("#publish-base textarea")).to_have_value("")
        expect(page.locator("#publish-sample input")).not_to_be_checked()
        assert "With this adapter:" not in page.locator("#publish-card").inner_text()


def test_the_last_of_several_quick_changes_is_shown(browser, address: str) -> None:
    with visitor(browser, address) as page:
        describe(page, PLURAL)
        open_tab(page, "Publish")
        leave(page, "#publish-token", TOKEN)
        expect_text(page, "#publish-who", "You are tester.")
        page.get_by_role("button", name="Words for the card").click()
        page.wait_for_timeout(500)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "queue/join" in request.url else None)
        for name in ("thesis", "one", "two"):
            leave(page, "#publish-repo", name)
        for words in ("Some", "Some words", "Some words more."):
            leave(page, "#publish-notes", words)
        expect_text(page, "#publish-state", "tester/two is free.")
        expect_text(page, "#publish-card", "Some words more.")
        # And then the page rests.
        page.wait_for_timeout(1000)
        before = len(asked)
        page.wait_for_timeout(3000)
        assert len(asked) == before


class Provider:
    """The Hub's sign-in as a Space meets it: OpenID Connect, with a real signature, for one user."""

    def __init__(self) -> None:
        from joserfc.jwk import RSAKey

        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.nonces: dict[str, str] = {}
        self.url = ""

    async def configuration(self, request: Any) -> Any:
        from starlette.responses import JSONResponse

        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        told = {key: f"{self.url}/{path}" for key, path in places.items()}
        return JSONResponse({"issuer": self.url, "id_token_signing_alg_values_supported": ["RS256"], **told})

    async def authorize(self, request: Any) -> Any:
        from starlette.responses import RedirectResponse

        asked = request.query_params
        code = secrets.token_hex(8)
        self.nonces[code] = asked["nonce"]
        back = asked["redirect_uri"]
        return RedirectResponse(f"{back}{'&' if '?' in back else '?'}code={code}&state={asked['state']}")

    async def token(self, request: Any) -> Any:
        from joserfc import jwt
        from starlette.responses import JSONResponse

        asked, now = await request.form(), int(time.time())
        person = {key: "tester" for key in ("sub", "name", "preferred_username", "profile", "picture")}
        claims = {**person, "iss": self.url, "aud": "client", "exp": now + 600, "iat": now}
        claims["nonce"] = self.nonces.pop(asked["code"])
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)
        body = {"access_token": TOKEN, "id_token": signed, "token_type": "bearer", "expires_in": 600}
        return JSONResponse({**body, "scope": "openid profile contribute-repos"})

    async def jwks(self, request: Any) -> Any:
        from starlette.responses import JSONResponse

        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    @contextmanager
    def running(self) -> Iterator[Provider]:
        import uvicorn
        from starlette.applications import Starlette
        from starlette.routing import Route

        routes = [
            Route("/.well-known/openid-configuration", self.configuration),
            Route("/authorize", self.authorize),
            Route("/token", self.token, methods=["POST"]),
            Route("/jwks", self.jwks),
        ]
        config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="warning", lifespan="off")
        server, sockets = uvicorn.Server(config), [config.bind_socket()]
        self.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": sockets}, daemon=True)
        thread.start()
        yield self
        server.should_exit = server.force_exit = True
        thread.join()
        sockets[0].close()


def test_on_a_space_the_circle_from_sign_in_to_peft_and_back_closes(
    browser, hub: LocalHub, base: BaseModel, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    with Provider().running() as provider:
        environment = online(hub.url, tmp_path) | {
            "SYSTEM": "spaces",
            "SPACE_ID": "owner/text-to-lora",
            "OAUTH_CLIENT_ID": "client",
            "OAUTH_CLIENT_SECRET": "a secret of the Space",
            "OAUTH_SCOPES": "openid profile contribute-repos",
            "OPENID_PROVIDER_URL": provider.url,
            # The owner's own, which no visitor may use.
            "HF_TOKEN": MACHINE,
        }
        with (
            serving(tmp_path / "app.log", environment) as address,
            visitor(browser, address, on_space=True) as page,
        ):
            id = describe(page, PLURAL)
            describe(page, "Write the phrase in snake_case.")
            open_tab(page, "Shelf")
            # The second one pushes the first down when it comes.
            expect(page.locator("#shelf-rows label")).to_have_count(2, timeout=SLOW)
            page.locator("#shelf-rows label").filter(has_text="plural").click()
            page.locator("#shelf-publish").click()
            expect_tab(page, "Publish")
            expect(page.locator("#publish-adapter input")).to_have_value(PLURAL, timeout=SLOW)
            expect(page.locator("#publish-token")).not_to_be_visible()
            page.locator("#publish-go").click()
            expect_text(page, "#publish-said", "sign in with the button above")
            page.locator("#publish-login").click()
            expect_text(page, "#publish-who", "You are tester.")
            expect_tab(page, "Publish")
            expect_text(page, "#publish-login", "Logout (tester)")
            expect(page.locator("#publish-adapter input")).to_have_value(PLURAL)
            page.locator("#publish-private input").uncheck()
            name = f"tester/t2l-output-the-plural-of-the-noun-{id[:6]}"
            # Where another test has published it, an update adds the card without its words.
            hub.repos.pop(name, None)
            page.locator("#publish-go").click()
            expect_text(page, "#publish-said", f"Published: {name} (public)")
            # The Gallery lists it under the same sign-in, and Compare opens it.
            open_tab(page, "Gallery")
            page.locator("#gallery-rows label").filter(has_text=name).click()
            page.locator("#gallery-compare").click()
            expect_tab(page, "Compare")
            expect_text(page, "#columns", PLURAL)
            page.get_by_label("Prompt", exact=True).fill("hammer")
            page.locator("#ask").click()
            expect(page.locator("#answers .text").nth(1)).to_have_text("hammers", timeout=SLOW)
        assert not hub.repos[name].private and MACHINE not in (tmp_path / "app.log").read_text()
        assert TOKEN not in (tmp_path / "app.log").read_text()

    # What is on the Hub answers in PEFT as the engine does.
    child = Child(hub.url, tmp_path / "home", (TOKEN,))
    code = (
        "from peft import PeftModel\nfrom t2l.base import BaseModel\n"
        "model = BaseModel.load(dtype='float32', device='cpu').model\n"
        f"model = PeftModel.from_pretrained(model, '{name}').eval()\n"
    )
    child.get("snippet", code=code, logits=str(tmp_path / "logits"))
    child.get("pull", repo_id=name, out=str(tmp_path / "pulled"))
    child.end()
    ids = torch.arange(1, 9)[None]
    with torch.no_grad():
        plain = base.model(ids).logits
        with attached(base.model, Adapter.load(tmp_path / "pulled").weights):
            expected = base.model(ids).logits
    # Two kernels' rounding through 30 layers: up to 1.5e-4 where one is packed and the other is not.
    torch.testing.assert_close(load_file(tmp_path / "logits")["logits"], expected, atol=1e-3, rtol=0)
    assert (plain - expected).abs().max() > 0.1
