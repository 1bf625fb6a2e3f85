/** A full ledger rejects every change that lets a device do more, and accepts every change that lets it do less. */
import { expect, test } from "vitest";
import type { ConsentEvent } from "../../model/consent-record.ts";
import { roomFor, WIDENING_LIMIT } from "./bound.ts";

const withdrawn = { type: "withdrawn" } as ConsentEvent;
const given = { type: "given" } as ConsentEvent;

test.each([
  [given, WIDENING_LIMIT - 1, true, "append"],
  [given, WIDENING_LIMIT, true, "full"],
  [{ type: "reconfirmed" } as ConsentEvent, WIDENING_LIMIT, true, "full"],
  [{ type: "requested" } as ConsentEvent, WIDENING_LIMIT, false, "full"],
  [{ type: "requested" } as ConsentEvent, WIDENING_LIMIT, true, "append"],
  [{ type: "bound" } as ConsentEvent, WIDENING_LIMIT, false, "full"],
  [{ type: "refused" } as ConsentEvent, WIDENING_LIMIT, true, "append"],
  [{ type: "refused" } as ConsentEvent, WIDENING_LIMIT, false, "nothing"],
  [withdrawn, WIDENING_LIMIT - 1, false, "append"],
  [withdrawn, WIDENING_LIMIT, true, "append"],
  // Nothing is left to withdraw: repeating it would only add length.
  [withdrawn, WIDENING_LIMIT, false, "nothing"],
  [{ type: "erasure-requested" } as ConsentEvent, WIDENING_LIMIT, false, "append"],
  [{ type: "held" } as ConsentEvent, WIDENING_LIMIT, false, "append"],
  [{ type: "unbound" } as ConsentEvent, WIDENING_LIMIT, true, "append"],
] as const)("%j after %i events, taking away: %s → %s", (event, length, takesAway, answer) => {
  expect(roomFor(event.type, length, takesAway)).toBe(answer);
});
