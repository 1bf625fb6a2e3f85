/** A12: messages of every class one after the other, in one random order, each timed to its acknowledgement. */
import type { Random } from "../../simulators/random.ts";
import type { RecordingWriter } from "../recording/files.ts";
import { ACK_CLASSES, type Ack, type AckClass } from "../recording/format.ts";
import type { Home, WorldDevice } from "../world/world.ts";
import { probeHome, telemetry } from "./acts.ts";
import { CONSENT, type Connections, connectAll } from "./provision.ts";
import type { Stage } from "./stage.ts";

export interface AcknowledgementOptions {
  readonly seed: number;
  readonly acksOfClass: number;
  readonly recording: RecordingWriter;
  readonly say: (line: string) => void;
}

const DEVICES_OF_CLASS = 3;
const PROTOCOLS = [
  ["3.1.1", 4],
  ["5", 5],
] as const;
const DAY_MS = 86_400_000;
const PLACE = { lat: 26.9, lon: 75.8 };

export async function acknowledgements(stage: Stage, random: Random, options: AcknowledgementOptions): Promise<void> {
  const { seed, acksOfClass, recording, say } = options;
  if (acksOfClass === 0) return;
  const timings: Timing[] = [];
  for (const [protocol, version] of PROTOCOLS) {
    const devices = new Map<AckClass, readonly WorldDevice[]>();
    for (const one of ACK_CLASSES) {
      const name = `${one}-${version}-${seed}-`;
      const home = probeHome(random, name, PLACE, Array<string>(DEVICES_OF_CLASS).fill("hub"));
      await prepare(stage, home, one);
      devices.set(one, home.devices);
    }
    const connections = await connectAll(stage, [...devices.values()].flat(), version);
    timings.push({ protocol, devices, connections, stage, recording });
  }
  // One order for all of them: what a gateway still does for the message before must fall on every class alike.
  const all = timings.flatMap((timing) =>
    ACK_CLASSES.flatMap((one) => Array.from({ length: acksOfClass }, (_, round) => ({ timing, one, round }))),
  );
  for (const { timing, one, round } of shuffled(all, random)) await timed(round, one, timing);
  say(`${acksOfClass} acknowledgements of each class timed, in both versions of MQTT`);
  for (const { connections } of timings) for (const connection of connections.values()) connection.close();
}

async function prepare({ api, approvers, clock }: Stage, { subject, devices }: Home, one: AckClass): Promise<void> {
  for (const device of devices) {
    device.token = await api.issueToken(device.id);
    if (one !== "unbound") await api.bind(subject, device.id);
  }
  if (one === "unbound" || one === "no-consent") return;
  await api.consent(subject, CONSENT);
  if (one === "withdrawn") await api.withdraw(subject);
  if (one !== "held") return;
  const body = { reference: "order:1", until: Math.trunc(clock.now()) + 30 * DAY_MS };
  for (const approver of approvers) await approver.call("PUT", "/v1/subjects/{subject}/hold", [subject], body);
}

interface Timing {
  readonly protocol: Ack["protocol"];
  readonly devices: ReadonlyMap<AckClass, readonly WorldDevice[]>;
  readonly connections: Connections;
  readonly stage: Stage;
  readonly recording: RecordingWriter;
}

async function timed(
  round: number,
  one: AckClass,
  { protocol, devices, connections, stage, recording }: Timing,
): Promise<void> {
  const device = devices.get(one)?.[round % DEVICES_OF_CLASS];
  const connection = device && connections.get(device);
  if (device === undefined || connection === undefined) throw new Error("a class without a device");
  const { payload } = telemetry(device, Math.trunc(stage.clock.now()), { online: true, rssi: -60 });
  const from = performance.now();
  const bytes = await connection.publish(payload);
  recording.ack({ protocol, class: one, ms: performance.now() - from, bytes });
}

export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let index = result.length - 1; index > 0; index -= 1) {
    const other = random.int(index + 1);
    [result[index], result[other]] = [result[other] as T, result[index] as T];
  }
  return result;
}
