// @ts-check
/** Every view by the name that stands in the address, in the order of the menu. */
import { alarmsView } from "./alarms.js";
import { consentView } from "./consent.js";
import { deviceView } from "./device.js";
import { dialectsView } from "./dialects.js";
import { gatewaysView } from "./gateways.js";
import { keysView } from "./keys.js";
import { lettersView } from "./letters.js";
import { mapView } from "./map.js";
import { overviewView } from "./overview.js";
import { rightsView } from "./rights.js";
import { servicesView } from "./services.js";

/** @typedef {import("../../src/http/operate/shapes.ts").Frame} Frame */
/** @typedef {{ readonly part: string, readonly old: boolean }} Place `old`: the session has ended. */

/**
 * @typedef {object} ViewEntry
 * @property {string} name
 * @property {string} title
 * @property {(place: Place) => import("./console.js").View} make
 * @property {(frame: Frame) => string} [count] What waits there for somebody.
 */

const number = (/** @type {number} */ count) => (count === 0 ? "" : String(count));

/** @type {readonly ViewEntry[]} */
export const VIEWS = [
  { name: "overview", title: "Overview", make: overviewView },
  { name: "alarms", title: "Alarms", make: alarmsView, count: ({ alarms }) => number(alarms.length) },
  {
    name: "gateways",
    title: "Gateways",
    make: gatewaysView,
    count: ({ gateways }) => number(gateways.filter(({ differs }) => differs.length > 0).length),
  },
  { name: "services", title: "Services", make: servicesView },
  { name: "dialects", title: "Dialects", make: dialectsView },
  { name: "consent", title: "Consent", make: consentView },
  { name: "rights", title: "Erasures and holds", make: rightsView },
  {
    name: "letters",
    title: "Dead letters",
    make: lettersView,
    count: ({ sample }) => number(sample.deadLetters ?? 0),
  },
  { name: "device", title: "One device", make: deviceView },
  { name: "map", title: "Map", make: mapView },
  { name: "keys", title: "Keys and certificates", make: keysView },
];
