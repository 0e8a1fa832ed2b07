"""The Compare tab in Chromium: from a sentence to two columns and a zip that PEFT opens."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
SLOW = 60_000


def answers(page) -> tuple[str, str]:
    return tuple(page.locator(f"#{side} textarea").input_value() for side in ("base", "adapted"))


def ask(page, description: str, prompt: str) -> tuple[str, str]:
    """Types both, asks, and waits until the button stops the stream no more (both columns are final)."""
    from playwright.sync_api import expect

    page.get_by_label("Task description").fill(description)
    page.get_by_label("Prompt").fill(prompt)
    page.locator("#ask").click()
    expect(page.locator("#note")).to_contain_text(re.compile("Done|identical"), timeout=SLOW)
    return answers(page)


def test_a_sentence_becomes_an_adapter_whose_answer_differs(page, tmp_path: Path) -> None:
    base, adapted = ask(page, "Output the plural of the noun.", "toaster")
    page.screenshot(path=tmp_path / "compare.png", full_page=True)
    assert adapted.strip() == "toasters"
    assert len(base) > len(adapted) and base.strip() != "toasters"
    assert re.search(r"Adapter [0-9a-f]{16}.*ms.*MB", page.locator("#status").inner_text())


def test_the_zip_opens_in_peft(page, tmp_path: Path) -> None:
    from peft import LoraConfig
    from playwright.sync_api import expect
    from safetensors.torch import load_file

    page.get_by_label("Task description").fill("Output the plural of the noun.")
    page.locator("#generate").click()
    expect(page.locator("#status")).to_contain_text("Adapter", timeout=SLOW)
    with page.expect_download() as download:
        page.locator("#download").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert re.fullmatch(r"t2l-output-the-plural-of-the-noun-[0-9a-f]{6}\.zip", file.name)
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    config = LoraConfig.from_pretrained(folder)
    assert config.r == 8 and config.base_model_name_or_path == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert load_file(folder / "adapter_model.safetensors")


@pytest.mark.parametrize(
    ("description", "prompt", "named"), [("   ", "toaster", "empty"), ("Shout.", " ", "empty")]
)
def test_blank_input_gets_one_clear_message(page, description: str, prompt: str, named: str) -> None:
    page.get_by_label("Task description").fill(description)
    page.get_by_label("Prompt").fill(prompt)
    page.locator("#ask").click()
    page.locator(".toast-body").filter(has_text=named).wait_for(timeout=SLOW)


def test_markup_in_a_description_stays_text(page) -> None:
    page.get_by_label("Task description").fill("x\u0007<img src=x onerror=alert(1)>")
    page.locator("#generate").click()
    page.locator(".toast-body").filter(has_text="U+0007").wait_for(timeout=SLOW)
    assert not page.locator(".toast-body img[src='x']").count()


def test_an_example_fills_both_boxes(page) -> None:
    from playwright.sync_api import expect

    page.get_by_text("Write the words in snake_case.").click()
    expect(page.get_by_label("Prompt")).to_have_value("current account balance", timeout=SLOW)


def test_stop_ends_the_stream_and_the_next_question_works(page) -> None:
    from playwright.sync_api import expect

    page.get_by_label("Task description").fill("Write a long story.")
    page.get_by_label("Prompt").fill("Tell me everything about the sea, in many words.")
    page.locator("#ask").click()
    expect(page.locator("#base textarea")).not_to_have_value("", timeout=SLOW)
    page.locator("#stop").click()
    page.wait_for_timeout(1500)
    stopped = answers(page)
    page.wait_for_timeout(1500)
    assert answers(page) == stopped
    assert ask(page, "Output the plural of the noun.", "toaster")[1].strip()
