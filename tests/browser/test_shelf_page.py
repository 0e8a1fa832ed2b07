"""The Shelf tab in Chromium: adapters are found again, renamed, blended, taken along, deleted and opened."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
SLOW = 20_000
PLURAL, SNAKE = "Output the plural of the noun.", "Write the phrase in snake_case."


def describe(page, text: str) -> str:
    """Makes an adapter on Compare; returns its id."""
    from playwright.sync_api import expect

    status = page.locator("#status code")
    before = status.inner_text() if status.count() else ""
    page.get_by_label("Task description").fill(text)
    page.locator("#generate").click()
    expect(status).to_have_text(re.compile(f"^(?!{before or 'none'})[0-9a-f]{{16}}$"), timeout=SLOW)
    return status.inner_text()


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    expect_tab(page, name)


def expect_tab(page, name: str) -> None:
    from playwright.sync_api import expect

    tab = page.get_by_role("tab", name=name, exact=True)
    expect(tab).to_have_attribute("aria-selected", "true", timeout=SLOW)


def rows(page) -> list[str]:
    """The name of every row of the shelf."""
    return [text.strip().splitlines()[0] for text in page.locator("#shelf-rows label").all_text_contents()]


def tick(page, name: str) -> None:
    page.locator("#shelf-rows label").filter(has_text=re.compile(f"^\\s*{re.escape(name)}")).click()


def expect_rows(page, *names: str) -> None:
    from playwright.sync_api import expect

    expect(page.locator("#shelf-rows label")).to_have_count(len(names), timeout=SLOW)
    assert rows(page) == list(names)


@pytest.fixture(scope="module")
def zips(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("zips")


def test_a_shelf_from_two_sentences_to_an_empty_one(page, browser, url: str, zips: Path) -> None:
    from peft import LoraConfig
    from playwright.sync_api import expect

    open_tab(page, "Shelf")
    expect(page.locator("#shelf-usage")).to_contain_text("Nothing here yet")
    open_tab(page, "Compare")
    for text in (PLURAL, SNAKE):
        describe(page, text)
    # As after a reload, which Chromium's console would call an error of the streams that it cuts off.
    page.goto("about:blank")
    page.goto(url)
    open_tab(page, "Shelf")
    expect_rows(page, SNAKE, PLURAL)
    expect(page.locator("#shelf-usage")).to_contain_text(re.compile(r"2 adapters, \d+\.\d of 200 MB"))

    # Another browser has another shelf.
    stranger = browser.new_context().new_page()
    stranger.goto(url)
    open_tab(stranger, "Shelf")
    expect(stranger.locator("#shelf-usage")).to_contain_text("Nothing here yet", timeout=SLOW)
    stranger.context.close()

    tick(page, PLURAL)
    page.get_by_label("Name", exact=True).fill("Plurals <b>")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("#shelf-rows")).to_contain_text("Plurals <b>", timeout=SLOW)
    expect(page.locator("#shelf-rows")).to_contain_text(PLURAL)

    expect(page.locator("#shelf-download")).to_be_enabled()
    with page.expect_download() as download:
        page.locator("#shelf-download").click()
    download.value.save_as(zips / "ours.zip")
    with zipfile.ZipFile(zips / "ours.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(zips)

    page.get_by_role("button", name="Blend two adapters").click()
    share = page.get_by_label("Share of the second").first
    # The box has just been opened; its first value may come late.
    page.wait_for_timeout(1000)
    share.fill("0.25")
    share.press("Tab")
    page.wait_for_timeout(400)
    expect(share).to_have_value("0.25")
    page.locator("#shelf-blend-open input").check()
    page.locator("#shelf-blend-make").click()
    expect_tab(page, "Compare")
    blend = "75% Write the phrase in snake_case. + 25% Plurals <b>"
    expect(page.locator("#columns")).to_contain_text("75%", timeout=SLOW)
    open_tab(page, "Shelf")
    expect_rows(page, blend, SNAKE, "Plurals <b>")
    expect(page.locator("#shelf-download")).to_be_enabled()
    with page.expect_download() as download:
        page.locator("#shelf-download").click()
    download.value.save_as(zips / "blend.zip")
    with zipfile.ZipFile(zips / "blend.zip") as archive:
        archive.extractall(zips)
    folders = [folder for folder in zips.iterdir() if folder.is_dir()]
    assert sorted(LoraConfig.from_pretrained(folder).r for folder in folders) == [8, 16]

    tick(page, SNAKE)
    page.locator("#shelf-delete").click()
    expect(page.locator("#shelf-question")).to_contain_text("Delete 2 adapters?", timeout=SLOW)
    page.locator("#shelf-keep").click()
    expect(page.locator("#shelf-question")).not_to_be_visible()
    page.locator("#shelf-delete").click()
    page.locator("#shelf-delete-sure").click()
    expect_rows(page, "Plurals <b>")
    open_tab(page, "Compare")
    expect(page.locator("#columns")).not_to_contain_text("75%")


def test_a_zip_opens_in_compare_and_a_hostile_one_leaves_nothing(page, zips: Path) -> None:
    from playwright.sync_api import expect

    open_tab(page, "Shelf")
    expect(page.locator("#shelf-usage")).to_contain_text("Nothing here yet")
    page.get_by_role("button", name="Open an adapter made elsewhere").click()
    upload = page.locator("#shelf-elsewhere input[type=file]")
    upload.set_input_files(zips / "ours.zip")
    expect_rows(page, "Output the plural of the noun.")
    page.locator("#shelf-compare").click()
    expect_tab(page, "Compare")
    expect(page.locator("#columns")).to_contain_text("plural", timeout=SLOW)

    open_tab(page, "Shelf")
    with zipfile.ZipFile(zips / "hostile.zip", "w") as archive:
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            archive.writestr(f"../../{name}", "{}")
    upload.set_input_files(zips / "hostile.zip")
    page.locator(".toast-body").filter(has_text="holds no adapters").wait_for(timeout=SLOW)
    expect_rows(page, "Output the plural of the noun.")
