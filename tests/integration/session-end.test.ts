/** A session lasts no longer than the token and the binding it began with, also when Redis could not say so at once. */
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, startSystem, type TestSystem } from "../fixtures/system.ts";

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

const closed = (client: MqttClient) => new Promise<void>((resolve) => client.once("close", () => resolve()));
const publish = (client: MqttClient, { id }: Device) =>
  client.publishAsync(`devices/${id}/status`, '{"power_on":true}', { qos: 1 });

test("a new token and a new binding end the session of that device, and of no other", async () => {
  const [device, other] = [await system.device(), await system.device()];
  const neighbour = await system.connect(other);
  const first = await system.connect(device);
  await publish(first, device);
  const ended = closed(first);
  const token = await system.stack.api.issueToken(device.id);
  await ended;
  await expect(system.connect(device)).rejects.toThrow(/bad user ?name or password|not authorized/i);

  const second = await system.connect({ ...device, token });
  const endedToo = closed(second);
  await system.stack.api.bind(other.subject, device.id);
  await endedToo;
  await publish(neighbour, other);
  expect(neighbour.connected).toBe(true);
});

test("when the gateway could not hear whose session was to end, every device logs in again", async () => {
  const device = await system.device();
  const client = await system.connect(device);
  const ended = closed(client);
  await system.redis.call("CLIENT", "KILL", "TYPE", "pubsub");
  await ended;
  await publish(await system.connect(device), device);
});
