// @ts-check
/** Keys and certificates by their ages, never what they are; and reading the configuration again. */
import { el } from "../shared/dom.js";
import { list } from "../shared/format.js";
import { act, failure } from "./acts.js";
import { keys as ask, reload } from "./api.js";
import { age } from "./figures.js";
import { button, card, empty, mark, Part, table, view } from "./parts.js";

/** @typedef {import("./api.js").KeyAges} KeyAges */

const DAY_MS = 86_400_000;
/** A certificate that ends within that is named. */
const SOON_MS = 30 * DAY_MS;

/** @param {import("./views.js").Place} place */
export function keysView({ old }) {
  const certificates = new Part();
  const keys = new Part();
  const came = new Part();

  async function read() {
    try {
      const found = await ask();
      certificates.show(found.certificates, certificatesShown);
      keys.show(found.keys, keysShown);
    } catch (error) {
      const text = failure(error);
      if (text !== "")
        keys.show(text, () =>
          empty(
            "keys",
            text,
            button("Try again", () => void read()),
          ),
        );
    }
  }

  async function again() {
    const answer = await act({
      question: {
        title: "Read the configuration again?",
        text: [
          "This gateway reads its configuration, certificates, properties and dialects again, and uses what has changed from now on. Devices whose dialect has changed are disconnected and come back.",
          "A faulty file is refused as a whole and the running configuration stays. The act stands in the audit log.",
        ],
        yes: "Read it again",
      },
      make: reload,
      done: ({ changed, needRestart }) =>
        [
          changed.length === 0 ? "Nothing has changed." : `In force now: ${list(changed)}.`,
          needRestart.length === 0 ? "" : `Only after a restart: ${list(needRestart)}.`,
        ].join(" "),
      after: read,
    });
    if (answer !== undefined)
      came.show(answer, ({ changed, needRestart }) =>
        el(
          "p",
          { class: "note" },
          changed.length === 0 ? "Nothing has changed. " : `In force now: ${list(changed)}. `,
          needRestart.length > 0 && mark("warn", `Only after a restart: ${list(needRestart)}`),
        ),
      );
  }

  if (!old) void read();
  return {
    element: view(
      "Keys and certificates",
      "By fingerprint and age. A key itself is shown nowhere; npm run keys changes them.",
      card("Certificates", certificates.element),
      card("Keys", keys.element),
      card(
        "Configuration",
        el(
          "p",
          { class: "about" },
          "After a file was changed: a certificate, a dialect, a property, the log level. It concerns this gateway alone.",
        ),
        !old &&
          el(
            "div",
            { class: "buttons start" },
            button("Read the configuration again", () => void again(), { id: "reload-configuration" }),
          ),
        came.element,
      ),
    ),
    show() {},
  };
}

/** @param {KeyAges["certificates"]} certificates */
function certificatesShown(certificates) {
  return table(
    "Certificates by when they end",
    ["Option", "State", "Ends", "Fingerprint"],
    certificates.map(({ option, notBefore, notAfter, fingerprint }) => [
      option,
      certificateState(notBefore, notAfter),
      day(notAfter),
      el("code", {}, fingerprint),
    ]),
    "This gateway has no certificate: its listeners speak without TLS.",
  );
}

/** @param {number} notBefore @param {number} notAfter */
function certificateState(notBefore, notAfter) {
  const now = Date.now();
  if (now >= notAfter) return mark("bad", `expired ${age((now - notAfter) / 1_000)} ago`);
  if (now < notBefore) return mark("bad", `not valid for another ${age((notBefore - now) / 1_000)}`);
  return mark(notAfter - now < SOON_MS ? "warn" : "good", `for another ${age((notAfter - now) / 1_000)}`);
}

/** @param {KeyAges["keys"]} keys */
function keysShown(keys) {
  return table(
    "Keys by name",
    ["Key", "Does", "Age", "Made", "Fingerprint"],
    keys.map(({ id, role, fingerprint, createdAt }) => [
      id,
      role,
      age(Math.max(0, Date.now() - createdAt) / 1_000),
      day(createdAt),
      el("code", {}, fingerprint),
    ]),
    "No key is known.",
  );
}

/** @param {number} at */
function day(at) {
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" }).format(at);
}
