"""How the page looks: its theme, its CSS and its small script.
Knows gradio alone."""

from __future__ import annotations

from gradio.themes import Base


def theme() -> Base:
    """Calm and legible, light and dark: every text has a contrast of 4.5 or more."""
    made = Base(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        radius_size="md",
        font=["sans-serif"],
        font_mono=["monospace"],
    )
    return made.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_700",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        block_title_text_weight="600",
        block_label_text_color="*neutral_700",
        block_radius="*radius_lg",
        input_background_fill="white",
        input_background_fill_dark="*neutral_800",
        input_border_width="1px",
        # A border that one can see: 3 to 1 against the page.
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_500",
        input_border_color_focus="*primary_600",
        input_border_color_focus_dark="*primary_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_700",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_600",
        button_border_width="1px",
        color_accent="*primary_600",
        button_large_text_size="*text_md",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
    )


# Only system fonts: the page asks nobody else for anything. An answer is laid out from its end, so that a
# long one stays in sight where it grows; the empty box before it keeps a short one at the top.
CSS = """
:root, :root.dark, :root .dark {
  --font: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --font-mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
:root {
  --mark: #e0e7ff; --mark-ink: #312e81; --warn: #fef3c7; --warn-ink: #78350f; --calm: #475569;
  --line: #e2e8f0; --card: #ffffff; --accent: #4f46e5;
}
:root.dark, :root .dark {
  --mark: #3730a3; --mark-ink: #eef2ff; --warn: #451a03; --warn-ink: #fde68a; --calm: #cbd5e1;
  --line: #334155; --card: #0f172a; --accent: #a5b4fc;
}
/* Code in a preview: wrapped, since what scrolls must be reachable by keyboard; in one legible colour. */
.prose pre, .prose pre code { white-space: pre-wrap !important; overflow-wrap: anywhere; overflow: visible; }
.prose .token { color: inherit !important; }
.gradio-container { width: 100%; max-width: min(1560px, 100vw) !important; margin: 0 auto !important; }
.gradio-container :is(button, input, textarea, select, summary, a, [tabindex="0"]):focus-visible {
  outline: 3px solid var(--accent); outline-offset: 2px;
}
/* Such a selector gradio's own copy of this sheet, which stands within its container, cannot outdo. */
:root:not(.first-visit) #first { display: none; }
#first section {
  border: 1px solid var(--accent); border-radius: .75rem; padding: .75rem 1rem; background: var(--card);
}
#first h2 { margin: 0; font-size: 1rem; }
#first ol { margin: .4rem 0; padding-left: 1.4rem; list-style: decimal; }
#first button {
  border: 1px solid var(--accent); color: var(--accent); border-radius: 1rem; padding: .1rem .8rem;
}
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); margin: 0; }
.quiet { color: var(--calm); }
.warning { background: var(--warn); color: var(--warn-ink); padding: .5rem .75rem; border-radius: .5rem; }
.warning, .quiet { margin: .25rem 0; }

.compare { display: grid; align-items: start; gap: 1rem; grid-template-columns: minmax(0, 1fr); }
.compare > .column { min-width: 0 !important; }
@media (min-width: 900px) {
  .compare {
    grid-template: "describe ask" auto "choose ask" 1fr / minmax(0, 2fr) minmax(0, 3fr);
    column-gap: 1.5rem;
  }
  .compare > .describe { grid-area: describe; }
  .compare > .ask { grid-area: ask; }
  .compare > .choose { grid-area: choose; }
}
.compare .html-container { padding: 0; }
.compare .html-container p { margin: 0; }
.compare .html-container .warning { margin: .4rem 0; }
.compare .prose { font-size: inherit; color: inherit; }
#copied, #loading { position: absolute; }
#loading p {
  position: fixed; bottom: 1rem; left: 1rem; z-index: 10; padding: .5rem 1rem; border-radius: .75rem;
  background: var(--card); border: 1px solid var(--accent);
}
.under { align-items: flex-start; flex-wrap: nowrap; min-height: 1.3rem; }
#hints, #counter { width: auto; min-width: 0; font-size: .85rem; color: var(--calm); }
#hints { flex: 1 1 0; min-height: 4.6rem; }
#counter { flex: none; }
#hints button {
  border: 1px solid var(--accent); color: var(--accent); border-radius: 1rem; padding: 0 .5rem;
  font-size: inherit;
}
#status { min-height: 3rem; }
#note { min-height: 1.5rem; color: var(--calm); }
.settings .form { display: grid; grid-template-columns: repeat(3, 1fr); align-items: end; }
.options { align-items: center; }
.options > .form { flex: 1 1 18rem; flex-direction: column; }
.options > button { flex: 0 1 auto; }

#examples { gap: .4rem; }
#examples h3 { margin: 0; font-size: 1rem; }
.chips { align-items: center; gap: .4rem; }
.chips > :first-child { flex: 0 0 4.2rem; min-width: 0; color: var(--calm); font-size: .85rem; }
.chips button.chip {
  flex: none; width: auto; min-width: 0; border-radius: 1rem; padding: .2rem .75rem; font-weight: 500;
}
@media (max-width: 480px) {
  .chips > :first-child { flex-basis: 100%; }
  .settings .form { grid-template-columns: repeat(2, 1fr); }
}

.answers {
  display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(min(260px, 100%), 1fr));
}
.answer {
  display: flex; flex-direction: column; min-width: 0; padding: .75rem; gap: .4rem;
  background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
}
.answer:first-child { border-style: dashed; }
.answer header { display: grid; grid-template-columns: 1fr auto; gap: 0 .5rem; align-items: start; }
.answer h3 {
  margin: 0; font-size: 1rem; overflow: hidden; overflow-wrap: anywhere;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
}
.answer p { margin: 0; }
.answer .detail { grid-column: 1 / -1; color: var(--calm); font-size: .85rem; min-height: 1.3em; }
.answer .copy {
  border: 1px solid var(--line); border-radius: .5rem; padding: .1rem .6rem; font-size: .85rem;
  min-width: 4.5rem;
}
.answer .said {
  display: flex; flex-direction: column-reverse; height: 11rem; overflow-y: auto; border-radius: .4rem;
}
.answer .said::before { content: ""; flex: 1 0 0; }
.answer .unsaid { color: var(--calm); }
.answer .text, .answer .replied {
  font-family: var(--font-mono); font-size: .9rem; line-height: 1.5; white-space: pre-wrap;
  overflow-wrap: anywhere;
}
.answer .asked {
  white-space: pre-wrap; overflow-wrap: anywhere; color: var(--calm); border-left: 3px solid var(--line);
  padding-left: .5rem; margin: .5rem 0 .25rem;
}
.answer mark { background: var(--mark); color: var(--mark-ink); border-radius: .2rem; }
.answer .notice { color: var(--calm); font-size: .85rem; min-height: 1.4em; }

.facts { display: grid; grid-template-columns: minmax(6rem, auto) 1fr; gap: .25rem 1rem; margin: 0 0 1rem; }
.facts dt { color: var(--calm); }
.facts dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
.near { list-style: none; margin: 0 0 .5rem; padding: 0; display: grid; gap: .5rem; }
.near q { color: var(--calm); overflow-wrap: anywhere; }
.bar { height: .5rem; border-radius: .25rem; background: var(--line); }
.bar i { display: block; height: 100%; border-radius: .25rem; background: var(--accent); }
.heat { margin: 0; }
.heat svg { width: 100%; max-width: 640px; height: auto; }
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { animation-duration: .01ms !important; transition-duration: .01ms !important; }
}
"""

# Copying an answer, and adding a hint to the description: both act wherever their button is drawn.
HEAD = """<script>
document.addEventListener("click", async ({target}) => {
  const copy = target.closest("[data-copy]"), append = target.closest("[data-append]");
  if (copy) {
    const text = copy.closest("article").querySelector(".text").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const box = document.body.appendChild(Object.assign(document.createElement("textarea"), {value: text}));
      box.select();
      document.execCommand("copy");
      box.remove();
    }
    const said = document.querySelector("#copied p");
    copy.textContent = said.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; said.textContent = ""; }, 1500);
  } else if (target.closest("[data-met]")) {
    localStorage.setItem("t2l-met", "1");
    document.documentElement.classList.remove("first-visit");
    document.querySelector("#description textarea")?.focus();
  } else if (append) {
    const box = document.querySelector("#description textarea"), text = box.value.trim();
    box.value = `${text}${/[.!?]$/.test(text) ? "" : "."} ${append.dataset.append}`;
    box.dispatchEvent(new Event("input", {bubbles: true}));
    box.focus();
  }
});
// Whoever has seen the first steps does not see them again.
if (!localStorage.getItem("t2l-met")) document.documentElement.classList.add("first-visit");
// A link to a comparison that is opened in the tab where the page is already.
addEventListener("hashchange", () => location.reload());
</script>"""
