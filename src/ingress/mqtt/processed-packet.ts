/** The PUBLISH of a processed message: QoS 0, the same bytes for everybody who hears it [MQTT-3.3]. */
import mqttPacket from "mqtt-packet";
import type { ServicePurpose } from "../../model/consent.ts";

export function processedPacket(purpose: ServicePurpose, name: string, payload: string): Buffer {
  const topic = `processed/${purpose}/${name}`;
  return mqttPacket.generate({ cmd: "publish", topic, payload, qos: 0, retain: false, dup: false });
}
