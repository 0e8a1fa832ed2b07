"""The Examples tab in Chromium: own examples are answered and counted, wordings chosen, batches made."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
SLOW = 90_000
PLURAL = "Output the plural of the noun."


def expect(thing):
    from playwright.sync_api import expect

    return expect(thing)


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")


def unfold(page, section: str) -> None:
    page.locator(section).get_by_role("button").first.click()
    # A box that has just been opened: its first value may come late and wipe out what is typed.
    page.wait_for_timeout(1000)


def give(page, button: str, name: str, data: bytes) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(button).click()
    chooser.value.set_files({"name": name, "mimeType": "text/plain", "buffer": data})


@pytest.fixture
def examples(page):
    """The tab, with one adapter on the shelf."""
    page.get_by_label("Task description").fill(PLURAL)
    page.locator("#generate").click()
    expect(page.locator("#columns")).to_contain_text(PLURAL, timeout=SLOW)
    open_tab(page, "Examples")
    expect(page.locator("#examples-adapters")).to_contain_text(PLURAL, timeout=SLOW)
    return page


def test_examples_of_a_file_are_answered_counted_and_taken_along(examples, tmp_path: Path) -> None:
    page = examples
    give(page, "#examples-upload", "nouns.csv", b"input;expected\nhammer;hammers\nbox;boxes\n=1+1;<b>x</b>\n")
    expect(page.locator("#examples-said")).to_contain_text("3 examples read", timeout=SLOW)
    page.locator("#examples-go").click()
    expect(page.locator("#examples-said")).to_contain_text("3 examples answered by each.", timeout=SLOW)
    result = page.locator("#examples-result")
    expect(result).to_contain_text("2 of 3 (67%)")
    expect(result).to_contain_text("✓ hammers")
    expect(result).to_contain_text("<b>x</b>")
    assert not result.locator("b").count()
    with page.expect_download() as download:
        page.locator("#examples-download").click()
    download.value.save_as(tmp_path / "answers.csv")
    text = (tmp_path / "answers.csv").read_text(encoding="utf-8-sig")
    assert text.startswith("input,expected,Base,") and "\n'=1+1," in text
    page.screenshot(path=tmp_path / "examples.png", full_page=True)


def test_stop_ends_the_counting_and_others_are_answered(examples) -> None:
    page = examples
    long = " ".join(["word"] * 150)
    rows = "".join(f"Tell the story of number {n}.;{long}\n" for n in range(200))
    give(page, "#examples-upload", "stories.csv", f"input;expected\n{rows}".encode())
    expect(page.locator("#examples-said")).to_contain_text("200 examples read", timeout=SLOW)
    page.locator("#examples-go").click()
    expect(page.locator("#examples-said")).to_contain_text("of 400", timeout=SLOW)
    page.locator("#examples-stop").click()
    expect(page.locator("#examples-said")).to_contain_text("Stopped.", timeout=SLOW)
    open_tab(page, "Compare")
    page.get_by_label("Prompt", exact=True).fill("hammer")
    page.locator("#ask").click()
    expect(page.get_by_text("hammers", exact=True).first).to_be_visible(timeout=SLOW)
    # What was stopped stays so.
    open_tab(page, "Examples")
    expect(page.locator("#examples-said")).to_contain_text("Stopped.")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("sheet.csv", b"a,b\n1,2\n", "names no two columns"),
        ("big.csv", b"input,expected\n" + b"a,b\n" * 100_000, "more than 1,000 rows"),
        ("zip.csv", b"PK\x03\x04", "save the sheet as CSV"),
        ("lines.jsonl", b'{"input": 1}', "Row 1 is"),
    ],
)
def test_a_file_that_is_none_gets_one_clear_message(examples, name: str, data: bytes, said: str) -> None:
    give(examples, "#examples-upload", name, data)
    examples.locator(".toast-body").filter(has_text=said).wait_for(timeout=SLOW)


def test_the_better_wording_and_a_batch(examples, tmp_path: Path) -> None:
    page = examples
    unfold(page, "#examples-wording")
    page.get_by_label("Wordings of one task").fill(f"Name the chemical element.\n{PLURAL}")
    page.locator("#examples-choose").click()
    chosen = page.locator("#examples-chosen")
    expect(chosen).to_contain_text(f"Chosen, and on your shelf: {PLURAL}", timeout=SLOW)
    expect(chosen).to_contain_text(re.compile(r"On 2 examples that did not choose:.*2 of 2 \(100%\)"))
    unfold(page, "#examples-batch")
    page.get_by_label("Descriptions, one per line").fill(f"{PLURAL}\n\nName the colour.")
    page.locator("#examples-make").click()
    expect(page.locator("#examples-made")).to_contain_text("2 adapters made.", timeout=SLOW)
    with page.expect_download() as download:
        page.locator("#examples-zip").click()
    download.value.save_as(tmp_path / "batch.zip")
    with zipfile.ZipFile(tmp_path / "batch.zip") as archive:
        archive.extractall(tmp_path)
    from peft import LoraConfig

    for row in json.loads((tmp_path / "manifest.json").read_text())["adapters"]:
        assert LoraConfig.from_pretrained(tmp_path / row["folder"]).r == 8
