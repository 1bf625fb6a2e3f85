// @ts-check
/** What the page says, in plain language. Names of purposes and kinds of data, times, places, and problems. */

import { date, time } from "../shared/format.js";

/** @typedef {import("../../src/model/purposes.ts").Purpose} Purpose */
/** @typedef {import("../../src/model/purposes.ts").Category} Category */

/** @type {Record<Purpose, string>} */
export const PURPOSE_NAMES = {
  analytics: "Improving the products",
  weather: "Weather for your area",
  scene: "Scenes at home",
  network: "Keeping devices reachable",
};

/** @type {Record<Category, string>} */
export const CATEGORY_NAMES = {
  model: "Kind of device",
  ip: "Network address",
  location: "Area",
  status: "Readings",
};

/** What is left of each kind of data when a purpose gets it. @param {Purpose} purpose @param {Category} category */
export function remainder(purpose, category) {
  if (category === "model") return "The kind, such as “hub”; never the exact model.";
  if (category === "ip") return "The provider’s block; never the whole address.";
  if (category === "status") {
    return purpose === "weather"
      ? "Weather numbers of devices outdoors, such as temperature, rounded; told only as the middle value of at least five homes."
      : "Readings of a fixed list: numbers rounded, yes or no, words of the list; never a text of its own.";
  }
  return purpose === "analytics"
    ? "One wide area for a stretch of days, overwritten as you move; never a point."
    : "One wide area, told only together with at least five homes; without the device, never a point.";
}

/** @type {Record<string, string>} */
export const NOTHING = {
  "not-agreed": "This was not agreed to.",
  "not-carried": "There was nothing in this message for it.",
  "no-weather": "Only what devices outdoors measure is used for it, and only while a service listens.",
  "no-scene":
    "No one was listening, or there was only what a device outdoors measures of the weather, and scenes are not told that.",
  "nobody-listens": "No one was listening, so it went nowhere.",
  "set-aside": "It could not be stored. An operator will look after it; nothing was passed on.",
};

/** @type {Record<string, string>} */
export const WATCH_ENDS = {
  time: "Watching ended by itself after a while.",
  withdrawn: "Watching ended, because nothing of this device is used any more.",
  unbound: "Watching ended, because the device was reconnected or is no longer yours.",
  changed:
    "Watching ended, because something changed about who may look on. Load this page again to see how it stands.",
  stopping: "Watching was cut off. You can begin again in a moment.",
};

/** @type {Record<string, string>} */
const PROBLEMS = {
  lost: "No answer came. Please try again in a moment.",
  "changed-meanwhile":
    "Something was changed elsewhere in the meantime. Here is how it stands now; please choose again.",
  conflict: "Somebody else was changing the same thing at this moment. Please try again.",
  "not-drained":
    "Your decision is recorded and nothing new is used. A message of before is still being finished; please look again in a minute.",
  "guardian-needed": "Only a parent or guardian can switch something on for a minor.",
  "guardian-mismatch": "Another guardian is on file. Please ask for a new link.",
  "session-closed": "An erasure was asked for. It can be followed here, and nothing else can be changed.",
  "too-many-watchers": "Too many are watching at the moment. Please try again later.",
  "too-many-exports": "Too many downloads are being prepared at the moment. Please try again in a minute.",
  "store-unavailable": "The store does not answer, so a download would not be complete. Please try again later.",
  "cut-off": "The download did not arrive whole, so nothing was saved. Please try again.",
  "device-not-bound": "This device is no longer connected to you.",
};

/** @param {string} code */
export function problemText(code) {
  return PROBLEMS[code] ?? "That did not work. Please try again in a moment.";
}

/** @type {Record<string, readonly [title: string, text: string]>} */
export const SCREENS = {
  "session-ended": [
    "This page opens with a link",
    "Your privacy centre opens through a fresh link from your account, so that no one else can look in. Ask for one there; each link works once, for a few minutes.",
  ],
  "link-used": [
    "This link was used before",
    "Every link opens once, so that no one who finds it later can look in. If it was not you who opened it, tell your provider. Ask for a new link in your account.",
  ],
  "link-expired": ["This link is too old", "Links last a few minutes. Ask for a new one in your account."],
  "link-invalid": [
    "This link does not work",
    "It is incomplete or was altered on its way. Ask for a new one in your account, and open it without changing it.",
  ],
  over: [
    "Your session is over",
    "It ended by itself to protect you. What you changed counts. Ask for a new link to come back.",
  ],
  "over-unknown": [
    "Your session is over",
    "It ended before it could be seen whether your last choice counts, because no answer came. Ask for a new link in your account and look at how it stands.",
  ],
  leaving: ["Leaving …", "In a moment it is seen whether the session has ended."],
  left: [
    "You have left",
    "Nothing of this page stays on this device but what you saved. Ask for a new link to come back.",
  ],
  "left-here": [
    "This browser has left",
    "It holds the session no more, but the end could not be recorded. Until it ends by itself, within minutes, a copy of it could still be used.",
  ],
  "not-left": [
    "Leaving did not work",
    "No answer came, and the session is still open. Try again; otherwise it ends by itself within minutes.",
  ],
  "left-unknown": [
    "It is not known whether you have left",
    "No answer came. Try again; otherwise the session ends by itself within minutes.",
  ],
  "unknown-subject": ["Nothing is held about you", "There is no device and no decision of yours here."],
  "guardian-mismatch": ["Another guardian is on file", "This link does not fit. Ask for a new one in your account."],
  "guardian-unverified": ["No guardian is on file", "This link does not fit. Ask for a new one in your account."],
  unreachable: ["No answer came", "Your privacy centre could not be reached. Please try again in a moment."],
};

/** @param {string} code ISO 3166, maybe with a subdivision */
export function country(code) {
  const [land = code] = code.split("-");
  return new Intl.DisplayNames("en", { type: "region", fallback: "code" }).of(land) ?? land;
}

/** Not nearer than ten kilometres. @param {readonly [lat: number, lon: number]} point */
export function around([lat, lon]) {
  const degrees = (/** @type {number} */ value) => `${Math.abs(value).toFixed(1)}°`;
  return `${degrees(lat)} ${lat < 0 ? "south" : "north"}, ${degrees(lon)} ${lon < 0 ? "west" : "east"}`;
}

/** Average area of a cell by its resolution, in km². */
const CELL_KM2 = [4_357_449, 609_789, 86_802, 12_393, 1_770, 253, 36];

/** @param {string} cell H3 index in hexadecimal; its second digit is the resolution */
export function area(cell) {
  const km2 = CELL_KM2[Number.parseInt(cell.charAt(1), 16)];
  return km2 === undefined ? "A wide area" : `An area of about ${new Intl.NumberFormat("en").format(km2)} km²`;
}

/** A day and a time. @param {number} ms */
export function moment(ms) {
  return `${date(ms)} at ${time(ms)}`;
}

/** @type {readonly [unit: Intl.RelativeTimeFormatUnit, ms: number][]} */
const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** How long ago, in words. @param {number} ms */
export function ago(ms) {
  const [unit, length] = UNITS.find(([, least]) => ms >= least) ?? [];
  if (unit === undefined || length === undefined) return "a moment ago";
  return new Intl.RelativeTimeFormat("en").format(-Math.floor(ms / length), unit);
}
