/**
 * The PUBLISH of a processed message: QoS 0, the same bytes for everyone who hears it in one version of MQTT [MQTT-3.3]. That of
 * MQTT 5 has a place for properties, and none there.
 */
import mqttPacket, { type IPublishPacket } from "mqtt-packet";
import type { ServicePurpose } from "../../model/purposes.ts";

const V5 = { protocolVersion: 5 } as const;

/** What each was made of, until the packet is let go. */
const packets = new WeakMap<Buffer, IPublishPacket>();
const ofVersion5 = new WeakMap<Buffer, Buffer>();

/** Of MQTT 3.1.1. */
export function processedPacket(purpose: ServicePurpose, name: string, payload: string): Buffer {
  const topic = `processed/${purpose}/${name}`;
  const packet: IPublishPacket = { cmd: "publish", topic, payload, qos: 0, retain: false, dup: false };
  const bytes = mqttPacket.generate(packet);
  packets.set(bytes, packet);
  return bytes;
}

/** The same packet for clients of MQTT 5, made once. */
export function processedPacket5(bytes: Buffer): Buffer {
  let made = ofVersion5.get(bytes);
  if (made === undefined) {
    made = mqttPacket.generate(packets.get(bytes) as IPublishPacket, V5);
    ofVersion5.set(bytes, made);
  }
  return made;
}
