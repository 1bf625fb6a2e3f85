/**
 * Takes the pictures of docs/operations/console.md: a private gateway with a simulated fleet, looked at with Chromium for as long as it
 * takes until there is something to see. `npx tsx scripts/console-pictures.ts`
 */
import "../src/platform/no-debug-output.ts";
import { setMaxListeners } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium, type Page } from "playwright-core";
import { composeMessage } from "../simulators/messages.ts";
import { makePopulation, type SimulatedDevice } from "../simulators/population.ts";
import { provision } from "../simulators/provisioning.ts";
import { SERVICE_PURPOSES } from "../src/model/purposes.ts";
import { refuseNumbers } from "../tests/fixtures/refused-field.ts";
import { findBrowser } from "../tools/private-servers/service-binaries.ts";
import { Stack } from "../tools/stack/stack.ts";
import { connectMqtt } from "../tools/wire/connection.ts";
import { ServiceSubscriber } from "../tools/wire/service-subscriber.ts";

const FOLDER = fileURLToPath(new URL("../docs/images/", import.meta.url));
const DEVICES = 120;
const EVERY_MS = 1_000;
const SEEN_MS = 190_000;
const GIVEN = { shortLifeMs: 5_000, policyVersion: 1 };
const DIR = join(tmpdir(), "consentry-console-pictures");
const DESK = { width: 1_280, height: 800 };
const PHONE = { width: 390, height: 844 };

/** Pictures by name: the view, what is done before, and how it is looked at. */
const PICTURES: readonly [name: string, view: string, look: { size: typeof DESK; dark?: boolean; whole?: boolean }][] =
  [
    ["console-overview", "overview", { size: DESK, whole: true }],
    ["console-overview-dark", "overview", { size: DESK, dark: true }],
    ["console-overview-phone", "overview", { size: PHONE }],
    ["console-letters", "letters", { size: DESK }],
    ["console-device", "device", { size: DESK, whole: true }],
    ["console-alarm", "alarms/ConsentryAccountKey", { size: DESK }],
  ];

const browserPath = findBrowser(process.env.CHROMIUM_PATH);
if (browserPath === undefined) throw new Error("there is no Chromium on this machine");
const stack = new Stack({
  dir: DIR,
  fresh: true,
  overrides: { console: { enabled: true, port: 0 } },
  shortSteps: true,
});
const stopping = new AbortController();
// Every device waits for it.
setMaxListeners(0, stopping.signal);

async function publish(device: SimulatedDevice): Promise<void> {
  const { id, token } = device;
  const client = await connectMqtt(stack.mqttUrl, { clientId: id, username: id, password: token });
  for (let seq = 0; !stopping.signal.aborted; seq += 1) {
    const { topic, payload } = composeMessage(device, seq, Date.now());
    // More by day than by night, as it were: a flat line shows nothing.
    const pause = EVERY_MS * (1.4 + Math.sin(Date.now() / 25_000)) * (0.5 + Math.random());
    if (client.connected) client.publish(topic, payload, { qos: 1 });
    await sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
  }
  await client.endAsync(true);
}

/**
 * Another program has given a field another type, so that the store refuses the numbers of this device; and not everything that it
 * sends is in order.
 */
async function misbehave({ id, token }: SimulatedDevice): Promise<void> {
  await refuseNumbers(stack.influxUrl, stack.database, "co2");
  const client = await connectMqtt(stack.mqttUrl, { clientId: id, username: id, password: token });
  for (let turn = 0; turn < 7; turn += 1) {
    const payload = turn % 3 === 2 ? "no JSON" : JSON.stringify({ model: "HB-1", status: { co2: 500 + turn } });
    await client.publishAsync(`devices/${id}/telemetry`, payload, { qos: 1 });
    await sleep(EVERY_MS);
  }
  await client.endAsync();
}

async function take(page: Page, device: SimulatedDevice): Promise<void> {
  await page.goto(`http://127.0.0.1:${stack.gateway.port("console")}/operate/`);
  await page.locator("#token").fill(stack.config.apiToken);
  await page.locator("#enter").click();
  await page.locator(".tile").first().waitFor();
  await page.evaluate('location.hash = "device"');
  await page.locator("#device").fill(device.id);
  await page.locator("#ask-trace").click();
  await page.getByRole("dialog").getByRole("button", { name: "Begin the trace" }).click();
  await misbehave(device);
  for (const [name, view, { size, dark, whole }] of PICTURES) {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme: dark === true ? "dark" : "light", reducedMotion: "reduce" });
    await page.evaluate(`location.hash = ${JSON.stringify(view)}`);
    await page.locator("h1:visible").waitFor();
    if (view === "device") {
      await page.locator("#device").fill(device.id);
      await page.locator("#ask-refusals").click();
    }
    await page.locator("#told:empty").waitFor({ state: "attached" });
    await sleep(1_000);
    await page.screenshot({ path: join(FOLDER, `${name}.png`), fullPage: whole === true });
    process.stdout.write(`${name}.png\n`);
  }
}

/** One that may send everything comes first. */
const order = ({ household }: SimulatedDevice): number => (household.standing === "consenting" ? 0 : 1);

const services: ServiceSubscriber[] = [];
const browser = await chromium.launch({
  executablePath: browserPath,
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
try {
  mkdirSync(FOLDER, { recursive: true });
  await stack.start();
  const population = makePopulation(7, DEVICES);
  await provision(stack.api, population, GIVEN);
  for (const purpose of SERVICE_PURPOSES)
    services.push(new ServiceSubscriber(stack.mqttUrl, purpose, stack.config.services[purpose]));
  await Promise.all(services.map((service) => service.start()));
  const [device, ...others] = population.devices.toSorted((one, other) => order(one) - order(other));
  if (device === undefined) throw new Error("there is no device");
  const fleet = others.map((device) => publish(device).catch(() => undefined));
  await sleep(SEEN_MS);
  await take(await (await browser.newContext()).newPage(), device);
  stopping.abort();
  await Promise.all(fleet);
} finally {
  stopping.abort();
  await browser.close();
  await Promise.all(services.map((service) => service.stop()));
  await stack.stop();
  rmSync(DIR, { recursive: true, force: true });
}
