"""Show examples in Compare: inputs without answers become an adapter that answers beside the base."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
SLOW = 60_000
TEXTS = ["See https://example.org/a now", "the link is http://foo.com/b", "open https://bar.net/c?x=1 please"]


def test_examples_without_answers_become_an_adapter(page) -> None:
    page.locator("#how").get_by_label("Show examples").check()
    expect(page.locator("#description")).to_be_hidden()
    # The box has just been opened: its first value may come late and wipe out what is typed.
    page.wait_for_timeout(1000)
    page.locator("#shown textarea").fill("\n".join(TEXTS))
    page.locator("#generate").click()
    expect(page.locator("#columns")).to_contain_text("3 example prompts", timeout=SLOW)
    page.locator("#prompt textarea").fill("Read https://example.net/z today")
    page.locator("#ask").click()
    expect(page.locator("#note")).to_contain_text("Done", timeout=SLOW)
    expect(page.locator("#answers")).to_contain_text("3 example prompts")
    # Nobody's prompts are told unless they agree.
    page.get_by_role("tab", name="Publish").click()
    expect(page.locator("body")).not_to_contain_text("foo.com")
    # Back to a description: nothing of the examples is read.
    page.get_by_role("tab", name="Compare").click()
    page.locator("#how").get_by_label("Describe it").check()
    expect(page.locator("#description")).to_be_visible()
