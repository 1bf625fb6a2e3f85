/**
 * Holds what a network service heard against what was sent: as many names as there are devices whose people said yes, each in the
 * form of the contract, and never the time of a message. Written apart from the gateway on purpose: it is what it is checked against.
 */
import type { Expectation } from "./expectation.ts";
import { hasArrived, type SentLog, type SentMessage } from "./sent-log.ts";

interface NetworkPacket {
  readonly device?: unknown;
  readonly model?: unknown;
  readonly ipPrefix?: unknown;
  readonly at?: unknown;
}

/** As the gateway is configured by default. */
const EPOCH_MS = 7 * 86_400_000;
const PREFIX = /^(?:\d{1,3}\.\d{1,3}\.0\.0\/16|[0-9a-f]{1,4}:[0-9a-f:]*\/32)$/;

/** Sentences, each something that was heard and must not be, or not and must. `all`: the run has waited until everything is told. */
export function checkNetwork(log: SentLog, packets: readonly { payload: Buffer }[], all: boolean): string[] {
  const names = new Map<number, Set<unknown>>();
  let other = 0;
  for (const { payload } of packets) {
    const packet = JSON.parse(payload.toString("utf8")) as NetworkPacket;
    if (!isOfContract(packet)) other += 1;
    const epoch = Math.floor(Number(packet.at) / EPOCH_MS);
    names.set(epoch, (names.get(epoch) ?? new Set()).add(packet.device));
  }
  const heard = Math.max(0, ...[...names.values()].map(({ size }) => size));
  const least = all ? devicesOf(log, (message) => reaches(message.expectation) && hasArrived(message)).size : 0;
  const most = devicesOf(
    log,
    ({ expectation }) => "forwarded" in expectation && expectation.forwarded.includes("network"),
  ).size;
  return [
    ...(heard > most ? [`the network service heard ${heard} names, of at most ${most} devices it may hear of`] : []),
    ...(heard < least ? [`the network service heard ${heard} names, of ${least} devices it must hear of`] : []),
    ...(other > 0 ? [`${other} packets of the network have another form than that of the contract`] : []),
  ];
}

function isOfContract({ device, model, ipPrefix, at, ...rest }: NetworkPacket): boolean {
  if (typeof device !== "string" || typeof at !== "number" || Object.keys(rest).length > 0) return false;
  if (ipPrefix !== undefined && !(typeof ipPrefix === "string" && PREFIX.test(ipPrefix))) return false;
  return ipPrefix !== undefined || typeof model === "string";
}

function reaches(expectation: Expectation): boolean {
  return (
    (expectation.kind === "stored" || expectation.kind === "forwarded") && expectation.forwarded.includes("network")
  );
}

function devicesOf(log: SentLog, matches: (message: SentMessage) => boolean): Set<string> {
  const devices = new Set<string>();
  for (const message of log.messages)
    if (matches(message)) devices.add(message.spoken?.device ?? message.topic.split("/")[1] ?? "");
  return devices;
}
