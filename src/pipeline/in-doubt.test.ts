/**
 * The pipeline with a store that does not always answer: what it keeps, what it removes, and when it releases the
 * lease.
 */
import { describe, expect, it } from "vitest";
import { grantsOf, LOCATION, MODEL, STATUS, usable, type Verdict } from "../model/consent.ts";
import type { AnalyticsRecord } from "../model/deidentified.ts";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, Pseudonym, SubjectTag } from "../model/ids.ts";
import type { Lease } from "../model/lease.ts";
import type { Books } from "../model/outcome.ts";
import type { RawMessage } from "../model/raw.ts";
import { Pipeline, type PipelinePorts } from "./pipeline.ts";

const ALL = grantsOf({ analytics: ["model", "location", "status"] });
const EPOCH = 1_700_000_000_000;
const GRACE_MS = 20;
const granted = (grants = ALL): Verdict => ({ grants, wrappedSubjectKey: "key" });
const withdrawn: Verdict = { refusal: "consent-withdrawn", wrappedSubjectKey: "key" };
const inDoubt = () => new GatewayError("SINK_UNAVAILABLE", "no answer", { inDoubt: true });
const down = () => new GatewayError("SINK_UNAVAILABLE", "no answer");

function message(device: string, at = EPOCH): RawMessage {
  const ref = { deviceKey: device as DeviceKey, subjectTag: `s-${device}` as SubjectTag };
  const telemetry = { model: "HB-1", location: { lat: 1, lon: 2 }, status: { n: 1 } };
  return { device: ref, at, sub: 7, telemetry, carried: MODEL | LOCATION | STATUS };
}

function recordOf({ device, at }: RawMessage, grants: number): AnalyticsRecord {
  const mask = usable(grants, "analytics", MODEL | LOCATION | STATUS);
  return {
    device: `p-${device.deviceKey}` as Pseudonym,
    timestampNs: `${at}000007`,
    ...((mask & MODEL) !== 0 && { model: "hub" }),
    ...((mask & STATUS) !== 0 && { status: { n: 1 } }),
  };
}

/** The pipeline's actions in order; the outside answers from the scripts and repeats the last entry. */
class Outside {
  readonly did: string[] = [];
  readonly removed: AnalyticsRecord[][] = [];
  readonly concerned = new Set<string>();
  readonly refused = new Map<string, number>();
  verdicts: Verdict[][] = [[granted(), granted()]];
  store: (GatewayError | "stored")[] = ["stored"];
  ask: (GatewayError | "answers")[] = ["answers"];
  remove: (GatewayError | boolean)[] = [true];
  #leases = 0;
  /** Every second attempt has to wait for a moment. */
  #turns = 0;
  #open = new Set<number>();

  get openLeases(): number {
    return this.#open.size;
  }

  get pipeline(): Pipeline {
    return new Pipeline(this.#ports());
  }

  #ports(): PipelinePorts {
    const nothing = () => undefined;
    return {
      leases: { acquire: async () => this.#lease() },
      checkConsent: async () => next(this.verdicts),
      deidentify: (one, grants) =>
        usable(grants, "analytics", one.carried) === 0 ? {} : { analytics: recordOf(one, grants) },
      noteNetwork: async (said) => said.map(() => true),
      sink: "influx",
      wanted: () => 0xffff,
      store: async (records) => {
        this.did.push(`store ${records.length}`);
        fail(next(this.store));
        return { rejected: [] };
      },
      askStore: async () => {
        this.did.push("ask");
        fail(next(this.ask));
      },
      removeStored: async (records) => {
        this.did.push(`remove ${records.length}`);
        this.removed.push([...records]);
        const answer = next(this.remove);
        fail(answer);
        return answer === true;
      },
      inDoubtGraceMs: GRACE_MS,
      notePlaces: async () => undefined,
      count: async () => undefined,
      gather: async (readings) => readings.map(() => true),
      scene: { announce: async (batch) => () => batch.map(() => false), left: nothing, listening: () => true },
      addressable: { remember: nothing },
      commands: { causeOf: nothing },
      tellsHomes: () => false,
      deadLetter: async () => undefined,
      breaker: { state: "closed", enter: () => this.#turns++ % 2, passed: nothing, failed: nothing },
      samples: { watching: false, offer: nothing },
      books: {
        stored: nothing,
        forwardedOnly: nothing,
        refused: (reason: string, count: number) => this.refused.set(reason, count),
      } as unknown as Books,
      log: { info: nothing, warn: nothing, error: (event) => this.did.push(event) },
    };
  }

  #lease(): Lease {
    this.#leases += 1;
    const id = this.#leases;
    this.#open.add(id);
    return {
      signal: new AbortController().signal,
      over: false,
      release: async () => {
        this.#open.delete(id);
        this.did.push(`release ${id}`);
      },
      keep: async (concerned) => {
        for (const one of concerned) this.concerned.add(one);
        this.did.push(`keep ${id}`);
      },
      abandon: () => this.did.push(`abandon ${id}`),
    };
  }
}

function next<T>(script: T[]): T {
  const [first] = script;
  if (first === undefined) throw new Error("the script is empty");
  if (script.length > 1) script.shift();
  return first;
}

function fail(answer: unknown): void {
  if (answer instanceof Error) throw answer;
}

const never = new AbortController().signal;

describe("a write that is answered", () => {
  it("keeps no lease and checks nothing, even when the store was down before", async () => {
    const outside = new Outside();
    outside.store = [down(), "stored"];
    await outside.pipeline.process([message("a"), message("b")], never);
    expect(outside.did).toEqual(["store 2", "release 1", "store 2", "release 2"]);
  });
});

describe("a write that is not answered", () => {
  it("keeps its lease until a later attempt is answered and the grace has passed", async () => {
    const outside = new Outside();
    outside.store = [inDoubt(), "stored"];
    const begun = performance.now();
    await outside.pipeline.process([message("a"), message("b")], never);
    expect(outside.did).toEqual(["store 2", "keep 1", "store 2", "release 2", "release 1"]);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(GRACE_MS - 1);
    expect([...outside.concerned].sort()).toEqual(["a", "b", "s-a", "s-b"]);
  });

  it("is removed before the lease is released, but only where consent is gone", async () => {
    const outside = new Outside();
    outside.store = [inDoubt(), "stored"];
    outside.verdicts = [
      [granted(), granted()],
      [withdrawn, granted()],
    ];
    const gone = message("a");
    await outside.pipeline.process([gone, message("b")], never);
    expect(outside.did).toEqual(["store 2", "keep 1", "store 1", "release 2", "remove 1", "release 1"]);
    expect(outside.removed).toEqual([[recordOf(gone, ALL)]]);
    expect(outside.refused).toEqual(new Map([["consent-withdrawn", 1]]));
  });

  it("with nothing left to store, waits for any answer of the store", async () => {
    const outside = new Outside();
    outside.store = [inDoubt()];
    outside.ask = [down(), down(), "answers"];
    outside.verdicts = [[granted()], [withdrawn]];
    await outside.pipeline.process([message("a")], never);
    expect(outside.did.join(" · ")).toBe(
      "store 1 · keep 1 · ask · release 2 · ask · release 3 · ask · release 4 · remove 1 · release 1",
    );
  });

  it("holds one lease over all unanswered attempts, and remembers what each of them sent", async () => {
    const outside = new Outside();
    outside.store = [inDoubt(), inDoubt(), inDoubt(), "stored"];
    const noModel = grantsOf({ analytics: ["location", "status"] });
    outside.verdicts = [[granted()], [granted(noModel)], [granted(noModel)], [withdrawn]];
    const gone = message("a");
    await outside.pipeline.process([gone], never);
    expect(outside.did.filter((what) => what.startsWith("keep"))).toEqual(["keep 1"]);
    expect(outside.removed).toEqual([[recordOf(gone, ALL), recordOf(gone, noModel)]]);
    expect(outside.openLeases).toBe(0);
  });

  it("whose removal fails is retried with a new grace, and never forwarded twice", async () => {
    const outside = new Outside();
    outside.store = [inDoubt(), "stored"];
    outside.remove = [down(), true];
    outside.verdicts = [
      [granted(), granted()],
      [withdrawn, granted()],
    ];
    await outside.pipeline.process([message("a"), message("b")], never);
    expect(outside.did.slice(4)).toEqual(["remove 1", "ask", "remove 1", "release 1"]);
  });

  it("that the store cannot remove is logged for the operator, and does not block forever", async () => {
    const outside = new Outside();
    outside.store = [inDoubt()];
    outside.remove = [false];
    outside.verdicts = [[granted()], [withdrawn]];
    await outside.pipeline.process([message("a")], never);
    expect(outside.did).toContain("writes in doubt cannot be removed from this store");
    expect(outside.openLeases).toBe(0);
  });

  it("lets its lease expire when the process stops", async () => {
    const outside = new Outside();
    const stop = new AbortController();
    outside.store = [inDoubt()];
    outside.ask = [down()];
    outside.verdicts = [[granted()], [withdrawn]];
    const processing = outside.pipeline.process([message("a")], stop.signal);
    setTimeout(() => stop.abort(), 5);
    await expect(processing).rejects.toThrow();
    expect(outside.did.at(-1)).toBe("abandon 1");
    expect(outside.did).not.toContain("release 1");
  });
});

describe("the part of what was sent that remains after a partial withdrawal", () => {
  const afterwards = async (grants: number) => {
    const outside = new Outside();
    outside.store = [inDoubt(), "stored"];
    outside.verdicts = [[granted()], [granted(grants)]];
    await outside.pipeline.process([message("a")], never);
    return outside.removed.flat().map((record) => Object.keys(record).filter((key) => !/device|timestampNs/.test(key)));
  };

  it.each([
    ["everything", ALL, []],
    ["no location", grantsOf({ analytics: ["model", "status"] }), []],
    ["no status", grantsOf({ analytics: ["model", "location"] }), [["model", "status"]]],
    // A row with the model is a different row from the one without.
    ["no model", grantsOf({ analytics: ["location", "status"] }), [["model", "status"]]],
    ["no analytics", grantsOf({ scene: ["status"] }), [["model", "status"]]],
  ])("%s", async (_, grants, expected) => {
    expect(await afterwards(grants)).toEqual(expected);
  });
});

describe("messages begun by an earlier run", () => {
  it("are in doubt from the start: everything it may have written is removed where consent is gone", async () => {
    const outside = new Outside();
    const gone = message("a");
    outside.verdicts = [[withdrawn, granted()]];
    await outside.pipeline.process([gone, message("b")], never, { begunBefore: true });
    expect(outside.did).toEqual(["keep 1", "store 1", "remove 1", "release 1"]);
    expect(outside.removed).toEqual([[recordOf(gone, ALL)]]);
  });

  it("with nothing to store, wait for any answer; without a key, there is nothing to find", async () => {
    const outside = new Outside();
    outside.verdicts = [[{ refusal: "no-consent" }]];
    await outside.pipeline.process([message("a")], never, { begunBefore: true });
    expect(outside.did).toEqual(["keep 1", "ask", "release 1"]);
  });
});
