// @ts-check
/**
 * One device, by an id that is typed: why its messages were refused, and for ten minutes what becomes of each. The id leaves the
 * field at once, and stands in no address, history or storage.
 */
import { codeOf } from "../shared/ask.js";
import { el, fill } from "../shared/dom.js";
import { act, failure } from "./acts.js";
import { sentence } from "./alarms.js";
import { refusals as askRefusals, traces as askTraces, beginTrace, endTrace, trace as readTrace } from "./api.js";
import { age, moment } from "./figures.js";
import { explain } from "./guide.js";
import { button, card, empty, facts, mark, Part, table, view } from "./parts.js";
import { traceTable } from "./trace-table.js";
import { DROPPED, problemText, TOGETHER, TRACE_END } from "./words.js";

/** @typedef {import("./api.js").Refusals} Refusals */
/** @typedef {import("./api.js").Trace} Trace */

const EVERY_MS = 1_000;
const ID = "[A-Za-z0-9_.:\\-]{1,128}";

/** @param {import("./views.js").Place} place */
export function deviceView({ old }) {
  if (old)
    return { element: view("One device", "Nothing of a device is shown once the session has ended."), show() {} };
  const found = el("div", { role: "status" });
  const running = new RunningTrace();
  const field = el("input", {
    id: "device",
    type: "text",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    maxlength: 128,
    pattern: ID,
    required: true,
    "aria-describedby": "device-about",
  });
  const form = el(
    "form",
    { class: "asking", autocomplete: "off", onsubmit: (event) => void refused(event) },
    el("div", { class: "field" }, el("label", { for: "device" }, "Id of the device"), field),
    el(
      "div",
      { class: "buttons start" },
      el("button", { class: "button main", id: "ask-refusals" }, "Why refused"),
      button("Trace for ten minutes", () => void traced(), { id: "ask-trace" }),
    ),
  );

  /** Out of the field before anything is done with it. */
  function taken() {
    if (!form.reportValidity()) return undefined;
    const id = field.value;
    field.value = "";
    return id;
  }

  /** @param {Event} event */
  async function refused(event) {
    event.preventDefault();
    const id = taken();
    if (id === undefined) return;
    fill(found, el("p", {}, "Looking …"));
    try {
      fill(found, refusalsShown(await askRefusals(id)));
    } catch (error) {
      fill(found, el("p", {}, failure(error)));
    }
  }

  async function traced() {
    const id = taken();
    if (id === undefined) return;
    const begun = await act({
      question: {
        title: "Trace this device for ten minutes?",
        text: [
          "For ten minutes this gateway notes of each of its messages which step it has come to, and when. No payload, no topic, no address. Only you see it, and it is forgotten with your session, or when you say so.",
          "Messages that may not be used are not traced either. That you traced a device stands in the audit log.",
        ],
        yes: "Begin the trace",
      },
      make: () => beginTrace(id),
      done: () => "The trace has begun.",
    });
    if (begun !== undefined) running.follow(begun);
    else await running.resume();
  }

  void running.resume();
  return {
    element: view(
      "One device",
      "For the owner who asks why nothing arrives. Type the id that the device logs in with.",
      card(
        "Which device",
        form,
        el(
          "p",
          { class: "about", id: "device-about" },
          "The id leaves this field when you ask. The gateway hashes it at once; it stands in no address, no log and no history.",
        ),
        found,
      ),
      running.element,
    ),
    show() {},
    leave() {
      field.value = "";
      running.stop();
    },
  };
}

/** @param {Refusals} found */
function refusalsShown({ refusals }) {
  if (refusals.length === 0)
    return el(
      "p",
      { class: "note" },
      "Nothing of it was refused here in the last hour. Either all was taken, or it sent nothing to this gateway, or no such device exists: this says nothing about which.",
    );
  return table(
    "Refusals of the device, the newest first",
    ["At", "Why", "Where", "Means"],
    refusals
      .toReversed()
      .map(({ at, reason, rule, path }) => [
        moment(at, Date.now()),
        mark(reason in DROPPED ? "warn" : "bad", reason),
        [path, rule === undefined ? undefined : `rule ${rule}`].filter((part) => part !== undefined).join(", ") || "–",
        explain(el("span", {}), (guide) =>
          sentence(reason === "not-consented" ? TOGETHER[reason] : (DROPPED[reason] ?? guide.refusals[reason] ?? "")),
        ),
      ]),
  );
}

/** The trace of this session, looked at once a second while it is seen. */
class RunningTrace {
  element = el("div", {});
  #head = new Part();
  #lines = new Part();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #gone = false;

  /** One that was begun before. */
  async resume() {
    try {
      const { traces } = await askTraces();
      const last = traces.at(-1);
      if (last !== undefined) this.follow(await readTrace(last.id));
    } catch (error) {
      failure(error);
    }
  }

  stop() {
    this.#gone = true;
    clearTimeout(this.#timer);
  }

  /** @param {Trace} trace */
  follow(trace) {
    if (this.#gone) return;
    clearTimeout(this.#timer);
    fill(this.element, card("Trace", this.#head.element, this.#lines.element));
    this.#show(trace);
  }

  /** @param {Trace} trace */
  #show(trace) {
    const { id, ended, endsAt, lines } = trace;
    const left = Math.max(0, Math.ceil((endsAt - Date.now()) / 1_000));
    this.#head.show([id, ended, ended === undefined ? left : 0], () => this.#about(trace, left));
    this.#lines.show(lines, () =>
      lines.length === 0
        ? empty("device", "No message yet. Messages that may not be used show nothing here.")
        : traceTable(lines),
    );
    if (ended === undefined) this.#timer = setTimeout(() => void this.#again(id), EVERY_MS);
  }

  /** @param {Trace} trace @param {number} left */
  #about({ id, ended, startedAt }, left) {
    const state =
      ended === undefined ? mark("good", `Runs for another ${age(left)}`) : mark("off", TRACE_END[ended] ?? ended);
    return [
      facts([
        ["Since", moment(startedAt, Date.now())],
        ["State", state],
      ]),
      el(
        "div",
        { class: "buttons start" },
        button(ended === undefined ? "End and forget it" : "Forget it", () => void this.#end(id), { id: "end-trace" }),
      ),
    ];
  }

  /** @param {string} id */
  async #again(id) {
    if (this.#gone || document.hidden) {
      if (!this.#gone) this.#timer = setTimeout(() => void this.#again(id), EVERY_MS);
      return;
    }
    try {
      this.follow(await readTrace(id));
    } catch (error) {
      const code = codeOf(error);
      if (code === "lost" || code === "unavailable") this.#timer = setTimeout(() => void this.#again(id), 5 * EVERY_MS);
      else if (failure(error) !== "") this.#over(problemText(code));
    }
  }

  /** @param {string} id */
  async #end(id) {
    await act({
      question: {
        title: "Forget this trace?",
        text: ["It ends at once, and what it has noted so far is gone."],
        yes: "Forget it",
      },
      make: () => endTrace(id).then(() => true),
      done: () => "The trace is forgotten.",
      look: async () =>
        (await askTraces()).traces.some((one) => one.id === id)
          ? "Looked again: it is still there."
          : "Looked again: it is gone.",
      after: async () => {
        const { traces } = await askTraces().catch(() => ({ traces: [{ id }] }));
        if (!traces.some((one) => one.id === id)) this.#over("");
      },
    });
  }

  /** @param {string} text */
  #over(text) {
    clearTimeout(this.#timer);
    fill(this.element, text === "" ? null : el("p", { class: "note" }, text));
  }
}
