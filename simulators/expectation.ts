/**
 * What must become of a message, worked out from the person's decision and the kind of message
 * alone. Written apart from the gateway's own rules on purpose: it is what they are checked against.
 */

import type { Refusal } from "../src/model/outcome.ts";
import type { ServicePurpose } from "../src/model/purposes.ts";
import type { Household, Standing } from "./population.ts";

export const MESSAGE_PARTS = ["telemetry", "model", "ip", "location", "status"] as const;
export type MessagePart = (typeof MESSAGE_PARTS)[number];

/**
 * `stored` and `forwarded` are what the message may reach; `refused` is why it may reach nothing.
 * `either` is for messages on the way while their person withdraws, and for storms over the rate
 * limit: one or the other, and the books must still balance.
 */
export type Expectation =
  | { readonly kind: "stored"; readonly forwarded: readonly ServicePurpose[] }
  | { readonly kind: "forwarded"; readonly forwarded: readonly ServicePurpose[] }
  | { readonly kind: "refused"; readonly reason: Refusal }
  /** Refused, for one of these: where a line runs between them is for the tables of dialects to say. */
  | { readonly kind: "left-out"; readonly reasons: readonly Refusal[] }
  | { readonly kind: "either"; readonly reasons: readonly Refusal[]; readonly forwarded: readonly ServicePurpose[] };

type Row = Readonly<Record<MessagePart, Expectation>>;

const stored = (...forwarded: ServicePurpose[]): Expectation => ({ kind: "stored", forwarded });
const forwarded = (...purposes: ServicePurpose[]): Expectation => ({ kind: "forwarded", forwarded: purposes });
const refused = (reason: Refusal): Expectation => ({ kind: "refused", reason });
const always = (expectation: Expectation): Row => ({
  telemetry: expectation,
  model: expectation,
  ip: expectation,
  location: expectation,
  status: expectation,
});

/** Weather is told of crowds, never of a message: what a telemetry message outdoors adds to one is held against the homes there are. */
const FULL: Row = {
  telemetry: stored("scene", "network"),
  model: forwarded("network"),
  ip: forwarded("network"),
  location: stored(),
  status: stored("scene"),
};

const ROWS: Readonly<Record<Standing, Row>> = {
  consenting: FULL,
  withdrawing: FULL,
  partial: {
    telemetry: stored("scene"),
    model: refused("purpose-denied"),
    ip: refused("purpose-denied"),
    location: refused("purpose-denied"),
    status: stored("scene"),
  },
  "forward-only": {
    telemetry: forwarded("network"),
    model: forwarded("network"),
    ip: forwarded("network"),
    location: refused("no-recipient"),
    status: refused("purpose-denied"),
  },
  "minor-with-guardian": {
    telemetry: forwarded("scene", "network"),
    model: forwarded("network"),
    ip: forwarded("network"),
    location: refused("no-recipient"),
    status: forwarded("scene"),
  },
  "without-consent": always(refused("no-consent")),
  minor: always(refused("guardian-missing")),
  expired: always(refused("consent-expired")),
  unbound: always(refused("unknown-device")),
  malformed: always(refused("invalid-payload")),
  "strange-words": always(refused("nothing-known")),
};

/** `listening` are the purposes that a service is subscribed to during the run. */
export function expectationOf(
  household: Household,
  part: MessagePart,
  listening: ReadonlySet<ServicePurpose>,
): Expectation {
  return expectationOfAll(household, [part], listening);
}

/** Of a message that carries several parts: it reaches whatever one of them may reach. */
export function expectationOfAll(
  household: Household,
  parts: readonly MessagePart[],
  listening: ReadonlySet<ServicePurpose>,
): Expectation {
  const row = together(parts.map((part) => ROWS[household.standing][part]));
  if (household.withdrawal?.answeredAt !== undefined) return refused("consent-withdrawn");
  if (row.kind !== "stored" && row.kind !== "forwarded") return row;
  const reachable = row.forwarded.filter((purpose) => listening.has(purpose));
  const idle = row.kind === "forwarded" && reachable.length === 0;
  if (household.standing === "withdrawing") {
    return { kind: "either", reasons: ["consent-withdrawn", ...(idle ? NO_RECIPIENT : [])], forwarded: reachable };
  }
  if (row.kind === "stored") return { kind: "stored", forwarded: reachable };
  if (!idle) return { kind: "forwarded", forwarded: reachable };
  // Whether it comes from a device outdoors is for the gateway to say.
  return listening.has("weather") && parts.includes("telemetry")
    ? { kind: "either", reasons: NO_RECIPIENT, forwarded: [] }
    : refused("no-recipient");
}

function together(rows: readonly Expectation[]): Expectation {
  const [first] = rows;
  if (first === undefined) throw new RangeError("a message without parts");
  const reaching = rows.filter((row) => row.kind === "stored" || row.kind === "forwarded");
  if (reaching.length === 0) return first;
  const kind = reaching.some((row) => row.kind === "stored") ? "stored" : "forwarded";
  return { kind, forwarded: [...new Set(reaching.flatMap((row) => row.forwarded))] };
}

const NO_RECIPIENT = ["no-recipient"] as const;
