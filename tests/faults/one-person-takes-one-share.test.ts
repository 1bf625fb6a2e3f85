/** Promise: however many sessions a person opens, the live view and the privacy centre are there for the others. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Session } from "../fixtures/centre-client.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

test("one person's sessions take a few places of the live view, and another's finds one", async () => {
  const [anna, boris] = await system.devices(2);
  const over = new AbortController();
  const sessions = await Promise.all(Array.from({ length: 8 }, () => Session.of(system, anna?.subject ?? "")));
  const statuses: number[] = [];
  for (const session of [...sessions, ...sessions]) statuses.push((await session.live(1, over.signal)).status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(4);
  expect(new Set(statuses)).toEqual(new Set([200, 429]));

  const other = await Session.of(system, boris?.subject ?? "");
  expect((await other.live(1, over.signal)).status).toBe(200);
  // Looking on keeps no one from deciding, neither others nor the person.
  expect((await other.post("withdrawals", {})).status).toBe(200);
  expect((await sessions[0]?.post("withdrawals", {}))?.status).toBe(200);
  over.abort();
});
