/**
 * Once a withdrawal is answered, no message of that device is stored or forwarded any more: not from a
 * backlog, not from a batch in progress, and not more of it than a partial withdrawal leaves.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../fixtures/eventually.ts";
import type { Listener } from "../fixtures/listener.ts";
import { consentTo, EVERYTHING, marks, startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
let scene: Listener;
let weather: Listener;

beforeAll(async () => {
  system = await startSystem({ properties: [marks(...WORDS)] });
  scene = await system.listen("scene");
  weather = await system.listen("weather");
});
afterAll(() => system?.stop());

const WORDS = [
  ..."withdrawn no_analytics no_location other before after".split(" "),
  ...Array.from({ length: 16 }, (_, index) => `stream_${index}`),
  ...Array.from({ length: 3 }, (_, round) => `frozen_${round}`),
];
const BENGALURU = { lat: 12.9715987, lon: 77.5945627 };
const DELHI = { lat: 28.6139391, lon: 77.2090212 };

async function storedMarks(): Promise<unknown[]> {
  return (await system.rows("device_status")).map((row) => row.mark);
}

test("of what waits in a backlog, nothing withdrawn is stored or forwarded, and everything else is", async () => {
  const [withdrawn, noAnalytics, noLocation, other] = await system.devices(4);
  if (!withdrawn || !noAnalytics || !noLocation || !other) throw new Error("devices");
  await system.stack.influx.kill("SIGKILL");
  const message = (mark: string, location = BENGALURU) => ({ model: "HB-200", location, status: { mark } });
  for (let round = 0; round < 20; round += 1) {
    await Promise.all([
      system.say(withdrawn, message("withdrawn")),
      system.say(noAnalytics, message("no_analytics")),
      system.say(noLocation, message("no_location", DELHI)),
      system.say(other, message("other")),
    ]);
  }
  expect((await system.books()).inFlight).toBe(80);

  const { api } = system.stack;
  expect(await api.withdraw(withdrawn.subject)).toMatchObject({ drained: true });
  expect(await api.withdraw(noAnalytics.subject, { purposes: ["analytics"] })).toMatchObject({ drained: true });
  expect(await api.withdraw(noLocation.subject, { categories: ["location"] })).toMatchObject({ drained: true });
  await system.stack.influx.start();
  const books = await system.settled();

  const marks = await storedMarks();
  expect(marks.filter((mark) => mark === "other")).toHaveLength(20);
  expect(marks.filter((mark) => mark === "no_location")).toHaveLength(20);
  expect(marks).not.toContain("withdrawn");
  expect(marks).not.toContain("no_analytics");
  // One device is left that may tell where it is.
  expect(await system.placesNoted()).toBe(1);

  await Promise.all([scene.caughtUp(), weather.caughtUp()]);
  const shown = scene.records.map(({ status }) => (status as { mark: string }).mark);
  expect(shown.filter((mark) => mark === "no_analytics")).toHaveLength(20);
  expect(shown).not.toContain("withdrawn");
  // Of four devices no weather is told, whichever withdrew.
  expect(weather.packets).toEqual([]);
  expect(books.refused["consent-withdrawn"]).toBe(20);
  expect(books.stored).toBe(40);
});

test("consent given again does not reach back to what was said before it", async () => {
  const [all, analytics, narrower] = await system.devices(3);
  if (!all || !analytics || !narrower) throw new Error("devices");
  const { api, influx } = system.stack;
  const heard = scene.records.length;
  await influx.kill("SIGKILL");
  for (const device of [all, analytics, narrower]) await system.say(device, { status: { mark: "before" } });
  expect((await system.books()).inFlight).toBe(3);

  await api.withdraw(all.subject);
  await api.withdraw(analytics.subject, { purposes: ["analytics"] });
  for (const device of [all, analytics, narrower]) await api.consent(device.subject, consentTo(EVERYTHING));
  for (const device of [all, analytics, narrower]) await system.say(device, { status: { mark: "after" } });
  await influx.start();
  await system.settled();

  const marks = await storedMarks();
  // Said again without a withdrawal in between, a consent goes on; anyone who withdrew analytics alone kept the scene.
  expect(marks.filter((mark) => mark === "before")).toHaveLength(1);
  expect(marks.filter((mark) => mark === "after")).toHaveLength(3);
  await scene.caughtUp();
  const shown = scene.records.slice(heard).map(({ status }) => (status as { mark: string }).mark);
  expect(shown.filter((mark) => mark === "before")).toHaveLength(2);
  expect(shown.filter((mark) => mark === "after")).toHaveLength(3);
});

test("of a device that publishes without a pause, nothing is stored or forwarded after the answer", async () => {
  const devices = await system.devices(12);
  const background = await system.devices(4);
  let publishing = true;
  const stream = async (mark: string, index: number) => {
    const device = [...devices, ...background][index];
    if (device === undefined) throw new Error("device");
    const client = await system.connect(device);
    for (let seq = 0; publishing; seq += 4) {
      const burst = [0, 1, 2, 3].map((step) =>
        client.publishAsync(`devices/${device.id}/status`, JSON.stringify({ mark, seq: seq + step }), { qos: 1 }),
      );
      await Promise.all(burst);
    }
  };
  const streams = [...devices, ...background].map((_, index) => stream(`stream_${index}`, index));
  const seen = async (mark: string) => {
    await scene.caughtUp();
    const shown = scene.records.filter(({ status }) => (status as { mark?: string }).mark === mark).length;
    const stored = (await storedMarks()).filter((one) => one === mark).length;
    return { shown, stored };
  };

  await until("every stream is being stored", async () => new Set(await storedMarks()).size >= 16 + 2);
  const answered = new Map<string, { shown: number; stored: number }>();
  for (const [index, device] of devices.entries()) {
    expect(await system.stack.api.withdraw(device.subject)).toMatchObject({ drained: true });
    answered.set(`stream_${index}`, await seen(`stream_${index}`));
  }
  publishing = false;
  await Promise.all(streams);
  await system.settled();

  for (const [mark, counts] of answered) {
    expect(counts.stored).toBeGreaterThan(0);
    expect({ mark, ...(await seen(mark)) }).toEqual({ mark, ...counts });
  }
  const last = await seen(`stream_${devices.length}`);
  expect(last.shown).toBe(last.stored);
});

test("of a write that the store has received and not carried out, nothing appears after the answer", async () => {
  for (let round = 0; round < 3; round += 1) {
    const device = await system.device();
    const mark = `frozen_${round}`;
    process.kill(system.stack.influx.pid, "SIGSTOP");
    await system.say(device, { location: BENGALURU, status: { mark } });
    await until("the write is in progress", async () => (await system.redis.zcard(LEASES)) > 0);
    const early = await answeredNow(device.subject);
    process.kill(system.stack.influx.pid, "SIGCONT");
    // An answer may be refused while it cannot be true; asked again it must come.
    if (!early) await until("the withdrawal is answered", () => answeredNow(device.subject));
    const atAnswer = early ? 0 : await countOf(mark);
    await system.settled();
    expect({ mark, stored: await countOf(mark) }).toEqual({ mark, stored: atAnswer });
    await scene.caughtUp();
    const shown = scene.records.filter(({ status }) => (status as { mark?: string }).mark === mark).length;
    expect(shown).toBeLessThanOrEqual(atAnswer);
  }
});

const LEASES = "consentry:leases";

async function countOf(mark: string): Promise<number> {
  return (await storedMarks()).filter((one) => one === mark).length;
}

/** Whether the withdrawal is answered with a success; `not-drained` is the one other answer there may be. */
async function answeredNow(subject: string): Promise<boolean> {
  const { httpUrl, config } = system.stack;
  const response = await fetch(`${httpUrl}/v1/subjects/${subject}/withdrawals`, {
    method: "POST",
    headers: { authorization: `Bearer ${config.apiToken}`, "content-type": "application/json" },
    body: "{}",
  });
  const answer = (await response.json()) as { drained?: boolean; code?: string };
  if (response.status === 200) expect(answer.drained).toBe(true);
  else expect([response.status, answer.code]).toEqual([503, "not-drained"]);
  return response.ok;
}
