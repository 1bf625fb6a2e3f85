/** The firmware that can be simulated, by the name of its dialect. */
import { ESPHOME } from "./esphome.ts";
import type { FirmwareKind } from "./firmware.ts";
import { SHELLY_GEN1 } from "./shelly-gen1.ts";
import { SHELLY_GEN2 } from "./shelly-gen2.ts";
import { TASMOTA } from "./tasmota.ts";
import { ZIGBEE2MQTT } from "./zigbee2mqtt.ts";

const FIRMWARES = {
  zigbee2mqtt: ZIGBEE2MQTT,
  tasmota: TASMOTA,
  "shelly-gen1": SHELLY_GEN1,
  "shelly-gen2": SHELLY_GEN2,
  esphome: ESPHOME,
} as const satisfies Readonly<Record<string, FirmwareKind>>;
export type SimulatedDialect = keyof typeof FIRMWARES;
export const SIMULATED_DIALECTS = Object.keys(FIRMWARES) as SimulatedDialect[];

export function firmwareOf(dialect: SimulatedDialect): FirmwareKind {
  return FIRMWARES[dialect];
}

export function isSimulated(name: string): name is SimulatedDialect {
  return Object.hasOwn(FIRMWARES, name);
}
