// @ts-check
/** The last message of a device as it came, and beside it what each purpose was given of it. */
import { Problem } from "../shared/ask.js";
import { el, fill, icon } from "../shared/dom.js";
import { follow } from "../shared/events.js";
import { time } from "../shared/format.js";
import { ask } from "./api.js";
import { readingsByKey, worded } from "./readings.js";
import { area, CATEGORY_NAMES, NOTHING, PURPOSE_NAMES, problemText, WATCH_ENDS } from "./words.js";

/** @typedef {import("../../src/model/purposes.ts").Purpose} Purpose */
/** @typedef {import("../../src/model/purposes.ts").Category} Category */
/** @typedef {import("../../src/model/property.ts").PlainProperty} Reading */
/** @typedef {Record<string, string | number | boolean>} Readings */
/** @typedef {ReadonlyMap<string, Reading>} Known What each key of a reading means. */
/** @typedef {{ lat: number, lon: number }} Place */
/** @typedef {{ model?: string, ip?: string, location?: Place, status?: Readings }} Sent */
/** @typedef {{ name?: string, model?: string, status?: Readings, cell?: string, center?: Place, ipPrefix?: string }} Given */
/** @typedef {{ at: number, sent: Sent, purposes: Record<Purpose, { given?: Given, nothing?: string }> }} Sample */

/** @type {readonly Purpose[]} */
const PURPOSES = ["analytics", "weather", "scene", "network"];
/** @type {readonly Category[]} */
const KINDS = ["model", "ip", "location", "status"];

/** Looks on at one device until `stop`, or until the server ends it. */
export class LiveView {
  /** @param {number} device @param {string} waiting What to say until a message comes. */
  constructor(device, waiting) {
    this.device = device;
    this.waiting = waiting;
    /** @type {Known} */
    this.known = new Map();
    this.leave = new AbortController();
    this.ended = false;
    this.state = el("p", { class: "live-state", role: "status" });
    this.place = el("div", { class: "sample" });
    this.element = el("div", { class: "live", id: `live-${device}` }, this.state, this.place);
  }

  async start() {
    this.say("Connecting …");
    try {
      this.known = await readingsByKey();
      const path = `api/devices/${this.device}/live`;
      const { body } = await ask("GET", path, undefined, this.leave.signal);
      if (body !== null) {
        await follow(
          body,
          (kind, data) => this.#heard(kind, data),
          () => this.#waits(),
        );
      }
      // The side that ends it says why; a connection that only closes was cut off on its way.
      if (!this.ended) this.say(WATCH_ENDS.stopping ?? "");
    } catch (error) {
      if (this.leave.signal.aborted) return;
      this.say(error instanceof Problem ? problemText(error.code) : (WATCH_ENDS.stopping ?? ""));
    }
  }

  stop() {
    this.leave.abort();
  }

  /** @param {string} text */
  say(text) {
    if (this.state.textContent !== text) this.state.textContent = text;
  }

  /** @param {string} kind @param {any} data */
  #heard(kind, data) {
    if (kind === "sample") this.#show(data);
    if (kind !== "end") return;
    this.ended = true;
    this.say(WATCH_ENDS[data.why] ?? "");
  }

  #waits() {
    if (this.place.childElementCount === 0) this.say(this.waiting);
  }

  /** @param {Sample} sample */
  #show(sample) {
    this.say("The latest message is shown here as it comes, and kept nowhere for this.");
    fill(
      this.place,
      el(
        "section",
        { class: "sent", "aria-label": "What the device sent" },
        el("h4", {}, "The device sent"),
        rows([
          ["At", code(time(sample.at, true))],
          ...KINDS.map((kind) => row(kind, sentValue(kind, sample.sent, this.known))),
        ]),
      ),
      el("div", { class: "received" }, ...PURPOSES.map((purpose) => receivedCard(purpose, sample, this.known))),
    );
  }
}

/** @param {Purpose} purpose @param {Sample} sample @param {Known} known */
function receivedCard(purpose, { purposes, sent }, known) {
  const { given, nothing } = purposes[purpose];
  const head = el("h4", {}, icon(purpose), PURPOSE_NAMES[purpose]);
  const label = { class: given ? "got" : "got empty", "aria-label": `What is received for: ${PURPOSE_NAMES[purpose]}` };
  if (given === undefined) {
    return el("section", label, head, el("p", {}, el("strong", {}, "Nothing. "), NOTHING[nothing ?? ""] ?? ""));
  }
  return el(
    "section",
    label,
    head,
    rows([
      ["Known as", given.name === undefined ? "no device, only an area" : named(given.name)],
      ...KINDS.filter((kind) => sent[kind] !== undefined).map((kind) =>
        row(kind, givenValue(kind, given, purpose, known)),
      ),
    ]),
  );
}

/** @param {string} initials */
function named(initials) {
  return el("span", {}, code(`${initials}…`), ", a name for this purpose alone");
}

/** A value as it is written. @param {string} text */
function code(text) {
  return el("span", { class: "code" }, text);
}

/** @param {Category} kind @param {Node | string | undefined} value @param {string} [name] @returns {[string, Node | string | undefined]} */
function row(kind, value, name = CATEGORY_NAMES[kind]) {
  return [name, value];
}

/** @param {[string, Node | string | undefined][]} values */
function rows(values) {
  return el(
    "dl",
    {},
    ...values.map(([name, value]) =>
      el("div", {}, el("dt", {}, name), el("dd", value === undefined ? { class: "none" } : {}, value ?? "nothing")),
    ),
  );
}

/** @param {Category} kind @param {Sent} sent @param {Known} known */
function sentValue(kind, { model, ip, location, status }, known) {
  if (kind === "model") return model && code(model);
  if (kind === "ip") return ip && code(ip);
  if (kind === "location") return location && code(`${location.lat}, ${location.lon}`);
  return status && readings(status, known);
}

/** @param {Category} kind @param {Given} given @param {Purpose} purpose @param {Known} known */
function givenValue(kind, { model, ipPrefix, cell, center, status }, purpose, known) {
  if (kind === "model") return model;
  if (kind === "ip") return ipPrefix && el("span", {}, code(ipPrefix), ", the block of the provider");
  if (kind === "location") {
    if (cell === undefined || center === undefined) return cell && area(cell);
    return el("span", {}, `${area(cell)} around `, code(`${center.lat}, ${center.lon}`));
  }
  return status && Object.keys(status).length > 0 ? readings(status, known, purpose) : undefined;
}

/** For a purpose also how exactly it is told. @param {Readings} status @param {Known} known @param {Purpose} [purpose] */
function readings(status, known, purpose) {
  return el(
    "ul",
    { class: "readings" },
    ...Object.entries(status).map(([key, value]) => {
      const reading = known.get(key);
      const width = typeof value === "number" && purpose !== undefined ? widthFor(purpose, reading) : undefined;
      return el(
        "li",
        {},
        el("span", {}, reading?.label ?? key),
        ` ${worded(reading, value)}`,
        width !== undefined && el("small", {}, `, ${width}`),
      );
    }),
  );
}

/** @param {Purpose} purpose @param {Reading | undefined} reading */
function widthFor(purpose, reading) {
  if (purpose === "scene") return reading?.scene;
  return purpose === "weather" ? reading?.weather : reading?.stored;
}
