// @ts-check
/** Who is given data: what of it the policy covers, who is connected, and who is behind. */
import { el } from "../shared/dom.js";
import { bytes, whole } from "./figures.js";
import { card, empty, facts, mark, Part, view } from "./parts.js";
import { PURPOSE } from "./words.js";

/** @typedef {import("./api.js").Overview} Overview */
/** @typedef {import("../../src/http/operate/shapes.ts").ServiceShown} Service */

export function servicesView() {
  const cards = new Part(el("div", { class: "cards" }));
  return {
    element: view(
      "Services",
      "Who is given data, as connected to this gateway. A service that is not covered by the newest policy gets nothing.",
      cards.element,
    ),
    /** @param {Overview} overview */
    show: ({ frame }) =>
      cards.show(frame.services, (services) =>
        services.length === 0
          ? empty("services", "No service is registered. npm run services -- add makes one.")
          : services.map(one),
      ),
  };
}

/** @param {Service} service */
function one({ name, origin, recipient, region, purposes, connections, waitingBytes, dropped, cutOff }) {
  return card(
    name,
    facts([
      [
        "Connected",
        connections === 0 ? mark("off", "no") : mark("good", connections === 1 ? "yes" : `${connections} times`),
      ],
      ["For", `${recipient}, ${region}`],
      ["Entered in", origin === "file" ? "the configuration file" : "the registry"],
      [
        "Purposes",
        el(
          "ul",
          { class: "words" },
          ...purposes.map((purpose) =>
            el("li", {}, PURPOSE[purpose.purpose] ?? purpose.purpose, ": ", coverage(purpose)),
          ),
        ),
      ],
      ["Not taken yet", waitingBytes === 0 ? "nothing" : mark("warn", bytes(waitingBytes))],
      ["Missed", dropped === 0 ? "nothing" : mark("warn", `${whole(dropped)} records: it reads too slowly`)],
      ["Cut off", cutOff === 0 ? "never" : mark("warn", `${whole(cutOff)} times: it stopped reading`)],
    ]),
  );
}

/** @param {Service["purposes"][number]} purpose */
function coverage({ covered, listening }) {
  if (!covered) return mark("bad", "not covered, gets nothing");
  return listening ? mark("good", "covered, listening") : mark("off", "covered, not listening");
}
