/** One kind of data that is unavailable does not stop the others; deletions are audited, dry runs are not. */
import { describe, expect, test } from "vitest";
import type { AuditAct } from "../../model/audit.ts";
import { GatewayError } from "../../model/errors.ts";
import { Retention, type RetentionItem, type RetentionKind, type RetentionState } from "./retention.ts";

const never = new AbortController().signal;

function item(kind: RetentionKind, count: number | undefined, state: RetentionState = "done", error?: Error) {
  const calls: string[] = [];
  const answer = (what: string) => {
    calls.push(what);
    if (error !== undefined) throw error;
  };
  const one: RetentionItem = {
    kind,
    due: async () => {
      answer("due");
      return count;
    },
    run: async () => {
      answer("run");
      return { state, count };
    },
  };
  return { one, calls };
}

function retention(...items: readonly { one: RetentionItem }[]) {
  const acts: AuditAct[] = [];
  const logged: unknown[] = [];
  const warn = (event: string, fields: unknown) => void logged.push([event, fields]);
  const self = new Retention(
    items.map(({ one }) => one),
    { audit: { note: async (act) => acts.push(act) }, log: { info: () => {}, warn, error: () => {} } },
  );
  return { self, acts, logged };
}

describe("retention", () => {
  test("only counts in a dry run, without deletion or audit line", async () => {
    const items = [item("deviceStatus", 3), item("audit", undefined)];
    const { self, acts } = retention(...items);
    expect(await self.plan(never)).toEqual([
      { kind: "deviceStatus", state: "due", count: 3 },
      { kind: "audit", state: "due", count: undefined },
    ]);
    expect([items.flatMap(({ calls }) => calls), acts]).toEqual([["due", "due"], []]);
  });

  test("continues when one kind fails, and reports its code", async () => {
    const broken = item("deviceStatus", 0, "done", new GatewayError("SINK_UNAVAILABLE"));
    const odd = item("cellActivity", 0, "done", new Error("device-17"));
    const { self, acts, logged } = retention(broken, odd, item("deadLetters", 2), item("audit", 0));
    expect((await self.run("gateway", never)).map(({ state }) => state)).toEqual(["failed", "failed", "done", "done"]);
    const detail = { deviceStatus: "failed", cellActivity: "failed", deadLetters: 2 };
    expect(acts).toEqual([{ act: "retention-run", by: "gateway", detail }]);
    expect(logged).toEqual([
      ["retention step failed, will be retried", { stage: "deviceStatus", code: "SINK_UNAVAILABLE" }],
      ["retention step failed, will be retried", { stage: "cellActivity", code: "FAULT" }],
    ]);
  });

  test("that changed nothing writes no audit line", async () => {
    const { self, acts } = retention(item("deviceStatus", 0), item("minors", 4, "postponed"));
    expect(await self.run("operator", never)).toHaveLength(2);
    expect(acts).toEqual([]);
  });

  test("of an uncountable number is audited too", async () => {
    const { self, acts } = retention(item("deviceStatus", undefined));
    await self.run("operator", never);
    expect(acts).toEqual([{ act: "retention-run", by: "operator", detail: { deviceStatus: "done" } }]);
  });
});
