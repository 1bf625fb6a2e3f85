// @ts-check
/** What stands alone on the page when nothing of the person may: the end, and why it cannot be opened. */
import { byId, el, icon } from "../shared/dom.js";
import { SCREENS } from "./words.js";

/** @param {HTMLElement} page @param {string} screen @param {() => void} [again] */
export function showScreen(page, screen, again) {
  const [title, text] = SCREENS[screen] ?? SCREENS.unreachable ?? ["", ""];
  const heading = el("h1", { tabindex: "-1", "aria-describedby": "screen-text" }, title);
  page.replaceChildren(
    el(
      "section",
      { class: "screen", id: `screen-${screen}` },
      icon("mark"),
      heading,
      el("p", { id: "screen-text" }, text),
      again && el("button", { type: "button", class: "button main", id: "again", onclick: again }, "Try again"),
    ),
  );
  document.title = `${title} · Privacy centre`;
  // Also when somebody looks elsewhere: the focus alone is not spoken then.
  byId("spoken").textContent = screen.startsWith("over") ? `${title}. ${text}` : "";
  heading.focus();
}
