/**
 * The load, in a process of its own: many MQTT connections that publish pre-encoded telemetry at
 * QoS 1, either as fast as acknowledgements come back (closed loop) or at a given rate (paced).
 */
import type { Version } from "../tools/wire/mqtt-wire.ts";
import { answer } from "./child.ts";
import { type LatencyBuckets, LatencyHistogram } from "./latency-histogram.ts";
import { LoadConnection } from "./load-connection.ts";
import type { BenchDevice, BenchService } from "./pipeline.ts";
import { PublishRing } from "./publish-ring.ts";
import { ServiceConnection } from "./service-connection.ts";

export interface LoaderTarget {
  readonly port: number;
  readonly devices: readonly BenchDevice[];
  /** Unacknowledged messages each connection may have; 0 makes idle connections. */
  readonly window: number;
  readonly keepAliveSeconds: number;
  /** Of MQTT, that the devices speak. */
  readonly version: Version;
}

export interface ListenTarget {
  readonly port: number;
  readonly services: readonly BenchService[];
  readonly keepAliveSeconds: number;
}

export interface LoaderSample {
  /** Since the connections were opened. */
  readonly sent: number;
  readonly acked: number;
  readonly outOfOrder: number;
  readonly lostConnections: number;
  /** Processed messages that have arrived at the services that listen here. */
  readonly heard: number;
  /** CPU of the loader since it started, user and system. */
  readonly cpuUs: number;
  /** Unix ms of the sample. */
  readonly atMs: number;
  /** Send to PUBACK, of the messages acknowledged since the sample before. */
  readonly latency: LatencyBuckets;
}

export interface LoadShape {
  /** `undefined`: as fast as acknowledgements allow. */
  readonly ratePerSecond?: number | undefined;
  /** When paced: messages a device sends in one write; half the window unless given, as in the closed loop. */
  readonly burst?: number | undefined;
}

export type LoaderCommands = typeof commands;

const CONNECTS_AT_ONCE = 100;
const TICK_MS = 1;
const STOP_DEADLINE_MS = 20_000;

const latency = new LatencyHistogram();
let connections: LoadConnection[] = [];
let services: readonly ServiceConnection[] = [];
let lostConnections = 0;
let closedLoop = false;
let halfWindow = 1;
let pacing: NodeJS.Timeout | undefined;
let settled: (() => void) | undefined;

const commands = {
  /** Opens connections in addition to those that are open; returns how many there are. */
  async connect(target: LoaderTarget): Promise<number> {
    halfWindow = Math.max(1, Math.floor(target.window / 2));
    const opening = target.devices.map(
      ({ id, token, messages }) =>
        new LoadConnection({
          port: target.port,
          id,
          password: token,
          keepAliveSeconds: target.keepAliveSeconds,
          version: target.version,
          ring: target.window === 0 ? undefined : new PublishRing(messages, target.window, target.version),
          latency,
          freed,
          lost,
        }),
    );
    for (let at = 0; at < opening.length; at += CONNECTS_AT_ONCE) {
      await Promise.all(opening.slice(at, at + CONNECTS_AT_ONCE).map((connection) => connection.open()));
    }
    connections.push(...opening);
    return connections.length;
  },

  /** Services that listen beside the load; they read in this process, because that is the cheapest place. */
  async listen({ port, services: wanted, keepAliveSeconds }: ListenTarget): Promise<void> {
    services = wanted.map(
      ({ id, service, token, topic }) =>
        new ServiceConnection({
          port,
          id,
          userName: service,
          password: token,
          topic,
          keepAliveSeconds,
          lost: connectionLost,
        }),
    );
    await Promise.all(services.map((service) => service.open()));
  },

  start(shape: LoadShape): void {
    latency.reset();
    if (shape.ratePerSecond !== undefined) {
      pacing = startPacing(shape.ratePerSecond, Math.min(shape.burst ?? halfWindow, halfWindow));
      return;
    }
    closedLoop = true;
    const nowMs = performance.now();
    for (const connection of connections) connection.send(connection.free, nowMs);
  },

  /** Also begins a new measuring window for the latencies. */
  sample(): LoaderSample {
    const cpu = process.cpuUsage();
    const sample = {
      sent: total((connection) => connection.sent),
      acked: total((connection) => connection.acked),
      outOfOrder: total((connection) => connection.outOfOrder),
      lostConnections,
      heard: services.reduce((sum, { heard }) => sum + heard, 0),
      cpuUs: cpu.user + cpu.system,
      atMs: Date.now(),
      latency: latency.buckets(),
    };
    latency.reset();
    return sample;
  },

  /** Sends no more and waits until everything sent was acknowledged. Returns how many never were. */
  async stop(): Promise<number> {
    closedLoop = false;
    clearInterval(pacing);
    pacing = undefined;
    if (outstanding() > 0) {
      await new Promise<void>((resolve) => {
        const deadline = setTimeout(resolve, STOP_DEADLINE_MS);
        settled = () => {
          clearTimeout(deadline);
          resolve();
        };
      });
      settled = undefined;
    }
    return outstanding();
  },
};

/** Half a window at a time: few writes for many messages, and the broker never runs dry. */
function freed(connection: LoadConnection): void {
  if (closedLoop && connection.free >= halfWindow) connection.send(connection.free, performance.now());
  if (settled !== undefined && outstanding() === 0) settled();
}

function connectionLost(): void {
  lostConnections += 1;
}

function lost(connection: LoadConnection): void {
  connectionLost();
  connections = connections.filter((other) => other !== connection);
  if (settled !== undefined && outstanding() === 0) settled();
}

/**
 * One burst per connection in turn. A message's time runs from the moment its burst was due, not from when it could
 * be sent: a broker that stalls is charged for the messages that had to wait outside too.
 */
function startPacing(ratePerSecond: number, burst: number): NodeJS.Timeout {
  const startedMs = performance.now();
  let sent = 0;
  let turn = 0;
  return setInterval(() => {
    const due = Math.floor(((performance.now() - startedMs) * ratePerSecond) / 1000);
    for (let busy = 0; sent + burst <= due && busy < connections.length; turn += 1) {
      const connection = connections[turn % connections.length];
      if (connection === undefined || connection.free < burst) {
        busy += 1;
        continue;
      }
      busy = 0;
      sent += burst;
      connection.send(burst, startedMs + (sent * 1000) / ratePerSecond);
    }
  }, TICK_MS);
}

function outstanding(): number {
  return total((connection) => connection.outstanding);
}

function total(of: (connection: LoadConnection) => number): number {
  return connections.reduce((sum, connection) => sum + of(connection), 0);
}

answer(commands);
