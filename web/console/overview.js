// @ts-check
/** What an operator looks at first: alarms in words, figures of now, and the last hour. */
import { el } from "../shared/dom.js";
import { counted } from "../shared/format.js";
import { alarmList } from "./alarms.js";
import { Chart } from "./charts.js";
import { age, milliseconds, percent, share, short, sum, whole } from "./figures.js";
import { card, facts, mark, meter, Part, sums, view } from "./parts.js";
import { refusedLines } from "./series.js";
import { DURABILITY, READINESS, TOGETHER } from "./words.js";

/** @typedef {import("./api.js").Overview} Overview */
/** @typedef {import("../../src/http/operate/shapes.ts").Frame} Frame */

const perSecond = (/** @type {number | null} */ value) => `${short(value)}/s`;

export function overviewView() {
  const alarms = new Part();
  const tiles = new Part(el("div", { class: "tiles" }));
  const below = new Part(el("div", { class: "cards" }));
  const rates = new Chart({ title: "Messages a second", say: perSecond, axis: short });
  const refused = new Chart({ title: "Refused a second", say: perSecond, axis: short, areas: true });
  const puback = new Chart({ title: "Time to the PUBACK", say: milliseconds, axis: milliseconds });
  const backlog = new Chart({ title: "Backlog", say: (value) => short(value), axis: short });
  const charts = [rates, refused, puback, backlog];
  const element = view(
    "Overview",
    "This gateway, now and in the last hour. Counts alone: nothing here leads to a person or a device.",
    alarms.element,
    tiles.element,
    el(
      "div",
      { class: "cards charts" },
      card("Messages a second", rates.element),
      card("Refused, by reason", refused.element, el("p", { class: "about" }, TOGETHER["not-permitted"])),
      card("Time to the PUBACK", puback.element),
      card("Backlog, messages", backlog.element),
    ),
    below.element,
  );
  return {
    element,
    /** @param {Overview} now */
    show({ history, frame }) {
      const { at, everyMs } = history;
      alarms.show([frame.alarms, frame.ready, frame.reasons], () => alarmList(frame));
      tiles.show(figuresOf(frame), (figures) => figures.map(tile));
      rates.show(
        at,
        [
          { name: "in", values: history.received },
          { name: "stored", values: history.stored },
          { name: "forwarded", values: history.forwarded },
        ],
        everyMs,
      );
      refused.show(at, refusedLines(history), everyMs);
      puback.show(
        at,
        [
          { name: "half within", values: history.pubackP50Ms },
          { name: "99 % within", values: history.pubackP99Ms },
        ],
        everyMs,
      );
      backlog.show(at, [{ name: "waiting", values: history.backlogMessages }], everyMs);
      below.show(depths(frame), () => [foundation(frame), books(frame)]);
    },
    leave() {
      for (const chart of charts) chart.stop();
    },
  };
}

/** @typedef {{ name: string, value: string, about?: string, used?: number, href?: string }} Tile */

/** @param {Frame} frame @returns {Tile[]} */
function figuresOf({ sample, backlogLimitBytes, deadLetterBytes, deadLetterLimitBytes }) {
  const backlog = share(sample.backlogBytes ?? 0, backlogLimitBytes);
  const letters = share(deadLetterBytes, deadLetterLimitBytes);
  const oldest = sample.backlogOldestSeconds ?? 0;
  return [
    { name: "In", value: perSecond(sample.received) },
    { name: "Stored", value: perSecond(sample.stored) },
    { name: "Forwarded", value: perSecond(sample.forwarded) },
    { name: "Refused", value: perSecond(sample.refused) },
    {
      name: "PUBACK, 99 % within",
      value: milliseconds(sample.pubackP99Ms),
      about: `half within ${milliseconds(sample.pubackP50Ms)}`,
    },
    {
      name: "Backlog",
      value: short(sample.backlogMessages),
      about: `${percent(backlog)} of its room${oldest >= 1 ? `, oldest ${age(oldest)}` : ""}`,
      used: backlog,
    },
    {
      name: "Dead letters",
      value: short(sample.deadLetters),
      about: `${percent(letters)} of their room`,
      used: letters,
      href: "#letters",
    },
    {
      name: "Connected",
      value: short(sample.devices),
      about: `devices, and ${counted(sample.services ?? 0, "connection")} of services`,
    },
  ];
}

/** @param {Tile} tile */
function tile({ name, value, about, used, href }) {
  return el(
    "div",
    { class: "tile" },
    el("p", { class: "tile-name" }, href === undefined ? name : el("a", { href }, name)),
    el("p", { class: "tile-value" }, value),
    used !== undefined && meter(`${name}: room used`, used),
    about !== undefined && el("p", { class: "tile-about" }, about),
  );
}

/** What the cards below are made of; they stay as they are while it does. @param {Frame} frame */
function depths({ books: all, store, durability, redisWrites, backupAgeSeconds, startedAt, version, ready, reasons }) {
  const backup = backupAgeSeconds === null ? null : Math.floor(backupAgeSeconds / 60);
  const up = Math.floor((Date.now() - startedAt) / 60_000);
  return { all, store, durability, redisWrites, backup, up, version, ready, reasons };
}

/** @param {Frame} frame */
function foundation({ ready, reasons, store, durability, redisWrites, backupAgeSeconds, startedAt, version }) {
  // What it said last of itself would otherwise stand here as if it were of now.
  const away = reasons.includes("redis-unreachable");
  return card(
    "What it stands on",
    facts([
      [
        "Gateway",
        ready
          ? mark("good", "Ready")
          : mark("bad", `Not ready: ${reasons.map((one) => READINESS[one] ?? one).join(", ")}`),
      ],
      [
        "Redis",
        away ? mark("bad", "Does not answer") : redisWrites ? mark("good", "Writes") : mark("bad", "Does not write"),
      ],
      [
        "Durability",
        away || durability === undefined
          ? `not ${away ? "known while Redis does not answer" : "read yet"}`
          : mark(durability === "fsync" ? "good" : "warn", `${DURABILITY[durability]} (${durability})`),
      ],
      [
        "Store",
        store.available && !store.pausing
          ? mark(
              "good",
              store.failures === 0
                ? "Takes what it is given"
                : `Takes it; ${whole(store.failures)} writes failed since the start`,
            )
          : mark("warn", store.pausing ? "Writing pauses, because the store keeps failing" : "Unavailable"),
      ],
      [
        "Newest backup",
        backupAgeSeconds === null
          ? mark("warn", "There is none")
          : `${age(Math.floor(backupAgeSeconds / 60) * 60)} old`,
      ],
      ["Version", `${version}, up for ${age(Math.floor((Date.now() - startedAt) / 60_000) * 60)}`],
    ]),
  );
}

/** @param {Frame} frame */
function books({ books: all }) {
  const { received, recovered, refused, stored, forwardedOnly, deadLettered, handedOver, inFlight } = all;
  return card(
    "Books since the start",
    el(
      "p",
      { class: "about" },
      "Every message that came has exactly one end. What has none yet is in progress, and returns to about the backlog when it is quiet.",
    ),
    el("h3", {}, "What came"),
    sums([
      ["Received", whole(received)],
      ["Recovered from before", whole(recovered)],
    ]),
    el("h3", {}, "What became of it"),
    sums([
      ["Stored", whole(stored)],
      ["Only forwarded", whole(forwardedOnly)],
      ["Refused", whole(sum(refused))],
      ["Dead letters", whole(sum(deadLettered))],
      ["Handed to another gateway", whole(handedOver)],
      ["In progress", el("strong", {}, whole(inFlight))],
    ]),
  );
}
