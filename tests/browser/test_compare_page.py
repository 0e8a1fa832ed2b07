"""The Compare tab in Chromium: from a sentence to columns that grow together, and a zip that PEFT opens."""

from __future__ import annotations

import re
import time
import zipfile
from pathlib import Path

import psutil
import pytest
from test_shelf_page import open_tab

pytestmark = pytest.mark.browser
SLOW = 60_000
PLURAL = "Output the plural of the noun."
MOVED = """() => {
  window.moved = 0;
  new PerformanceObserver(list => list.getEntries().forEach(shift => { window.moved += shift.value; }))
    .observe({type: "layout-shift"});
}"""


def expect(thing):
    from playwright.sync_api import expect

    return expect(thing)


def description(page):
    return page.get_by_label("Task description")


def prompt(page):
    return page.get_by_label("Prompt", exact=True)


def titles(page) -> list[str]:
    return page.locator("#answers h3").all_inner_texts()


def texts(page) -> list[str]:
    return page.locator("#answers .text").all_text_contents()


def ask(page, question: str, task: str | None = None) -> list[str]:
    """Types, asks, and waits until every column is final."""
    if task is not None:
        description(page).fill(task)
    prompt(page).fill(question)
    page.evaluate("document.querySelector('#note p').textContent = ''")
    page.locator("#ask").click()
    expect(page.locator("#note")).to_contain_text("Done", timeout=SLOW)
    expect(page.locator("#answers .answers")).to_have_attribute("aria-busy", "false")
    return texts(page)


def generate(page, task: str, button: str = "#generate") -> None:
    """Makes an adapter and waits until it stands among the columns."""
    description(page).fill(task)
    page.locator(button).click()
    expect(page.locator("#columns")).to_contain_text(task, timeout=SLOW)


def put(page, box, number: str) -> None:
    """Types a number and leaves the box; again where its first value comes late, since it was just opened."""
    for _ in range(10):
        box.fill(number)
        box.press("Tab")
        page.wait_for_timeout(400)
        if box.input_value() == number:
            return
    raise AssertionError(f"The box does not keep {number!r}.")


def short(page, tokens: int = 16) -> None:
    """Answers of a few tokens, where a test is not about them."""
    page.locator("#decoding").get_by_role("button").first.click()
    put(page, page.get_by_label("Max new tokens"), str(tokens))


def toast(page, told: str):
    return page.locator(".toast-body").filter(has_text=told)


def test_a_sentence_becomes_an_adapter_whose_answer_differs(page, tmp_path: Path) -> None:
    base, adapted = ask(page, "hammer", PLURAL)
    page.screenshot(path=tmp_path / "compare.png", full_page=True)
    assert adapted == "hammers" != base
    assert titles(page) == ["Base", PLURAL]
    assert page.locator("#answers mark").all_text_contents() == ["hammers"]
    assert re.search(r"Adapter [0-9a-f]{16}.*ms.*MB.*rank 8", page.locator("#status").inner_text())
    # The control is made from something else, and says from what; all of it comes from one pass.
    generate(page, "Give the opposite of the word.", "#add")
    page.get_by_label("Control: adapter of an unrelated description").check()
    short(page)
    assert ask(page, "enemy")[1:3] == ["enemies", "friend"]
    assert titles(page) == ["Base", PLURAL, "Give the opposite of the word.", "Control"]
    assert "made from: " in page.locator("#answers .detail").last.inner_text()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#answers").get_by_role("button", name="Copy").nth(2).click()
    expect(page.locator("#copied")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "friend"
    # A new adapter takes the place of all columns.
    generate(page, "Write the phrase in snake_case.")
    expect(page.locator("#columns")).not_to_contain_text(PLURAL)


def solved(page):
    return page.locator("#solved").locator("textarea")


def test_a_link_opens_the_same_comparison_for_somebody_else(page, browser, url: str) -> None:
    asked: list[str] = []
    generate(page, PLURAL)
    generate(page, "Give the opposite of the word.", "#add")
    put(page, page.locator("#strength").get_by_role("spinbutton"), "0.8")
    page.get_by_label("Say the task in the prompt too").check()
    page.get_by_text("Solved examples in the prompt").click()
    # The box has just been opened: its first value may come late and wipe out what is typed.
    page.wait_for_timeout(1000)
    solved(page).fill("win\n")
    short(page)
    page.locator("#ask").click()
    toast(page, "Line 1 of the solved examples is 'win'; write: input => answer").wait_for(timeout=SLOW)
    solved(page).fill("win => wins\n\nloss => losses")
    answered = ask(page, "victory & <b>50%</b> #1")
    page.locator("#share").click()
    shown = page.locator("#link").locator("input, textarea")
    expect(shown).to_have_value(re.compile("prompt=victory"), timeout=SLOW)
    address = shown.input_value()
    # A change makes it a link to something else.
    prompt(page).fill("hammer")
    expect(shown).to_have_value("")
    friend = browser.new_context().new_page()
    friend.on("request", lambda request: asked.append(request.url))
    friend.goto(address)
    expect(prompt(friend)).to_have_value("victory & <b>50%</b> #1", timeout=SLOW)
    expect(friend.locator("#columns")).to_contain_text("opposite", timeout=SLOW)
    expect(friend.locator("#strength").get_by_role("spinbutton")).to_have_value("0.8")
    expect(friend.get_by_label("Say the task in the prompt too")).to_be_checked()
    friend.get_by_text("Solved examples in the prompt").click()
    expect(solved(friend)).to_have_value("win => wins\n\nloss => losses")
    short(friend)
    friend.locator("#ask").click()
    expect(friend.locator("#note")).to_contain_text("Done", timeout=SLOW)
    assert titles(friend) == ["Base", PLURAL, "Give the opposite of the word."]
    assert texts(friend) == answered
    assert not any("victory" in request for request in asked if "#" not in request)
    # In the same tab: another link, then one that cannot be.
    friend.goto(f"{url}/#description=Name+the+language+of+the+sentence.&prompt=Hola")
    expect(prompt(friend)).to_have_value("Hola", timeout=SLOW)
    friend.goto(f"{url}/#strength=9")
    toast(friend, "strength is '9'").wait_for(timeout=SLOW)
    friend.context.close()


def test_strength_0_is_the_base(page) -> None:
    description(page).fill(PLURAL)
    put(page, page.locator("#strength").get_by_role("spinbutton"), "0")
    short(page)
    base, adapted = ask(page, "hammer")
    assert base == adapted
    expect(page.locator("#answers .notice").last).to_have_text("Identical answers")
    assert not page.locator("#answers mark").count()


def test_a_conversation_goes_on_in_every_column(page) -> None:
    short(page)
    page.get_by_label("Keep the conversation").check()
    first = ask(page, "hammer", PLURAL)
    ask(page, "city")
    assert page.locator("#answers .asked").all_text_contents() == ["hammer", "city"] * 2
    assert page.locator("#answers .replied").all_text_contents() == first
    page.locator("#fresh").click()
    expect(page.locator("#answers .replied")).to_have_count(0)
    ask(page, "hammer")
    assert page.locator("#answers .asked").all_text_contents() == ["hammer"] * 2 and texts(page) == first
    # While an answer grows: it belongs to the old conversation, and must not bring that back.
    put(page, page.get_by_label("Max new tokens"), "64")
    prompt(page).fill("Tell me everything about the sea, in many words.")
    page.locator("#ask").click()
    expect(page.locator("#answers .asked")).to_have_count(4, timeout=SLOW)
    page.locator("#fresh").click()
    expect(page.locator("#note")).to_contain_text("A new conversation.", timeout=SLOW)
    page.wait_for_timeout(3000)
    expect(page.locator("#note")).to_contain_text("A new conversation.")
    assert not page.locator("#answers .asked").count()
    put(page, page.get_by_label("Max new tokens"), "16")
    ask(page, "hammer")
    assert page.locator("#answers .asked").all_text_contents() == ["hammer"] * 2 and texts(page) == first


def test_the_zip_opens_in_peft(page, tmp_path: Path) -> None:
    from peft import LoraConfig
    from safetensors.torch import load_file

    generate(page, PLURAL)
    expect(page.locator("#download")).to_be_enabled(timeout=SLOW)
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
    # What it is, for whoever opens the panel.
    page.locator("#about").get_by_role("button").first.click()
    expect(page.locator("#about .facts")).to_contain_text("1,244,160", timeout=SLOW)
    expect(page.get_by_role("img", name="Size of the change")).to_be_visible()
    expect(page.locator("#about .near li")).to_have_count(3)


def test_what_cannot_work_gets_one_clear_message(page) -> None:
    for task, question, told in (("   ", "hammer", "empty"), (PLURAL, " ", "prompt")):
        description(page).fill(task)
        prompt(page).fill(question)
        page.locator("#ask").click()
        toast(page, told).wait_for(timeout=SLOW)
    # More tokens than the base reads, fewer characters than a prompt may have: the answer has begun by then.
    prompt(page).fill("a b " * 4900)
    page.locator("#ask").click()
    toast(page, "reads at most").wait_for(timeout=SLOW)
    expect(page.locator("#note p")).to_have_text("")
    expect(page.locator("#answers .answers")).to_have_attribute("aria-busy", "false")
    prompt(page).fill("hammer")
    page.locator("#decoding").get_by_role("button").first.click()
    put(page, page.get_by_label("Top-p"), "7")
    page.locator("#ask").click()
    toast(page, "top_p must be a number").wait_for(timeout=SLOW)
    put(page, page.get_by_label("Top-p"), "")
    page.locator("#ask").click()
    toast(page, "Top-p is empty").wait_for(timeout=SLOW)


def test_markup_in_a_description_stays_text(page) -> None:
    description(page).fill("x\u0007<img src=x onerror=alert(1)>")
    page.locator("#generate").click()
    toast(page, "U+0007").wait_for(timeout=SLOW)
    hostile = "<script>alert(1)</script> **bold** <img src=x onerror=alert(2)>"
    short(page, 2)
    ask(page, hostile, hostile)
    assert titles(page)[1] == hostile
    page.locator("#about").get_by_role("button").first.click()
    expect(page.locator("#about .facts")).to_contain_text(hostile, timeout=SLOW)
    assert not page.locator("img[src='x']").count() and not page.locator("#answers strong").count()


def test_writing_shows_what_is_near_and_what_brings_it_nearer(page) -> None:
    counter, hints = page.locator("#counter"), page.locator("#hints")
    expect(counter).to_have_text("0 / 2,000")
    description(page).press_sequentially("Output")
    expect(counter).to_have_text("6 / 2,000")
    description(page).press_sequentially(" the plural of", delay=5)
    expect(hints).to_contain_text("singular_to_plural, similarity 0.", timeout=SLOW)
    expect(hints.get_by_role("button")).not_to_have_count(0)
    addition = hints.get_by_role("button").first.inner_text()
    hints.get_by_role("button").first.click()
    expect(description(page)).to_have_value(f"Output the plural of. {addition}")
    expect(counter).to_have_text(f"{22 + len(addition)} / 2,000")
    # An example is a button: the keyboard reaches it, and it fills both boxes.
    page.get_by_role("button", name="snake_case", exact=True).press("Enter")
    expect(description(page)).to_have_value("Write the phrase in snake_case.")
    expect(prompt(page)).to_have_value("current account balance")
    expect(counter).to_have_text("31 / 2,000")
    expect(hints).to_contain_text("snake_case, similarity 0.", timeout=SLOW)
    description(page).fill("Short")
    expect(hints).to_contain_text("While you write", timeout=SLOW)


def test_stop_ends_the_stream_and_the_next_question_works(page) -> None:
    description(page).fill("Write a long story.")
    prompt(page).fill("Tell me everything about the sea, in many words.")
    prompt(page).press("Enter")
    expect(page.locator("#answers .text").first).not_to_be_empty(timeout=SLOW)
    # Nothing moves while an answer grows: Chromium's own measure of that.
    page.evaluate(MOVED)
    for _ in range(3):
        grown = page.locator("#answers .text").first.inner_text()
        expect(page.locator("#answers .text").first).not_to_have_text(grown, timeout=SLOW)
    assert page.evaluate("moved") < 0.01
    page.locator("#stop").click()
    expect(page.locator("#note")).to_contain_text("Stopped.")
    page.wait_for_timeout(1000)
    stopped = texts(page)
    page.wait_for_timeout(1000)
    assert texts(page) == stopped
    expect(page.locator("#note")).to_contain_text("Stopped.")
    short(page)
    assert ask(page, "hammer", PLURAL)[1] == "hammers"


def test_a_question_within_an_answer_is_answered_after_it(page) -> None:
    short(page, 64)
    description(page).fill("Write a long story.")
    prompt(page).fill("Tell me everything about the sea, in many words.")
    prompt(page).press("Enter")
    expect(page.locator("#answers .text").first).not_to_be_empty(timeout=SLOW)
    # An adapter may be made meanwhile.
    generate(page, PLURAL)
    put(page, page.get_by_label("Max new tokens"), "16")
    prompt(page).fill("hammer")
    page.locator("#ask").dblclick()
    expect(page.locator("#answers .text").nth(1)).to_have_text("hammers", timeout=SLOW)
    expect(page.locator("#note")).to_contain_text("Done", timeout=SLOW)
    assert titles(page) == ["Base", PLURAL]
    assert page.locator(".toast-body").all_inner_texts() == []
    page.locator("#generate").dblclick()
    expect(page.locator("#status")).to_contain_text("ms", timeout=SLOW)
    # Gone from the shelf in another tab.
    other = page.context.new_page()
    other.goto(page.url)
    open_tab(other, "Shelf")
    for name in ("Write a long story.", PLURAL):
        other.locator("#shelf-rows label").filter(has_text=name).click()
    other.locator("#shelf-delete").click()
    other.locator("#shelf-delete-sure").click()
    expect(other.locator("#shelf-usage")).to_contain_text("Nothing here yet", timeout=SLOW)
    other.close()
    # It is made anew of its description, which still stands there.
    prompt(page).fill("city")
    page.locator("#ask").click()
    expect(page.locator("#answers .text").nth(1)).to_have_text("cities", timeout=SLOW)
    assert page.locator(".toast-body").all_inner_texts() == []
    open_tab(page, "Shelf")
    expect(page.locator("#shelf-rows")).to_contain_text(PLURAL, timeout=SLOW)


def test_closing_the_tab_frees_the_model(browser, url: str) -> None:
    def busy() -> float:
        """Seconds of a processor that the app took in the last second or so."""
        before = sum(app.cpu_times()[:2])
        time.sleep(1)
        return sum(app.cpu_times()[:2]) - before

    port = url.rpartition(":")[2]
    (app,) = (
        p for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [])[-2:] == ["--port", port]
    )
    page = browser.new_context().new_page()
    page.goto(url)
    page.wait_for_function("localStorage.getItem('t2l-visitor')", timeout=SLOW)
    short(page, 512)
    description(page).fill(PLURAL)
    put(page, page.locator("#strength").get_by_role("spinbutton"), "0.1")
    page.get_by_label("Control: adapter of an unrelated description").check()
    prompt(page).fill("Write a long story about a dragon and a small village by the sea.")
    prompt(page).press("Enter")
    expect(page.locator("#answers .text").first).not_to_be_empty(timeout=SLOW)
    page.context.close()
    # Unless somebody stopped it, it would go on for twice as long.
    assert any(busy() < 0.15 for _ in range(8))


def test_a_phone_shows_one_column_below_the_other(page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    short(page, 4)
    ask(page, "hammer", PLURAL)
    page.screenshot(path=tmp_path / "phone.png", full_page=True)
    assert page.evaluate("document.querySelector('.dark')")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    base, adapted = (page.locator("#answers article").nth(i).bounding_box() for i in (0, 1))
    assert base["x"] == adapted["x"] and adapted["y"] >= base["y"] + base["height"]
