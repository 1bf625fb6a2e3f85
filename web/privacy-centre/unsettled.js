// @ts-check
/**
 * A change that was asked for and not answered: looks again until it is seen what holds. As long as that cannot be
 * read, the page says so and claims nothing.
 */
import { codeOf } from "../shared/ask.js";
import { el } from "../shared/dom.js";
import { time } from "../shared/format.js";
import { verdict } from "./changes.js";

/** @typedef {import("../../src/model/centre.ts").CentreOverview} Overview */
/** @typedef {import("./changes.js").Change} Change */

/** Until the server has given up every request of before, a change may still come to count. */
const LOOK_AFTER_MS = [2_000, 5_000, 15_000, 40_000];
const UNREAD_MS = 5_000;

/**
 * @typedef {object} Page
 * @property {() => Promise<Overview>} look
 * @property {(overview: Overview) => void} show
 * @property {() => void} unread Called when how things stand cannot be read.
 * @property {(text: string) => void} tell
 * @property {() => void} ended
 */

export class Unsettled {
  /** @param {Change} change @param {string} code @param {Overview} before @param {Page} page */
  constructor(change, code, before, page) {
    this.change = change;
    this.code = code;
    this.before = before;
    this.page = page;
    this.looks = 0;
    this.over = false;
    /** Whether it was seen how things stand. */
    this.read = false;
    this.said = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  stop() {
    this.over = true;
    clearTimeout(this.timer);
  }

  /** Resolves when it was looked once; goes on by itself as long as something may still change. */
  async look() {
    clearTimeout(this.timer);
    const now = await this.page.look().catch((error) => codeOf(error));
    if (this.over) return;
    if (now === "session-ended") return this.page.ended();
    if (typeof now === "string") this.#unread();
    else this.#seen(now);
  }

  /** @param {Overview} now */
  #seen(now) {
    const { text, open } = verdict(this.change, this.code, this.before, now);
    const key = text.replace(/\d\d:\d\d:\d\d/, "");
    const news = !this.read || key !== this.said;
    this.read = true;
    this.said = key;
    const after = open ? LOOK_AFTER_MS[this.looks] : undefined;
    this.looks += 1;
    if (after === undefined) this.stop();
    else this.timer = setTimeout(() => this.look(), after);
    this.page.show(now);
    if (news) this.page.tell(text);
  }

  #unread() {
    this.timer = setTimeout(() => this.look(), UNREAD_MS);
    // Once it was seen, that stays true of its moment.
    if (this.read) return;
    const first = this.said === "";
    this.said = "unread";
    this.page.unread();
    if (first) this.page.tell("No answer came, and how things stand cannot be read at the moment.");
  }

  /** For the top of the page, while nothing is known. */
  note() {
    if (this.read || this.change.holds === undefined) return null;
    const text = `It is not known whether your last choice counts: no answer came. What you see below is how it stood at ${time(this.before.now, true)}. This page looks again by itself.`;
    const again = el(
      "button",
      { type: "button", class: "button small", id: "look-again", onclick: () => void this.look() },
      "Look now",
    );
    return el("div", { class: "note attention", id: "unsettled" }, el("p", {}, text), again);
  }
}
