// @ts-check
/** The way in: a token that is gone from the field as soon as it was sent. */
import { codeOf } from "../shared/ask.js";
import { el, icon } from "../shared/dom.js";
import { signIn } from "./api.js";
import { problemText } from "./words.js";

/**
 * @param {string} why Said first: nothing, or what has ended.
 * @param {(session: import("./api.js").Session) => void} entered
 */
export function signInForm(why, entered) {
  const field = el("input", {
    id: "token",
    type: "password",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
    maxlength: 512,
    "aria-describedby": "token-about sign-in-said",
  });
  const said = el("p", { class: "said", id: "sign-in-said", role: "alert" }, why);
  const submit = el("button", { class: "button main", id: "enter" }, "Sign in");
  const enter = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const token = field.value.trim();
    field.value = "";
    if (token === "" || submit.disabled) return field.focus();
    submit.disabled = true;
    said.textContent = "";
    try {
      entered(await signIn(token));
    } catch (error) {
      said.textContent = problemText(codeOf(error));
      field.focus();
    } finally {
      submit.disabled = false;
    }
  };
  return el(
    "form",
    { class: "sign-in card", onsubmit: enter, autocomplete: "off", "aria-labelledby": "sign-in-title" },
    icon("mark"),
    el("h1", { id: "sign-in-title" }, "Sign in to the console"),
    el("div", { class: "field" }, el("label", { for: "token" }, "Token of scope operate"), field),
    el(
      "p",
      { class: "about", id: "token-about" },
      "Made by npm run tokens -- create. It leaves this field at once; the session in its place ends by itself, and shows nothing of any person or device.",
    ),
    said,
    submit,
  );
}
