/**
 * What is current is told by any gateway, and under the fence: a withdrawal that was answered, on whatever gateway, is followed by
 * nothing of that person. Without a lease it is; that is how this test knows that it would notice.
 */
import { afterEach, expect, test, vi } from "vitest";
import { until } from "../fixtures/eventually.ts";
import { LateJoiner, newService } from "../fixtures/late-joiner.ts";
import { consentTo, marks, type TestSystem } from "../fixtures/system.ts";
import { startTwoGateways, type TwoGateways } from "../fixtures/two-gateways.ts";

/** Processes start in it, beside those of other tests. */
vi.setConfig({ testTimeout: 240_000 });

const SCENE = consentTo({ scene: ["model", "status"] });
/** Between the question for consent and what is handed over. */
const ACCOUNT = "consentryOpenDisclosures";

let two: TwoGateways | undefined;
let late: LateJoiner | undefined;
afterEach(async () => {
  await late?.stop();
  await two?.stop();
});

interface Raced {
  /** Messages of the person that had left when the withdrawal was answered, and in the end. */
  readonly before: number;
  readonly after: number;
}

/** A withdrawal on one gateway, while the other one is between its question for consent and the first message. */
async function race(entry: string, isAnsweredWhileHeld: boolean): Promise<Raced> {
  two = await startTwoGateways({ current: { forMinutes: 30 }, properties: [marks("raced")] }, { entry });
  const { system, second } = two;
  const device = await system.device({ consent: SCENE });
  await system.say(device, { model: "HB-200", status: { mark: "raced" } });
  await system.settled();
  const credential = await newService(system, "scene");
  const joiner = await loggedIn(system, `mqtt://127.0.0.1:${second.port("mqtt-tcp")}`, credential);
  await two.haltBefore(ACCOUNT);
  expect(await joiner.ask()).toBe("granted");
  await two.halted(ACCOUNT);
  let answered = false;
  const withdrawing = system.stack.api.withdraw(device.subject).finally(() => {
    answered = true;
  });
  if (isAnsweredWhileHeld) await withdrawing;
  else await until("it is withdrawn", () => isWithdrawn(system, device.subject));
  expect(answered).toBe(isAnsweredWhileHeld);
  if (!isAnsweredWhileHeld) await two.goOn();
  expect(await withdrawing).toMatchObject({ drained: true });
  const before = await heardBy(joiner);
  await two.goOn();
  await two.answered();
  await until("all is told", async () => (await waitingOn(two as TwoGateways)) === 0);
  return { before, after: await heardBy(joiner) };
}

async function loggedIn(
  system: TestSystem,
  url: string,
  credential: Awaited<ReturnType<typeof newService>>,
): Promise<LateJoiner> {
  // The second gateway learns of the service a moment later.
  await until("the service may log in", async () => {
    late = await LateJoiner.login(system, "scene", { url, credential });
    return true;
  });
  return late as LateJoiner;
}

async function heardBy(joiner: LateJoiner): Promise<number> {
  await joiner.caughtUp();
  return joiner.heard.length;
}

/** It is in the record, whether it is answered or not. */
async function isWithdrawn(system: TestSystem, subject: string): Promise<boolean> {
  const { events } = (await system.stack.api.call("GET", "/v1/subjects/{subject}/consents", [subject])) as {
    events: { type: string }[];
  };
  return events.some(({ type }) => type === "withdrawn");
}

async function waitingOn({ second, system }: TwoGateways): Promise<number> {
  const headers = { authorization: `Bearer ${system.stack.config.apiToken}` };
  const text = await (await fetch(`http://127.0.0.1:${second.port("http")}/metrics`, { headers })).text();
  return Number(/^consentry_current_waiting (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}

test("another gateway tells it too, and a withdrawal waits until what it tells has left: nothing comes after the answer", async () => {
  const { before, after } = await race("script-halting-gateway", false);
  expect(before).toBe(1);
  expect(after).toBe(before);
});

test("without the lease it would come after the answer", async () => {
  const { before, after } = await race("script-halting-no-lease", true);
  expect(after).toBeGreaterThan(before);
});
