// @ts-check
/** The end of the session: said two minutes before, put off when the person wants to stay, and never passed unnoticed. */
import { byId, el } from "./dom.js";
import { time } from "./format.js";

/** @typedef {{ readonly now: number, readonly endsAt: number, readonly endsAtLatest: number }} Term */

const WARN_MS = 120_000;
/** When what is left is said aloud again. */
const SAY_AT_MS = [60_000, 20_000];
const TICK_MS = 1_000;
/** Less is not worth a question. */
const WORTH_MS = 10_000;
/** Two clocks of one computer never differ so much by themselves. */
const JUMP_MS = 5_000;

/**
 * @typedef {object} Doings
 * @property {() => Promise<void>} stay
 * @property {() => void} over Called when the time is up by the clocks of this computer.
 * @property {() => string} title Of the page, while it does not end.
 * @property {(end: string, canStay: boolean) => string} words What is said before the end.
 */

export class Ending {
  /** @param {Doings} doings */
  constructor(doings) {
    this.doings = doings;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("ending"));
    /** @type {Term | undefined} */
    this.term = undefined;
    this.began = clocks();
    this.warned = false;
    /** @type {number[]} */
    this.toSay = [];
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.ticks = undefined;
  }

  /** By the server's clock: the person's own may be wrong. @param {Term} term */
  set(term) {
    const moved = term.endsAt !== this.term?.endsAt;
    if (moved || this.jumped()) {
      this.began = clocks();
      this.term = term;
    }
    if (moved) {
      this.warned = false;
      this.#closeDialog();
    }
    byId("session-end").replaceChildren("Session ends at ", el("time", {}, time(term.endsAt)));
    byId("stay").hidden = !this.#canStay();
    this.ticks ??= setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
  }

  stop() {
    clearInterval(this.ticks);
    this.ticks = this.term = undefined;
    this.#closeDialog();
  }

  /** What is left, by whichever clock says less: one of them may stand still while the computer sleeps. */
  leftMs() {
    if (this.term === undefined) return 0;
    return this.term.endsAt - this.term.now - Math.max(this.#passed("wall"), this.#passed("steady"));
  }

  /** One clock of this computer was set, or stood still: neither says how much is left. */
  jumped() {
    return Math.abs(this.#passed("wall") - this.#passed("steady")) > JUMP_MS;
  }

  /** @param {"wall" | "steady"} clock */
  #passed(clock) {
    return clocks()[clock] - this.began[clock];
  }

  #canStay() {
    return this.term !== undefined && this.term.endsAtLatest - this.term.endsAt > WORTH_MS;
  }

  #tick() {
    const left = this.leftMs();
    if (left <= 0) return this.doings.over();
    if (left <= WARN_MS && !this.warned) this.#warn(left);
    if (!this.dialog.open) return;
    byId("ending-left").textContent = clock(left);
    if (left <= (this.toSay[0] ?? 0)) {
      this.toSay.shift();
      byId("ending-said").textContent = `Your session ends in ${words(left)}.`;
    }
  }

  /** @param {number} left */
  #warn(left) {
    this.warned = true;
    this.toSay = SAY_AT_MS.filter((ms) => ms < left);
    document.title = `Session ends soon · ${this.doings.title()}`;
    const end = time(this.term?.endsAt ?? 0);
    const close = () => this.#closeDialog();
    const stay = this.#canStay();
    const first = stay
      ? button("ending-stay", "Stay longer", "button main", () => void this.doings.stay())
      : button("ending-noted", "I understand", "button main", close);
    this.dialog.replaceChildren(
      el("h2", { id: "ending-title" }, `Your session ends in ${words(left)}`),
      el("p", { id: "ending-text" }, this.doings.words(end, stay)),
      el("p", { id: "ending-left", class: "left", role: "timer" }, clock(left)),
      el("p", { id: "ending-said", class: "unseen", role: "alert" }),
      el("div", { class: "buttons" }, stay && button("ending-later", "Not now", "button", close), first),
    );
    if (!this.dialog.open) this.dialog.showModal();
    first.focus();
  }

  #closeDialog() {
    if (this.dialog.open) this.dialog.close();
    if (this.term !== undefined) document.title = this.doings.title();
  }
}

function clocks() {
  return { wall: Date.now(), steady: performance.now() };
}

/** @param {string} id @param {string} text @param {string} kind @param {() => void} onclick */
function button(id, text, kind, onclick) {
  return el("button", { type: "button", class: kind, id, onclick }, text);
}

/** @param {number} ms */
function clock(ms) {
  const seconds = Math.ceil(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** @param {number} ms */
function words(ms) {
  const seconds = Math.ceil(ms / 1_000);
  if (seconds < 55) return `${seconds} seconds`;
  const minutes = Math.round(seconds / 60);
  return minutes === 1 ? "1 minute" : `${minutes} minutes`;
}
