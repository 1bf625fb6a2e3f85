// @ts-check
/** An erasure, from the request to the receipt. */
import { codeOf } from "../shared/ask.js";
import { el, fill } from "../shared/dom.js";
import { counted } from "../shared/format.js";
import { save, erasure as statusOf } from "./api.js";
import { contactParts } from "./contact.js";
import { verify } from "./receipt.js";
import { country, moment, PURPOSE_NAMES } from "./words.js";

/** @typedef {import("../../src/model/erasure.ts").ErasureStatus} ErasureStatus */
/** @typedef {import("../../src/model/erasure.ts").ErasureStep} ErasureStep */
/** @typedef {import("../../src/model/erasure.ts").ReceiptKey} ReceiptKey */
/** @typedef {import("../../src/model/erasure.ts").SignedReceipt} SignedReceipt */

/** @type {readonly [text: string, steps: ErasureStep[]][]} */
const STAGES = [
  ["Messages that were under way are let go", ["drain", "backlog"]],
  ["What is stored is deleted, and searched for once more", ["delete", "sweep", "dead-letters"]],
  ["The key that made its names is destroyed", ["notices", "destroy-key"]],
  ["Services are told to forget", ["notify"]],
  ["The receipt is signed", ["receipt"]],
];
const FOLLOW_MS = 700;
const REMIND_MS = 5_000;

/** Shows how far an erasure is, and follows it until it has ended. */
export class ErasureView {
  /** @param {ErasureStatus} status @param {readonly ReceiptKey[]} keys @param {{ tell: (text: string) => void, ended: () => void }} page */
  constructor(status, keys, page) {
    this.status = status;
    this.keys = keys;
    this.page = page;
    this.element = el("section", { class: "card erasure", "aria-labelledby": "erasure-title" });
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.#show();
    this.#next();
  }

  stop() {
    clearTimeout(this.timer);
  }

  #next() {
    if (this.status.state === "completed" && this.status.step === undefined) return;
    const pause = this.status.state === "completed" ? REMIND_MS : FOLLOW_MS;
    this.timer = setTimeout(() => this.#look(), pause);
  }

  async #look() {
    try {
      const before = this.status;
      this.status = await statusOf(before.id);
      if (this.status.state === "completed" && before.state !== "completed")
        this.page.tell("The data was erased. The receipt is here.");
      if (JSON.stringify(before) !== JSON.stringify(this.status)) this.#show();
    } catch (error) {
      if (codeOf(error) === "session-ended") return this.page.ended();
      // Shown again as soon as it can be asked again; the erasure itself goes on.
    }
    this.#next();
  }

  #show() {
    const { state, requestedAt, heldUntil, completedAt, receipt } = this.status;
    const done = state === "completed";
    fill(
      this.element,
      el("h2", { id: "erasure-title" }, done ? "The data was erased" : "The data is being erased"),
      el(
        "p",
        { class: "lede" },
        done
          ? `Asked for on ${moment(requestedAt)}, finished on ${moment(completedAt ?? requestedAt)}.`
          : `Asked for on ${moment(requestedAt)}. From that moment on nothing is used. You may close this page: it goes on by itself.`,
      ),
      heldUntil !== undefined &&
        el(
          "p",
          { class: "note attention" },
          `A legal hold stands until ${moment(heldUntil)}. The erasure goes on by itself when it ends.`,
        ),
      done ? null : el("ol", { class: "stages" }, ...this.#stages()),
      receipt === undefined ? null : receiptCard(receipt, this.keys),
    );
  }

  #stages() {
    const at = STAGES.findIndex(([, steps]) => this.status.step !== undefined && steps.includes(this.status.step));
    return STAGES.map(([text], index) => {
      const state = index < at ? "done" : index === at ? "now" : "ahead";
      const words = { done: "done", now: "under way", ahead: "still to come" }[state];
      return el(
        "li",
        { class: state, ...(state === "now" && { "aria-current": "step" }) },
        text,
        el("span", { class: "stage-state" }, words),
      );
    });
  }
}

/** @param {SignedReceipt} signed @param {readonly ReceiptKey[]} keys */
function receiptCard(signed, keys) {
  const { receipt } = signed;
  const check = el("dd", { id: "receipt-check" }, "being checked …");
  void verify(signed, keys).then((result) => {
    check.className = result;
    check.textContent = {
      valid: "valid: checked in your browser just now",
      invalid: "not valid: please report this",
      unknown: "made with a key that is not known here any more; the saved file can be checked with that key",
      unable: "your browser cannot check it; the saved file can be checked anywhere",
    }[result];
  });
  const missing = receipt.services.filter(({ unacknowledged }) => unacknowledged > 0);
  return el(
    "div",
    { class: "receipt" },
    el("h3", {}, "Receipt"),
    el(
      "dl",
      { class: "facts" },
      ...receipt.sinks.map(({ region, rowsDeleted, method, verified }) =>
        fact(
          `Store in ${country(region)}`,
          method === "deleted"
            ? `${counted(rowsDeleted, "row")} deleted, ${verified ? "and a search found nothing left" : "not searched again"}`
            : "Rows cannot be deleted there. With the key gone no one can tell whose they are.",
        ),
      ),
      ...receipt.services.map((result) => fact(`Services: ${PURPOSE_NAMES[result.purpose]}`, told(result))),
      ...(receipt.untold ?? []).map(({ purpose, recipient }) =>
        fact(`Services: ${PURPOSE_NAMES[purpose]}`, `${recipient} is not connected any more and could not be told.`),
      ),
      ...(receipt.record === "unverifiable"
        ? [fact("Consent record", "It could not be verified. Everything that could be yours was erased.")]
        : []),
      fact("Key to the names", receipt.keyDestroyed ? "destroyed" : "not destroyed"),
      receipt.contact && el("div", {}, el("dt", {}, "Questions"), el("dd", {}, ...contactParts(receipt.contact))),
      el("div", {}, el("dt", {}, "Signature"), check),
    ),
    missing.length > 0 &&
      el(
        "p",
        { class: "note" },
        "Services that have not answered are told again for some days. Whether a service did forget cannot be seen from here.",
      ),
    el(
      "p",
      { class: "buttons start" },
      el(
        "button",
        {
          type: "button",
          class: "button",
          id: "save-receipt",
          onclick: () =>
            save(
              new Blob([JSON.stringify(signed, undefined, 2)], { type: "application/json" }),
              "erasure-receipt.json",
            ),
        },
        "Save the receipt",
      ),
    ),
  );
}

/** @param {SignedReceipt["receipt"]["services"][number]} result */
function told({ notified, acknowledged, unacknowledged, waiting = 0, notifyBy }) {
  const all = acknowledged + unacknowledged;
  if (all === 0) return "no one had anything";
  const soon = waiting > 0 && notifyBy !== undefined ? `, ${waiting} to be told by ${moment(notifyBy)}` : "";
  return `${notified} of ${counted(all, "service")} told to forget${soon}, ${acknowledged} said that they did`;
}

/** @param {string} name @param {string} value */
function fact(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}
