/**
 * Devices that say that someone is there, and a scene service that answers each with a command, in a process of their own: how long it
 * takes from the event to the command at the device.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { MqttClient } from "mqtt";
import { connectMqtt, disconnectMqtt } from "../tools/wire/connection.ts";
import { answer } from "./child.ts";
import { type LatencyBuckets, LatencyHistogram } from "./latency-histogram.ts";
import type { BenchDevice, BenchService } from "./pipeline.ts";

export interface SceneLoopTarget {
  readonly port: number;
  readonly devices: readonly BenchDevice[];
  readonly service: BenchService;
  /** Thrown away. */
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export type SceneLoopCommands = typeof commands;

/** A device is handed 120 commands a minute at most. */
const EVERY_MS = 600;
const COMMAND_DEADLINE_MS = 10_000;
const EVENT = JSON.stringify({ status: { occupancy: true } });
const COMMAND = JSON.stringify({ value: "on" });

const commands = {
  /** Rejects when a command does not come: a figure of those that did would be too good. */
  async run({ port, devices, service, warmUpMs, durationMs }: SceneLoopTarget): Promise<LatencyBuckets> {
    const url = `mqtt://127.0.0.1:${port}`;
    const scene = await logIn(url, service.id, service.service, service.token);
    const clients = await Promise.all(devices.map(({ id, token }) => logIn(url, id, id, token)));
    const latency = new LatencyHistogram();
    try {
      await answerEvents(scene, service.topic);
      const startedAt = performance.now();
      const warmUntil = startedAt + warmUpMs;
      const until = warmUntil + durationMs;
      await Promise.all(
        clients.map(async (client, index) => {
          await wait((index * EVERY_MS) / clients.length);
          const looped = await loop(client, devices[index]?.id ?? "");
          while (performance.now() < until) {
            const from = performance.now();
            const tookMs = await looped();
            if (from >= warmUntil) latency.record(tookMs * 1000);
            await wait(Math.max(0, EVERY_MS - tookMs));
          }
        }),
      );
    } finally {
      await Promise.all([scene, ...clients].map((client) => disconnectMqtt(client)));
    }
    return latency.buckets();
  },
};

function logIn(url: string, clientId: string, username: string, password: string): Promise<MqttClient> {
  return connectMqtt(url, { clientId, username, password, clean: true }, 30_000);
}

/** One rule, and nothing else: what is measured is the gateway and the ways to it and from it. */
async function answerEvents(scene: MqttClient, filter: string): Promise<void> {
  scene.on("message", (topic, payload) => {
    const { status } = JSON.parse(payload.toString()) as { status: { occupancy?: boolean } };
    const name = topic.split("/").at(-1) ?? "";
    if (status.occupancy === true) scene.publish(`commands/${name}/power`, COMMAND, { qos: 1 });
  });
  await scene.subscribeAsync(filter, { qos: 0 });
}

/** Says something; resolves with how long it took until the command came. */
async function loop(client: MqttClient, id: string): Promise<() => Promise<number>> {
  let came = () => {};
  client.on("message", () => came());
  await client.subscribeAsync(`devices/${id}/commands/#`, { qos: 1 });
  return () =>
    new Promise<number>((resolve, reject) => {
      const from = performance.now();
      const deadline = setTimeout(() => reject(new Error("no command in time")), COMMAND_DEADLINE_MS);
      came = () => {
        clearTimeout(deadline);
        resolve(performance.now() - from);
      };
      client.publish(`devices/${id}/telemetry`, EVENT, { qos: 1 }, (error) => {
        if (error) reject(error);
      });
    });
}

answer(commands);
