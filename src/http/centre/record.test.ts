/** Agreeing to more keeps what is used; the numbers of devices stay. */
import { describe, expect, it } from "vitest";
import type { ConsentEvent, ConsentRecord } from "../../model/consent-record.ts";
import type { Category } from "../../model/purposes.ts";
import { devicesEver, withMore } from "./record.ts";

const terms = { basis: "consent" as const, recipients: [], retentionDays: 0, regions: [] };

function recordOf(...events: object[]): ConsentRecord {
  return { events: events as ConsentEvent[] } as Partial<ConsentRecord> as ConsentRecord;
}

describe("agreeing to more", () => {
  const offer = (...categories: Category[]) => ({ description: "", ...terms, categories });
  const offers = {
    analytics: offer("status"),
    weather: offer("location", "status"),
    scene: offer("model", "status"),
  };
  const more = { scene: ["status" as const, "model" as const], weather: ["location" as const] };

  it("keeps what is used, and nothing that waits", () => {
    const standing = { used: { weather: ["location" as const, "status" as const] } };
    expect(withMore(standing, more, offers)).toEqual({ weather: ["location", "status"], scene: ["model", "status"] });
  });

  it("does not carry along what the newest policy no longer offers", () => {
    const standing = { used: { analytics: ["status" as const], weather: ["location" as const, "status" as const] } };
    const fewer = { weather: offer("location"), scene: offer("model", "status") };
    expect(withMore(standing, more, fewer)).toEqual({ weather: ["location"], scene: ["model", "status"] });
  });
});

it("a device keeps its number, whatever is unbound or bound again", () => {
  const bound = (device: string) => ({ type: "bound", device });
  const events = [bound("a"), bound("b"), { type: "unbound", device: "a" }, bound("c"), bound("a")];
  expect(devicesEver(recordOf(...events))).toEqual(["a", "b", "c"]);
});
