// @ts-check
/** What real devices publish, by the table that reads it. */
import { whole } from "./figures.js";
import { card, mark, Part, table, view } from "./parts.js";

/** @typedef {import("./api.js").Overview} Overview */

export function dialectsView() {
  const rows = new Part();
  return {
    element: view(
      "Dialects",
      "How messages of real devices are read, counted since this gateway started.",
      card("By dialect", rows.element),
    ),
    /** @param {Overview} overview */
    show: ({ frame }) =>
      rows.show(frame.dialects, (dialects) =>
        table(
          "Messages by dialect",
          ["Dialect", "#Taken", "#Refused", "#Deliberately not kept", "#Parts left out", "From"],
          dialects.map(({ name, own, taken, refused, ignored, dropped }) => [
            name,
            whole(taken),
            refused === 0 ? "0" : mark("warn", whole(refused)),
            whole(ignored),
            whole(dropped),
            own ? "a file of yours" : "Consentry",
          ]),
          "No dialect has read anything yet.",
        ),
      ),
  };
}
