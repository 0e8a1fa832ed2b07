"""Every tab as axe-core sees it, light, dark and on a phone; and what the keyboard alone can do."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser
# Each with something that only it shows.
TABS = {
    "Compare": "#ask",
    "Examples": "#examples-go",
    "Shelf": "#shelf-rows",
    "Gallery": "#gallery-refresh",
    "Publish": "#publish-go",
    "Results": "#results-which",
}
SERIOUS = {"serious", "critical"}


def violations(page) -> list[str]:
    """The serious faults that axe-core finds, each with the first place where it is."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {fault['nodes'][0]['html'][:200]} ({fault['nodes'][0]['failureSummary'][:300]})"
        for fault in found
        if fault["impact"] in SERIOUS
    ]


def lasting_violations(page) -> list[str]:
    """Those that stay: what an event is about to change is shown faded until it has."""
    for _ in range(8):
        if not (found := violations(page)):
            break
        page.wait_for_timeout(1000)
    return found


def open_tab(page, name: str) -> None:
    tab = page.get_by_role("tab", name=name, exact=True)
    if tab.is_visible():
        tab.click()
    else:
        # On a phone the row of tabs holds two, the others are in its menu.
        page.locator(".overflow-menu > button").click()
        page.locator(".overflow-dropdown").get_by_text(name, exact=True).click()
    page.locator(TABS[name]).wait_for()


@pytest.mark.parametrize(("theme", "width"), [("light", 1200), ("dark", 1200), ("light", 390)])
def test_no_tab_has_a_serious_fault(page, theme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    # Without transitions: a colour on its way from one to another has no contrast to speak of.
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.get_by_label("Task description").fill("Output the plural of the noun.")
    page.get_by_label("Prompt", exact=True).fill("hammer")
    page.locator("#ask").click()
    page.get_by_text("hammers", exact=True).first.wait_for(timeout=60_000)
    faults = {}
    for tab in TABS:
        open_tab(page, tab)
        if tab == "Examples":
            page.locator("#examples-go").click()
            page.get_by_text("examples answered by each").wait_for(timeout=60_000)
        faults[tab] = lasting_violations(page)
        fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert fits, f"{tab} is too wide"
    assert faults == {tab: [] for tab in TABS}


def tab_to(page, selector: str) -> None:
    """Presses Tab until what is focused lies in `selector`."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("selector => Boolean(document.activeElement.closest(selector))", selector):
            return
    raise AssertionError(f"Tab never reaches {selector}")


def test_the_keyboard_alone_describes_asks_and_changes_tabs(page) -> None:
    page.get_by_label("Task description").wait_for()
    tab_to(page, "#description")
    page.keyboard.type("Output the plural of the noun.")
    tab_to(page, "#prompt")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("hammer")
    tab_to(page, "#ask")
    page.keyboard.press("Enter")
    page.get_by_text("hammers", exact=True).first.wait_for(timeout=60_000)
    # From the top again: the row of tabs is among the first.
    page.locator("body").evaluate("body => { document.activeElement.blur(); window.scrollTo(0, 0); }")
    tab_to(page, "[role=tab]")
    while page.evaluate("document.activeElement.textContent.trim()") != "Shelf":
        page.keyboard.press("Tab")
        assert page.evaluate("Boolean(document.activeElement.closest('[role=tab]'))")
    page.keyboard.press("Enter")
    page.locator("#shelf-rows").get_by_text("Output the plural of the noun.").first.wait_for(timeout=60_000)
