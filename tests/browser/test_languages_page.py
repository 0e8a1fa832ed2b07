"""The page in the visitor's language, and the first steps that a first visit shows."""

from __future__ import annotations

import pytest
from test_accessibility import violations

pytestmark = pytest.mark.browser
SLOW = 90_000
SEEN = {
    "de-DE": ("Vergleichen", "Beschreibung der Aufgabe", "Adapter erzeugen", "Zum ersten Mal hier?", "Regal"),
    "zh-CN": ("比较", "任务描述", "生成适配器", "第一次来？", "书架"),  # noqa: RUF001
    # A language that the page does not speak.
    "fr-FR": ("Compare", "Task description", "Generate adapter", "Here for the first time?", "Shelf"),
}


def expect(thing):
    from playwright.sync_api import expect

    return expect(thing)


@pytest.mark.parametrize("locale", SEEN)
def test_the_page_speaks_the_visitors_language(browser, url: str, locale: str) -> None:
    tab, label, button, first, shelf = SEEN[locale]
    context = browser.new_context(locale=locale, viewport={"width": 1200, "height": 900})
    try:
        page = context.new_page()
        page.goto(url)
        expect(page.get_by_role("tab", name=tab, exact=True)).to_be_visible(timeout=SLOW)
        expect(page.get_by_label(label)).to_be_visible(timeout=SLOW)
        expect(page.locator("#generate")).to_have_text(button)
        expect(page.locator("#first h2")).to_have_text(first)
        expect(page.locator("html")).to_have_attribute("lang", locale[:2] if locale[:2] != "zh" else "zh-CN")
        assert "__i18n__" not in page.locator("body").inner_text()
        assert not violations(page)
        page.get_by_role("tab", name=shelf, exact=True).click()
        assert "__i18n__" not in page.locator("body").inner_text()
    finally:
        context.close()


def test_the_first_steps_stay_away_once_put_away(page) -> None:
    first = page.locator("#first")
    expect(first).to_be_visible(timeout=SLOW)
    first.get_by_role("button", name="Got it").press("Enter")
    expect(first).to_be_hidden()
    expect(page.get_by_label("Task description")).to_be_focused()
    page.reload()
    expect(page.locator("#generate")).to_be_visible(timeout=SLOW)
    expect(first).to_be_hidden()
