// @ts-check
/** The person's devices: in the order of their names, in groups that open and close where there are many, and found by a search. */
import { el, fill, icon } from "../shared/dom.js";
import { counted } from "../shared/format.js";
import { ago, moment } from "./words.js";

/** @typedef {import("../../src/model/centre.ts").CentreOverview} Overview */
/** @typedef {Overview["devices"][number]} Device */
/** @typedef {{ device: number, element: HTMLElement }} Live */
/** @typedef {{ id: string, title: string, state: string, members: Device[] }} Group */

/** "Lamp 2" comes before "Lamp 10". */
const ORDER = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
/** Up to so many are seen at a glance: they are not folded, and there is nothing to search. */
const FEW = 8;

/** @param {Device} device */
export function deviceName({ number, label }) {
  return label ?? `Device ${number}`;
}

/** By name; those of one name by number. @param {readonly Device[]} devices */
export function inOrder(devices) {
  return [...devices].sort(
    (one, other) => ORDER.compare(deviceName(one), deviceName(other)) || one.number - other.number,
  );
}

/** How many there are and, as far as is known here, are connected. @param {Overview} overview */
export function devicesCounted({ devices, seenHere }) {
  if (devices.length === 0) return "There is no device.";
  const connected = devices.filter((device) => device.connected).length;
  const none = seenHere.alone ? ", none of them connected now" : "";
  return `${counted(devices.length, "device")}${connected === 0 ? none : `, ${connected} connected now`}.`;
}

/** Built once: what is searched for and which groups are open stays while the rest of the page is built again. */
export class DevicesView {
  /** What the person has opened or closed themselves. @type {Map<string, boolean>} */
  #opened = new Map();
  /** @type {Group[]} */
  #groups = [];
  /** @type {number | undefined} */
  #watched;
  #lede = el("p", { class: "section-lede" });
  #search = el("input", {
    id: "device-search",
    type: "search",
    maxlength: 100,
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => this.#filter(),
  });
  #searchLine = el("p", { class: "scope" }, el("label", { for: "device-search" }, "Find a device"), this.#search);
  #found = el("p", { id: "devices-found", class: "about", role: "status" });
  #place = el("div", { class: "device-groups" });
  element = el(
    "section",
    { "aria-labelledby": "devices-title" },
    el("h2", { id: "devices-title" }, "Devices, and what becomes of a message"),
    this.#lede,
    this.#searchLine,
    this.#found,
    this.#place,
  );

  /**
   * @param {Overview} overview
   * @param {Live | undefined} live
   * @param {(device: Device) => void} watch Begins to watch, or stops where that was begun.
   */
  show(overview, live, watch) {
    const { devices } = overview;
    const many = devices.length > FEW;
    this.#watched = live?.device;
    this.#groups = many ? groupsOf(devices) : [{ id: "all", title: "", state: "", members: inOrder(devices) }];
    this.#lede.textContent = lede(overview);
    this.#searchLine.hidden = !many;
    if (!many) this.#search.value = "";
    const item = (/** @type {Device} */ device) =>
      deviceItem(device, { live: live?.device === device.number ? live : undefined, watch, overview });
    fill(
      this.#place,
      this.#groups.map(({ id, title, state, members }) => {
        const items = el("ul", { class: "devices" }, ...members.map(item));
        return many ? this.#folded(id, title, state, items) : items;
      }),
    );
    this.#filter();
  }

  /** @param {string} id @param {string} title @param {string} state @param {HTMLElement} items */
  #folded(id, title, state, items) {
    const summary = el(
      "summary",
      // Before it has opened or closed.
      { id: `group-${id}`, onclick: () => this.#search.value === "" && this.#opened.set(id, !details.open) },
      el("h3", {}, title),
      el("span", { class: "about" }, state),
    );
    const details = el("details", { class: "device-group" }, summary, items);
    return details;
  }

  /** Shows what the search names, and opens the groups that it is in. */
  #filter() {
    const words = plain(this.#search.value).split(/\s+/).filter(Boolean);
    let found = 0;
    for (const [index, { id, members }] of this.#groups.entries()) {
      const group = this.#place.children[index];
      const shown = members.filter((device) => words.every((word) => plain(deviceName(device)).includes(word)));
      found += shown.length;
      const watched = members.some(({ number }) => number === this.#watched);
      for (const { number } of members) {
        const item = group?.querySelector(`#device-${number}`);
        // What is watched stays in sight.
        if (item instanceof HTMLElement)
          item.hidden = number !== this.#watched && !shown.some((device) => device.number === number);
      }
      if (!(group instanceof HTMLDetailsElement)) continue;
      group.hidden = shown.length === 0 && !watched;
      const open = this.#opened.get(id) ?? (members.length <= FEW || watched);
      group.open = words.length > 0 || open;
    }
    const all = this.#groups.reduce((sum, { members }) => sum + members.length, 0);
    const said = found === 0 ? "No device is called that." : `${found} of ${counted(all, "device")}.`;
    this.#found.textContent = words.length === 0 ? "" : said;
  }
}

/** Each hub with the devices behind it; those without one first. @param {readonly Device[]} devices @returns {Group[]} */
function groupsOf(devices) {
  const sorted = inOrder(devices);
  const hubs = sorted.filter(({ number, hub }) => hub || devices.some(({ behind }) => behind?.number === number));
  const grouped = new Set(hubs.map(({ number }) => number));
  /** @type {Group[]} */
  const groups = hubs.map((hub) => {
    const children = sorted.filter(({ number, behind }) => behind?.number === hub.number && !grouped.has(number));
    const state = `${hub.connected ? "connected now" : "not connected here now"}, with ${counted(children.length, "device")} of yours behind it`;
    return { id: `hub-${hub.number}`, title: deviceName(hub), state, members: [hub, ...children] };
  });
  const placed = new Set(groups.flatMap(({ members }) => members.map(({ number }) => number)));
  const others = sorted.filter(({ number }) => !placed.has(number));
  const alone = others.filter(({ behind }) => behind === undefined);
  const foreign = others.filter(({ behind }) => behind !== undefined);
  const connected = alone.filter((device) => device.connected).length;
  if (foreign.length > 0)
    groups.unshift({
      id: "foreign",
      title: "Behind a hub that is not among yours",
      state: counted(foreign.length, "device"),
      members: foreign,
    });
  if (alone.length > 0)
    groups.unshift({
      id: "alone",
      title: groups.length > 0 ? "Without a hub" : "All devices",
      state: `${counted(alone.length, "device")}, ${connected === 0 ? "none" : connected} connected now`,
      members: alone,
    });
  return groups;
}

/** @param {Overview} overview */
function lede({ devices, seenHere }) {
  if (devices.length === 0) return "There is no device.";
  const share = seenHere.alone
    ? ""
    : " Whether it is connected is known for a part of the service alone: a device that is not shown as connected may be connected elsewhere.";
  return `Watch a device: you see its next message as it was sent, and what each purpose was given of it. It is shown to you alone and never written down. When a device was heard is not written down either: it is remembered since ${moment(seenHere.since)}.${share}`;
}

/** @param {Device} device @param {{ live: Live | undefined, watch: (device: Device) => void, overview: Overview }} shown */
function deviceItem(device, { live, watch, overview }) {
  const name = deviceName(device);
  const many = overview.devices.length > FEW;
  const toggle = el(
    "button",
    {
      type: "button",
      class: many ? "button small" : "button",
      id: `watch-${device.number}`,
      "aria-expanded": live ? "true" : "false",
      "aria-label": live ? `Stop watching ${name}` : `Watch live: ${name}`,
      onclick: () => watch(device),
    },
    live ? "Stop" : "Watch live",
  );
  return el(
    "li",
    { class: live ? "card device watching" : "card device", id: `device-${device.number}` },
    el(
      "div",
      { class: "device-row" },
      el("span", { class: "badge" }, icon("device")),
      el(
        "div",
        { class: "device-words" },
        el(many ? "h4" : "h3", {}, name),
        device.own && el("span", { class: "tag" }, "settings of its own"),
        device.held && el("span", { class: "tag" }, "legal hold"),
        el("p", { class: device.connected ? "seen connected" : "seen" }, seen(device, overview)),
        ...connection(device, overview.devices, many).map((text) => el("p", { class: "about" }, text)),
      ),
      toggle,
    ),
    live?.element,
  );
}

/** @param {Device} device @param {Overview} overview */
function seen({ connected, heardAt, behind }, { now, seenHere }) {
  const heard = heardAt === undefined ? undefined : `Last heard ${ago(now - heardAt)}.`;
  if (connected) return `Connected now. ${heard ?? ""}`.trim();
  const away = behind === undefined && seenHere.alone ? "Not connected now. " : "";
  return `${away}${heard ?? "Not heard so far."}`;
}

/**
 * How it reaches the gateway, where that is not by itself; a group of a hub says so of all in it.
 * @param {Device} device @param {Device[]} others @param {boolean} grouped
 */
function connection({ behind, hub }, others, grouped) {
  const through = others.find(({ number }) => number === behind?.number);
  const foreign = hub && hub.otherSubjects > 0 ? `, ${hub.otherSubjects} of them of another person` : "";
  const named = through ? deviceName(through) : "a hub of yours";
  return [
    behind?.otherSubject && "Reports through a hub of another person.",
    behind && !behind.otherSubject && !(grouped && through) && `Reports through ${named}.`,
    hub && `Speaks for ${counted(hub.children, "other device")}${foreign}.`,
  ].filter((text) => typeof text === "string");
}

/** Without capitals and accents. @param {string} text */
function plain(text) {
  return text.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase();
}
