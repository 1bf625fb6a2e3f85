// @ts-check
/** The sections of the page, each built from how things stand; what a button does is handed in. */
import { el } from "../shared/dom.js";
import { counted, date, list } from "../shared/format.js";
import { contactParts } from "./contact.js";
import { deviceName, devicesCounted, inOrder } from "./devices.js";
import { PURPOSE_NAMES } from "./words.js";

/** @typedef {import("../../src/model/centre.ts").CentreOverview} Overview */

/** @param {Overview} overview */
export function hero(overview) {
  const whose = overview.by === "guardian" ? "The child’s data" : "Your data";
  return el(
    "section",
    { class: "hero", "aria-labelledby": "title" },
    el("h1", { id: "title" }, `${whose}, and who may use it`),
    el("p", { class: "lede", id: "summary" }, summary(overview)),
  );
}

/** @param {Overview} overview */
export function summary(overview) {
  const { standing, heldUntil, purposes, devices, by } = overview;
  const standings = devices.length === 0 ? [standing] : devices.map(({ own }) => own ?? standing);
  const used = purposes.filter(({ id, needs }) =>
    standings.some((one) => needs.some((category) => one.used[id]?.includes(category))),
  );
  const of = devicesCounted(overview);
  if (used.length > 0 && devices.length === 0)
    return `${of} Nothing is used; what was agreed to would count for the next device.`;
  const held = devices.filter((device) => device.held);
  if (used.length > 0 && heldUntil !== undefined && held.length === devices.length)
    return `${of} Because of a legal hold nothing is used at the moment.`;
  if (used.length > 0) {
    const except =
      held.length === 0 ? "" : ` Because of a legal hold nothing of ${list(inOrder(held).map(deviceName))} is used.`;
    const ends = [...new Set(standings.map(({ expiresAt }) => (expiresAt === undefined ? "" : date(expiresAt))))];
    const end = ends.length === 1 && ends[0] !== "" ? ` Your agreement ends by itself on ${ends[0]}.` : "";
    const verb = used.length === 1 ? "gets" : "get";
    const what = "something of what they report, none of them an exact place or a full address";
    return `${of} ${used.length} of ${counted(purposes.length, "purpose")} ${verb} ${what}.${except}${end}`;
  }
  const nothing = {
    none: "Nothing is used: no one has agreed to anything.",
    given: "Nothing is used at the moment.",
    refused: "Nothing is used: the answer was no.",
    withdrawn: "Nothing is used: the agreement was taken back.",
    expired: "Nothing is used: the agreement has ended.",
    unapproved: `Nothing is used: ${by === "guardian" ? "you have" : "a parent or guardian has"} not agreed yet.`,
  }[standing.state];
  return `${of} ${nothing}`;
}

/** @param {Overview} overview */
export function notices({ heldUntil, minor, by, closed, standing }) {
  const child = minor && by === "subject";
  const texts = [
    heldUntil !== undefined &&
      `A legal hold stands until ${date(heldUntil)}. Until it ends nothing of what it covers is used, and nothing is deleted. What you decide here is recorded and takes effect after it.`,
    child &&
      standing.state !== "unapproved" &&
      "You are on record as a minor: a parent or guardian decides what may be used. You can look at everything, switch things off, and have everything erased.",
    child &&
      standing.state === "unapproved" &&
      "You are on record as a minor. Nothing is used until a parent or guardian agrees; they get a link of their own.",
    closed && "In this session nothing else can be changed. To agree to something again later, open a new link.",
  ];
  return texts.filter((text) => text !== false).map((text) => el("p", { class: "note attention" }, text));
}

/**
 * What a child asked for, put before the guardian.
 * @param {Overview} overview
 * @param {() => void} agree
 */
export function approval({ by, standing }, agree) {
  if (by !== "guardian" || standing.state !== "unapproved") return null;
  const waiting = Object.keys(standing.waiting).map(
    (id) => PURPOSE_NAMES[/** @type {keyof typeof PURPOSE_NAMES} */ (id)],
  );
  if (waiting.length === 0) return null;
  return el(
    "section",
    { class: "card approval", "aria-labelledby": "approval-title" },
    el("h2", { id: "approval-title" }, "Your agreement is asked for"),
    el(
      "p",
      {},
      `Asked for: ${list(waiting)}. Data of a minor is never stored to improve products. You can agree to all of it here, or choose below.`,
    ),
    el("p", { class: "buttons start" }, button("approve", "Agree to what is asked for", agree, "main")),
  );
}

/**
 * For which devices the switches are.
 * @param {Overview} overview
 * @param {number | undefined} scope
 * @param {(scope: number | undefined) => void} choose
 */
export function scopeChoice(overview, scope, choose) {
  const select = el(
    "select",
    { id: "scope", onchange: () => choose(select.value === "" ? undefined : Number(select.value)) },
    el("option", { value: "" }, "All devices"),
    ...inOrder(overview.devices).map((device) =>
      el("option", { value: device.number }, device.own ? `${deviceName(device)} (own settings)` : deviceName(device)),
    ),
  );
  select.value = scope === undefined ? "" : String(scope);
  return el("p", { class: "scope" }, el("label", { for: "scope" }, "Settings for"), select);
}

/** @param {(format: "summary" | "ndjson") => void} copy */
export function copies(copy) {
  return el(
    "section",
    { "aria-labelledby": "copies-title" },
    el("h2", { id: "copies-title" }, "Take it with you"),
    el(
      "p",
      { class: "section-lede" },
      "Everything that is held: each decision, what is stored under every name the devices ever had, and who was given what.",
    ),
    el(
      "p",
      { class: "buttons start" },
      button("copy-summary", "Download to read", () => copy("summary")),
      button("copy-lines", "Download for programs", () => copy("ndjson")),
    ),
  );
}

/** @param {Overview} overview @param {{ withdrawAll: () => void, eraseAll: () => void }} doings */
export function endings({ standing, devices: all }, { withdrawAll, eraseAll }) {
  const anything = [standing, ...all.flatMap(({ own }) => own ?? [])].some(
    ({ used, waiting }) => Object.keys(used).length + Object.keys(waiting).length > 0,
  );
  const back = button("withdraw-all", "Take everything back", withdrawAll);
  back.disabled = !anything;
  return el(
    "section",
    { "aria-labelledby": "endings-title" },
    el("h2", { id: "endings-title" }, "Stop"),
    el(
      "div",
      { class: "cards two" },
      el(
        "div",
        { class: "card" },
        el("h3", {}, "Take everything back"),
        el(
          "p",
          {},
          "Nothing more is stored or passed on. What was stored before stays until its time is over, or until it is erased.",
        ),
        back,
      ),
      el(
        "div",
        { class: "card" },
        el("h3", {}, "Erase everything"),
        el(
          "p",
          {},
          "What is stored is deleted, services are told to forget, and you get a signed receipt. It cannot be undone.",
        ),
        button("erase-all", "Erase everything", eraseAll, "danger-line"),
      ),
    ),
  );
}

/** @param {Overview} overview */
export function policy({ policy: { title, version, effectiveFrom, language, statements }, controller, contact }) {
  const since = date(Date.parse(`${effectiveFrom}T12:00:00`));
  return el(
    "section",
    { class: "policy", "aria-labelledby": "policy-title" },
    el("h2", { id: "policy-title" }, "The rules behind this"),
    el("p", { class: "section-lede" }, `${title}. Version ${version}, from ${since}. Answerable: ${controller}.`),
    contact &&
      el("p", { class: "contact", id: "contact" }, "Questions and complaints: ", ...contactParts(contact), "."),
    el(
      "details",
      {},
      el("summary", { id: "policy-more" }, "Read all of it"),
      el(
        "dl",
        { class: "clauses", lang: language },
        ...statements.map(({ clause, says }) => el("div", {}, el("dt", {}, clause), el("dd", {}, says))),
      ),
    ),
  );
}

/** @param {string} id @param {string} text @param {() => void} onclick @param {string} [kind] */
function button(id, text, onclick, kind = "") {
  return el("button", { type: "button", class: `button ${kind}`.trim(), id, onclick }, text);
}
