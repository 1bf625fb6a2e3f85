/**
 * The outgoing messages of one connection: a ring of encoded PUBLISH packets, laid out one after
 * the other so that several go out in one write. Per message only the id and a few digits change.
 */
import { encodePublish, type Version } from "../tools/wire/mqtt-wire.ts";

/** Where a device of the bench stands: cities, so that cells and crowds look like a fleet's. */
const CITIES: readonly (readonly [lat: number, lon: number])[] = [
  [12.97, 77.59],
  [19.07, 72.87],
  [28.61, 77.2],
  [13.08, 80.27],
  [22.57, 88.36],
  [17.38, 78.48],
];
const MODELS = ["HB-200", "HB-210", "LK-500", "TH-310", "BL-900"];
const DIGIT_ZERO = 48;

export interface BenchMessage {
  readonly topic: string;
  /** Of the payload. `#` marks a digit that changes from message to message. */
  readonly template: string;
}

/** Of a device that speaks the contract itself; about 150 bytes. */
export function nativeMessages(id: string, device: number): readonly BenchMessage[] {
  return [{ topic: `devices/${id}/telemetry`, template: payloadTemplate(device) }];
}

/** What each of these messages tells once. */
export const NATIVE_COUNTED = ["battery"] as const;

function payloadTemplate(device: number): string {
  const [lat, lon] = CITIES[device % CITIES.length] ?? [0, 0];
  const model = MODELS[device % MODELS.length] ?? "HB-200";
  return (
    `{"model":"${model}","location":{"lat":${lat.toFixed(2)}###,"lon":${lon.toFixed(2)}###},` +
    `"status":{"power_on":true,"battery":8#,"temperature":2#.#,"humidity":4#,"rssi":-6#}}`
  );
}

/** Where it stands in the ring. */
interface Packet {
  readonly start: number;
  readonly end: number;
  readonly messageIdAt: number;
  readonly digitsAt: readonly number[];
}

export class PublishRing {
  readonly slots: number;
  readonly #bytes: Buffer;
  readonly #packets: readonly Packet[];

  /** The messages in turn, from the first slot on. */
  constructor(messages: readonly BenchMessage[], slots: number, version: Version = 4) {
    const packets: Packet[] = [];
    const encoded: Buffer[] = [];
    let start = 0;
    for (let slot = 0; slot < slots; slot += 1) {
      const { topic, template } = messages[slot % messages.length] as BenchMessage;
      const payload = Buffer.from(template.replaceAll("#", "0"));
      const packet = encodePublish(topic, 0, payload, version);
      const end = start + packet.length;
      const payloadAt = end - payload.length;
      const digitsAt = [...template].flatMap((char, at) => (char === "#" ? [payloadAt + at] : []));
      packets.push({ start, end, messageIdAt: payloadAt - (version === 5 ? 3 : 2), digitsAt });
      encoded.push(packet);
      start = end;
    }
    this.slots = slots;
    this.#bytes = Buffer.concat(encoded);
    this.#packets = packets;
  }

  /**
   * Prepares up to `count` messages from number `sequence` on and returns them as one buffer, fewer when the ring
   * wraps. A slot may be taken again only after its message was acknowledged: until then the socket may still own it.
   */
  take(sequence: number, count: number): { readonly bytes: Buffer; readonly taken: number } {
    const first = sequence % this.slots;
    const taken = Math.min(count, this.slots - first);
    const packets = this.#packets.slice(first, first + taken);
    for (const [index, packet] of packets.entries()) this.#patch(packet, sequence + index);
    return { bytes: this.#bytes.subarray(packets[0]?.start, packets.at(-1)?.end), taken };
  }

  #patch({ messageIdAt, digitsAt }: Packet, sequence: number): void {
    const messageId = messageIdOf(sequence);
    this.#bytes[messageIdAt] = messageId >> 8;
    this.#bytes[messageIdAt + 1] = messageId & 0xff;
    let noise = Math.imul(sequence, 0x9e3779b1) >>> 0;
    for (const digitAt of digitsAt) {
      this.#bytes[digitAt] = DIGIT_ZERO + (noise % 10);
      noise = Math.imul(noise, 0x01000193) >>> 7;
    }
  }
}

/** 1–65,535 in turn; zero is not a message id (MQTT 3.1.1, 2.3.1). */
export function messageIdOf(sequence: number): number {
  return (sequence % 65_535) + 1;
}
