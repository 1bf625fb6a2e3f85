/**
 * The text inside a sealed batch. Payloads stay in the text form the device sent, so admission never serialises them
 * again, and opening a batch is one JSON.parse for all its messages.
 *
 *   {"d":[[deviceKey,subjectTag,revision],…],"m":[[device index,part,at,sub,payload],…]}
 */
import type { DeviceKey, DeviceRef, SubjectTag } from "../model/ids.ts";
import { carriedBy, normalise, PARTS, type RawMessage } from "../model/raw.ts";

/** One message to be queued; `text` is valid JSON. */
export interface QueuedMessage {
  readonly ref: DeviceRef;
  /** The same for all messages of one `ref` in a batch, because they share one consent check. */
  readonly revision?: number | undefined;
  /** Index into `PARTS`. */
  readonly part: number;
  /** Unix ms, fixed at admission. */
  readonly at: number;
  readonly sub: number;
  readonly text: string;
}

export function encodeBatch(messages: readonly QueuedMessage[]): string {
  const indexes = new Map<DeviceRef, number>();
  let devices = "";
  let body = "";
  for (const { ref, revision, part, at, sub, text } of messages) {
    let index = indexes.get(ref);
    if (index === undefined) {
      index = indexes.size;
      indexes.set(ref, index);
      devices += `${index === 0 ? "" : ","}["${ref.deviceKey}","${ref.subjectTag}"${revision === undefined ? "" : `,${revision}`}]`;
    }
    body += `${body === "" ? "" : ","}[${index},${part},${at},${sub},${text}]`;
  }
  return `{"d":[${devices}],"m":[${body}]}`;
}

type Sender = readonly [DeviceKey, SubjectTag, revision?: number];
type Row = readonly [device: number, part: number, at: number, sub: number, payload: unknown];

/** The inverse of `encodeBatch`; the seal guarantees the content. Messages of one device share one `DeviceRef`. */
export function decodeBatch(text: string): RawMessage[] {
  const { d, m } = JSON.parse(text) as { d: readonly Sender[]; m: readonly Row[] };
  const devices = d.map(([deviceKey, subjectTag, revision]): DeviceRef => ({ deviceKey, subjectTag, revision }));
  const messages: RawMessage[] = [];
  for (const [index, part, at, sub, payload] of m) {
    const device = devices[index];
    const name = PARTS[part];
    if (device === undefined || name === undefined) continue;
    const telemetry = normalise(name, payload);
    messages.push({ device, at, sub, telemetry, carried: carriedBy(telemetry) });
  }
  return messages;
}

/** Encodes opened messages again, for a part of a batch that is processed separately. */
export function encodeMessages(messages: readonly RawMessage[]): string {
  return encodeBatch(
    messages.map(({ device, at, sub, telemetry }) => ({
      ref: device,
      revision: device.revision,
      part: PARTS.indexOf("telemetry"),
      at,
      sub,
      text: JSON.stringify(telemetry),
    })),
  );
}
