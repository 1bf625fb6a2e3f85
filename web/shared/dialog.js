// @ts-check
/** Asks before something that cannot simply be switched back. */
import { byId, el } from "./dom.js";

/**
 * True when the person says yes. Escape, the first button and whatever closes the dialog mean no.
 * @param {{ title: string, text: string[], yes: string, danger?: boolean }} question
 * @returns {Promise<boolean>}
 */
export function sure({ title, text, yes, danger = false }) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("ask"));
  const no = el("button", { type: "button", class: "button", onclick: () => dialog.close("no") }, "Go back");
  dialog.replaceChildren(
    el("h2", { id: "ask-title" }, title),
    el("div", { id: "ask-text" }, ...text.map((line) => el("p", {}, line))),
    el(
      "div",
      { class: "buttons" },
      no,
      el(
        "button",
        { type: "button", class: danger ? "button danger" : "button main", onclick: () => dialog.close("yes") },
        yes,
      ),
    ),
  );
  dialog.returnValue = "no";
  dialog.showModal();
  no.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
