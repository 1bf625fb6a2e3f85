/** Reconciling notices each way in which a run can fail to add up, and accepts the runs that do. */
import { describe, expect, it } from "vitest";
import type { GatewayBooks } from "../tools/stack/books.ts";
import type { Expectation } from "./expectation.ts";
import { reconcile } from "./reconcile.ts";
import { SentLog } from "./sent-log.ts";
import type { StoredRows } from "./stored-rows.ts";

const STORED: Expectation = { kind: "stored", forwarded: ["scene"] };
const DENIED: Expectation = { kind: "refused", reason: "no-consent" };
const FENCED: Expectation = { kind: "either", reasons: ["consent-withdrawn"], forwarded: [] };

function sent(expectations: readonly Expectation[], acknowledged = true): SentLog {
  const log = new SentLog();
  for (const expectation of expectations) {
    const seq = log.nextSeq();
    const message = {
      seq,
      standing: "consenting",
      part: "status",
      qos: 1,
      topic: "devices/x/status",
      payload: "{}",
      traceable: true,
      expectation,
      sentAt: 1,
    } as const;
    log.add({ ...message, ...(acknowledged && { acknowledgedAt: 2 }) });
  }
  return log;
}

function books(changes: Partial<GatewayBooks> = {}): GatewayBooks {
  return {
    received: 3,
    admitted: 2,
    recovered: 0,
    handedOver: 0,
    stored: 2,
    forwardedOnly: 0,
    deadLettered: 0,
    inFlight: 0,
    backlog: 0,
    refused: { "no-consent": 1 },
    forwarded: { weather: 0, scene: 2, network: 0 },
    ...changes,
  };
}

function rows(...seqs: number[]): StoredRows {
  return {
    bySeq: new Map(seqs.map((seq) => [seq, { seq }])),
    unnumbered: [],
    repeated: 0,
    locationRows: 0,
    places: new Map(),
  };
}

const LOG = sent([STORED, STORED, DENIED]);

describe("reconcile", () => {
  it("accepts three accounts that agree", () => {
    expect(reconcile({ log: LOG, books: books(), stored: rows(1, 2), arrived: { scene: 2 } })).toEqual([]);
  });

  it("accepts either end of a message that was on the way during a withdrawal, and no third one", () => {
    const log = sent([STORED, DENIED, FENCED]);
    const forwarded = { weather: 0, scene: 1, network: 0 };
    const refused = books({ stored: 1, refused: { "no-consent": 1, "consent-withdrawn": 1 }, forwarded });
    expect(reconcile({ log, books: refused, stored: rows(1) })).toEqual([]);
    expect(reconcile({ log, books: books({ forwarded }), stored: rows(1, 3) })).toEqual([]);
    const other = books({ stored: 1, refused: { "no-consent": 2 }, forwarded });
    expect(reconcile({ log, books: other, stored: rows(1) })).not.toEqual([]);
  });

  it.each([
    ["an acknowledged message is missing from the store", { stored: rows(1) }],
    ["a refused message is in the store", { stored: rows(1, 2, 3) }],
    ["a row that was not sent is in the store", { stored: rows(1, 2, 99) }],
    ["a row is there twice", { stored: { ...rows(1, 2), repeated: 1 } }],
    ["a former place is kept", { stored: { ...rows(1, 2), locationRows: 1 } }],
    ["something is still in flight", { books: books({ stored: 1, inFlight: 1 }) }],
    ["something was dead-lettered", { books: books({ stored: 1, deadLettered: 1 }) }],
    ["the gateway's own sum is wrong", { books: books({ received: 4 }) }],
    ["a refusal has another reason", { books: books({ refused: { "over-rate": 1 } }) }],
    ["a message was not counted", { books: books({ received: 2, refused: {} }) }],
    ["a service got less than was counted", { arrived: { scene: 1 } }],
    ["a service got what it should not", { books: books({ forwarded: { weather: 0, scene: 2, network: 1 } }) }],
    ["a message was never acknowledged", { log: sent([STORED, STORED, DENIED], false) }],
  ])("notices when %s", (_what, changes) => {
    expect(reconcile({ log: LOG, books: books(), stored: rows(1, 2), ...changes })).not.toEqual([]);
  });
});
