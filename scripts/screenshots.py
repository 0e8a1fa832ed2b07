"""The pictures of README and docs: a visitor's page in a real Chromium, in light, dark and on a phone.
Starts the app with an empty shelf, does what a person does, and writes docs/*.png."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from bench_app import running
from playwright.sync_api import Browser, expect, sync_playwright

from t2l.errors import run_script

REPO = Path(__file__).resolve().parent.parent
PLURAL, SNAKE = "Output the plural of the noun.", "Write the phrase in snake_case."
NOUNS = b"input,expected\nhammer,hammers\nmouse,mice\nchild,children\nlibrary,libraries\nbox,boxes\n"
SLOW = 90_000


def visitor(browser: Browser, address: str, look: dict[str, Any]) -> Any:
    page = browser.new_context(accept_downloads=True, **look).new_page()
    page.goto(address)
    page.locator("#first button").click(timeout=SLOW)
    page.get_by_label("Task description").wait_for(timeout=SLOW)
    page.wait_for_function("localStorage.getItem('t2l-visitor')")
    return page


def describe(page: Any, text: str) -> None:
    page.get_by_label("Task description").fill(text)
    page.locator("#generate").click()
    expect(page.locator("#columns")).to_contain_text(text, timeout=SLOW)


def compare(page: Any) -> None:
    describe(page, PLURAL)
    page.get_by_label("Control: adapter of an unrelated description").check()
    page.get_by_label("Prompt", exact=True).fill("hammer")
    page.locator("#ask").click()
    expect(page.locator("#note")).to_contain_text("Done", timeout=SLOW)
    page.get_by_role("button", name="What this adapter is").click()
    expect(page.get_by_role("heading", name="Where it changes the model")).to_be_visible(timeout=SLOW)


def open_tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")


def examples(page: Any) -> None:
    describe(page, PLURAL)
    open_tab(page, "Examples")
    expect(page.locator("#examples-adapters")).to_contain_text(PLURAL, timeout=SLOW)
    with page.expect_file_chooser() as chooser:
        page.locator("#examples-upload").click()
    chooser.value.set_files({"name": "nouns.csv", "mimeType": "text/csv", "buffer": NOUNS})
    expect(page.locator("#examples-said")).to_contain_text("5 examples read", timeout=SLOW)
    page.locator("#examples-go").click()
    expect(page.locator("#examples-said")).to_contain_text("answered by each", timeout=SLOW)


def shelf(page: Any) -> None:
    describe(page, PLURAL)
    describe(page, SNAKE)
    open_tab(page, "Shelf")
    expect(page.locator("#shelf-rows label")).to_have_count(2, timeout=SLOW)


def publish(page: Any) -> None:
    describe(page, SNAKE)
    open_tab(page, "Publish")
    expect(page.get_by_role("heading", name="How it was made")).to_be_visible(timeout=SLOW)


WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PICTURES = {
    "compare": (compare, {"viewport": WIDE, "color_scheme": "light"}),
    "compare-dark": (compare, {"viewport": WIDE, "color_scheme": "dark"}),
    "compare-phone": (compare, {"viewport": PHONE, "color_scheme": "light", "is_mobile": True}),
    "examples": (examples, {"viewport": WIDE, "color_scheme": "light"}),
    "shelf": (shelf, {"viewport": WIDE, "color_scheme": "light"}),
    "publish": (publish, {"viewport": WIDE, "color_scheme": "light"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default=os.environ.get("T2L_CHROMIUM", "/usr/bin/chromium"))
    parser.add_argument("--out", default=str(REPO / "docs"))
    parser.add_argument("--only", default=",".join(PICTURES), help="pictures, separated by commas")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as kept,
        running("auto", Path(kept) / "app.log") as (address, _),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
        for name in args.only.split(","):
            act, look = PICTURES[name]
            page = visitor(browser, address, look)
            act(page)
            # What fades in is there by then.
            page.wait_for_timeout(800)
            page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
            page.screenshot(path=Path(args.out) / f"{name}.png", full_page=True)
            page.context.close()
            print(f"{args.out}/{name}.png")


if __name__ == "__main__":
    run_script(main)
