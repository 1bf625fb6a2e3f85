/** Who may ask for what is current, how often, and who of those who asked is told. */
import { describe, expect, it } from "vitest";
import { MODEL, STATUS } from "../../model/consent.ts";
import type { ServicePurpose } from "../../model/purposes.ts";
import type { Entitlement } from "../../model/service.ts";
import type { ServiceConnection } from "./connection.ts";
import { LateJoiners } from "./late-joiners.ts";

const FILTER = "processed/scene/$current";
const connection = (name = "scenes", id = "one") => ({ name, id }) as ServiceConnection;

class Outside {
  nowMs = 1_000_000;
  waiting = 0;
  readonly handed: string[] = [];
  readonly entitled = new Map<string, Entitlement>();
  /** Ends the run that is going on. */
  readonly ends: (() => void)[] = [];
  readonly begun: ServicePurpose[] = [];
  readonly joiners: LateJoiners;

  constructor() {
    for (const name of ["scenes", "lamps"]) this.entitle(name, MODEL | STATUS);
    this.joiners = new LateJoiners({
      fanOut: {
        handTo: ({ id }, packet) => {
          this.handed.push(`${id} ${packet()}`);
          return true;
        },
        left: () => undefined,
      },
      entitlement: (service) => this.entitled.get(service),
      tell: (purpose) => {
        this.begun.push(purpose);
        return new Promise((resolve) => this.ends.push(resolve));
      },
      waiting: (count) => {
        this.waiting = count;
      },
      now: () => this.nowMs,
    });
  }

  entitle(name: string, categories: number): void {
    const recipient = { index: this.entitled.size, name, purpose: "scene", region: "IN", contract: undefined } as const;
    this.entitled.set(name, { recipient, categories });
  }

  async end(): Promise<void> {
    this.ends.shift()?.();
    await Promise.resolve();
    await Promise.resolve();
  }

  get told(): string[] {
    return this.joiners.outlets("scene").map(({ session }) => session.id);
  }
}

describe("a service that asks for what is current", () => {
  it("is told in the next run, and not those who did not ask", async () => {
    const outside = new Outside();
    const [one, other] = [connection("scenes", "one"), connection("lamps", "other")];
    expect(outside.joiners.ask(one, FILTER, "scene")).toBeUndefined();
    expect([outside.told, outside.waiting]).toEqual([["one"], 1]);
    // It comes too late for the run that has begun.
    expect(outside.joiners.ask(other, FILTER, "scene")).toBeUndefined();
    expect([outside.told, outside.waiting]).toEqual([["one"], 2]);
    await outside.end();
    expect([outside.told, outside.waiting]).toEqual([["other"], 1]);
    expect(outside.joiners.outlets("scene")[0]?.deliver("name", () => Buffer.from("packet"))).toBe(true);
    expect(outside.handed).toEqual(["other packet"]);
    await outside.end();
    expect([outside.told, outside.waiting]).toEqual([[], 0]);
    expect(outside.begun).toEqual(["scene", "scene"]);
    // The next one begins a run again.
    outside.joiners.ask(connection("scenes", "next"), FILTER, "scene");
    expect(outside.told).toEqual(["next"]);
  });

  it("may on a connection once in ten seconds, whatever it unsubscribes", async () => {
    const outside = new Outside();
    const one = connection();
    expect(outside.joiners.ask(one, FILTER, "scene")).toBeUndefined();
    outside.joiners.unsubscribe(one, FILTER);
    expect(outside.told).toEqual([]);
    await outside.end();
    for (const later of [1, 9_000]) {
      outside.nowMs += later;
      expect(outside.joiners.ask(one, FILTER, "scene")).toBe("too-many-subscriptions");
    }
    outside.nowMs += 1_000;
    expect(outside.joiners.ask(one, FILTER, "scene")).toBeUndefined();
  });

  it("may on all its connections together no more than a few times at once, however often it connects", () => {
    const outside = new Outside();
    const ask = (name: string, n: number) => outside.joiners.ask(connection(name, `${n}`), FILTER, "scene");
    const answers = Array.from({ length: 12 }, (_, n) => ask("scenes", n));
    expect(answers.filter((answer) => answer === undefined)).toHaveLength(8);
    expect(ask("lamps", 99)).toBeUndefined();
    outside.nowMs += 5_000;
    expect([ask("scenes", 20), ask("scenes", 21)]).toEqual([undefined, "too-many-subscriptions"]);
  });

  it("is told nothing when the policy does not cover it, before or by then, and less when it may have less", () => {
    const outside = new Outside();
    expect(outside.joiners.ask(connection("stranger"), FILTER, "scene")).toBe("acl-denied");
    outside.joiners.ask(connection(), FILTER, "scene");
    const [joiner] = outside.joiners.outlets("scene");
    const { changes } = joiner ?? { changes: 0 };
    outside.entitle("scenes", STATUS);
    expect(outside.joiners.outlets("scene")[0]).toBe(joiner);
    expect([joiner?.categories, joiner?.changes]).toEqual([STATUS, changes + 1]);
    outside.entitled.delete("scenes");
    expect(outside.told).toEqual([]);
  });

  it("is told nothing once its connection is gone", () => {
    const outside = new Outside();
    const [one, other] = [connection("scenes", "one"), connection("scenes", "other")];
    outside.joiners.ask(one, FILTER, "scene");
    outside.joiners.ask(other, FILTER, "scene");
    outside.joiners.closed(one);
    outside.joiners.closed(other);
    expect([outside.told, outside.waiting]).toEqual([[], 0]);
  });
});
