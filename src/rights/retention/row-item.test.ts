/** Rows of a device that comes under a hold while old rows are counted are kept. */
import { expect, test } from "vitest";
import { GatewayError } from "../../model/errors.ts";
import type { Pseudonym } from "../../model/ids.ts";
import type { RowsBefore } from "../../model/sink.ts";
import { type RowItemPorts, rowItem } from "./row-item.ts";

const never = new AbortController().signal;

function item(ports: Partial<RowItemPorts> = {}) {
  const removed: RowsBefore[] = [];
  const held: Pseudonym[] = [];
  let locked = false;
  const one = rowItem("deviceStatus", {
    beforeMs: async () => 5,
    except: async () => [...held],
    count: async () => 3,
    remove: async (old) => {
      expect(locked).toBe(true);
      removed.push(old);
      return "deleted";
    },
    deleting: async (work) => {
      locked = true;
      return work();
    },
    ...ports,
  });
  return { one, removed, held };
}

test("the held names are read again within the deletion, after counting", async () => {
  const { one, removed, held } = item({
    count: async () => {
      held.push("p" as Pseudonym);
      return 3;
    },
  });
  expect(await one.run(never)).toEqual({ state: "done", count: 3 });
  expect(removed).toEqual([{ beforeMs: 5, except: ["p"] }]);
});

test("with nothing to delete the store gets no request", async () => {
  const { one, removed } = item({ count: async () => 0 });
  expect(await one.run(never)).toEqual({ state: "done", count: 0 });
  expect(removed).toEqual([]);
});

test("rows too many to count are deleted anyway; any other fault stops it", async () => {
  const tooMuch = item({ count: () => Promise.reject(new GatewayError("SINK_UNAVAILABLE", "x")) });
  expect(await tooMuch.one.run(never)).toEqual({ state: "done", count: undefined });
  const away = item({ count: () => Promise.reject(new GatewayError("REDIS_UNAVAILABLE", "x")) });
  await expect(away.one.run(never)).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
  expect(away.removed).toEqual([]);
});

test("a store that postpones, or cannot delete, is reported as such", async () => {
  for (const state of ["postponed", "unsupported"] as const)
    expect(await item({ remove: async () => state }).one.run(never)).toEqual({ state, count: 3 });
});
