/** Zigbee2MQTT: one connection for the bridge and everything behind it, with a list of all devices that is longer than any message. */
import type { Canary } from "../canary-forms.ts";
import type { Random } from "../random.ts";
import {
  BROKEN,
  type DialectDevice,
  type DialectHome,
  type Fate,
  type Firmware,
  type FirmwareKind,
  givenName,
  NOT_ITS_TOPIC,
  NOT_TAKEN,
  type Publication,
  statusOf,
} from "./firmware.ts";
import { Hall } from "./hall.ts";
import { step } from "./kept.ts";
import { hardwareAddress } from "./network.ts";
import { hundredths, whole } from "./readings.ts";
import { IN_HALL, ZIGBEE_DEVICES, ZigbeeDevices } from "./zigbee-devices.ts";

const BASE = "zigbee2mqtt";
/** In the radio's reach, and registered to no one here. */
const STRANGERS = 76;
const KILO = 1024;
const INFO_BYTES = 12 * KILO;
/** What Zigbee2MQTT says of one device: its definition with every value it can have. */
const ENTRY_BYTES = 4 * KILO;
const STRANGER_SHARE = 0.03;
const BROKEN_SHARE = 0.02;
const LOGGING_SHARE = 0.06;
const WHEN = { qos: 0, retain: false } as const;
const KEPT_BY_BROKERS = { qos: 1, retain: true } as const;

interface Node {
  readonly device: DialectDevice;
  readonly address: string;
}

export const ZIGBEE2MQTT: FirmwareKind = {
  alias: (random) => `zigbee-bridge-${random.hex(8)}`,
  children: (random, household) => ZIGBEE_DEVICES.map((room) => `${givenName(household)}/${room} ${random.hex(6)}`),
  make: (home) => new Zigbee2Mqtt(home),
};

class Zigbee2Mqtt implements Firmware {
  readonly clientId: string;
  readonly subscriptions = [`${BASE}/#`, "homeassistant/status"];
  readonly #home: DialectHome;
  readonly #random: Random;
  readonly #nodes: readonly Node[];
  readonly #coordinator: string;
  readonly #stranger: string;
  readonly #code: string;
  readonly #devices: ZigbeeDevices;
  readonly #hall = new Hall();

  constructor(home: DialectHome) {
    const { random } = home;
    this.#home = home;
    this.#random = random;
    this.clientId = `mqttjs_${random.hex(8)}`;
    this.#coordinator = ieee(random);
    this.#nodes = home.children.map((device) => ({ device, address: ieee(random) }));
    this.#stranger = `${random.pick(["next door", "flat 4"])} sensor ${random.hex(6)}`;
    // Longer than what fits a keypad: found anywhere else, it must be no accident.
    this.#code = random.hex(14);
    this.#devices = new ZigbeeDevices(random, this.#code, this.#hall);
  }

  get will(): Publication {
    return this.#bridgeState("offline");
  }

  get canaries(): readonly Canary[] {
    const names = [...this.#nodes.map(({ device }) => device.alias), this.#stranger];
    const addresses = [this.#coordinator, ...this.#nodes.map(({ address }) => address)];
    return [
      { kind: "alias", value: this.clientId },
      ...names.map((value): Canary => ({ kind: "alias", value })),
      // Found with or without the `0x` before it.
      ...addresses.map((address): Canary => ({ kind: "network", value: address.slice(2) })),
      { kind: "code", value: this.#code },
    ];
  }

  start(): readonly Publication[] {
    return [
      this.#bridgeState("online"),
      this.#bridge("info", this.#info(), NOT_TAKEN),
      this.#bridge("devices", JSON.stringify(this.#all()), NOT_TAKEN),
      this.#bridge("groups", this.#groups(), NOT_ITS_TOPIC),
      ...this.#nodes.map((node) => this.#discovery(node)),
      ...this.#nodes.map(({ device }) => this.#availability(device)),
      ...this.#nodes.map((_, index) => this.#state(index)),
      this.#ofStranger(),
    ];
  }

  next(): Publication {
    const random = this.#random;
    const inHall = this.#hall.next();
    if (inHall !== undefined) {
      const needsAnswer = inHall === "motion" && this.#hall.needsLight;
      return { ...this.#state(IN_HALL[inHall]), needsAnswer };
    }
    if (random.chance(STRANGER_SHARE)) return this.#ofStranger();
    if (random.chance(BROKEN_SHARE)) return this.#withAccount();
    if (random.chance(LOGGING_SHARE)) return this.#logging();
    return this.#state(random.int(this.#nodes.length));
  }

  /** Of all that it could be told it knows how to switch the lamp. */
  told(topic: string, payload: string): readonly Publication[] {
    const lamp = this.#nodes[IN_HALL.lamp]?.device.alias;
    return topic === `${BASE}/${lamp}/set` && this.#hall.obeys(payload) ? [this.#state(IN_HALL.lamp)] : [];
  }

  #bridgeState(state: "online" | "offline"): Publication {
    const fate = statusOf(this.#home.device, { model: "hub", online: state === "online" }, ["model"]);
    return { topic: `${BASE}/bridge/state`, payload: JSON.stringify({ state }), ...KEPT_BY_BROKERS, fate };
  }

  #bridge(name: string, payload: string, fate: Fate): Publication {
    return { topic: `${BASE}/bridge/${name}`, payload, ...KEPT_BY_BROKERS, fate };
  }

  #info(): string {
    return JSON.stringify({
      coordinator: { ieee_address: this.#coordinator, type: "zStack3x0" },
      network: { channel: 11, extended_pan_id: this.#coordinator, pan_id: whole(this.#random, 1, 65_534) },
      config: { devices: Object.fromEntries(this.#nodes.map((node) => [node.address, named(node)])) },
      config_schema: padding(INFO_BYTES),
    });
  }

  #all(): unknown[] {
    const own = this.#nodes.map(({ address, device }) => entry(address, device.alias));
    const others = Array.from({ length: STRANGERS }, (_, index) =>
      entry(ieee(this.#random), index === 0 ? this.#stranger : `sensor ${this.#random.hex(8)}`),
    );
    return [entry(this.#coordinator, "Coordinator"), ...own, ...others];
  }

  #groups(): string {
    const members = this.#nodes.map(({ address }) => ({ ieee_address: address, endpoint: 1 }));
    return JSON.stringify([{ id: 1, friendly_name: this.#nodes[0]?.device.alias, scenes: [], members }]);
  }

  #logging(): Publication {
    const { device } = this.#random.pick(this.#nodes);
    const message = `z2m:mqtt: MQTT publish: topic '${BASE}/${device.alias}', payload '{"last_used_pin_code":"${this.#code}"}'`;
    const payload = JSON.stringify({ level: "info", message, namespace: "z2m:mqtt" });
    return { topic: `${BASE}/bridge/logging`, payload, ...WHEN, fate: NOT_ITS_TOPIC };
  }

  #discovery({ device, address }: Node): Publication {
    const payload = JSON.stringify({
      availability: [{ topic: `${BASE}/bridge/state`, value_template: "{{ value_json.state }}" }],
      device: { identifiers: [`${BASE}_${address}`], manufacturer: "Aqara", name: device.alias },
      object_id: `${device.alias}_linkquality`,
      state_topic: `${BASE}/${device.alias}`,
      unique_id: `${address}_linkquality_${BASE}`,
    });
    const topic = `homeassistant/sensor/${address}/linkquality/config`;
    return { topic, payload, ...KEPT_BY_BROKERS, fate: NOT_ITS_TOPIC };
  }

  #availability(device: DialectDevice): Publication {
    const fate = statusOf(device, { online: true });
    const topic = `${BASE}/${device.alias}/availability`;
    return { topic, payload: '{"state":"online"}', ...KEPT_BY_BROKERS, fate };
  }

  #ofStranger(): Publication {
    const payload = JSON.stringify({ temperature: hundredths(this.#random, 15, 28), linkquality: 40 });
    return {
      topic: `${BASE}/${this.#stranger}`,
      payload,
      ...WHEN,
      fate: { kind: "left-out", reasons: ["unknown-device"] },
    };
  }

  /** A converter that its owner wrote. */
  #withAccount(): Publication {
    const { device } = this.#random.pick(this.#nodes);
    const payload = JSON.stringify({ state: "ON", owner_email: this.#home.household.email });
    return { topic: `${BASE}/${device.alias}`, payload, ...WHEN, fate: { ...BROKEN, behind: device } };
  }

  #state(index: number): Publication {
    const node = this.#nodes[index];
    if (node === undefined) throw new RangeError("no such device behind the hub");
    const quality = whole(this.#random, 20, 255);
    const { says, kept } = this.#devices.says(index);
    const common = { linkquality: quality, last_seen: new Date().toISOString(), device: named(node) };
    const fate = statusOf(node.device, { ...kept, link_quality: step("link_quality", (quality * 100) / 255) });
    const total = typeof says.energy === "number" ? [{ kind: "total", value: says.energy.toFixed(4) } as const] : [];
    const payload = JSON.stringify({ ...says, ...common });
    return { topic: `${BASE}/${node.device.alias}`, payload, ...WHEN, fate, canaries: total };
  }
}

function ieee(random: Random): string {
  return `0x${hardwareAddress(random, "00158d")}${random.hex(4)}`;
}

function named({ device, address }: Node): Record<string, unknown> {
  return { friendlyName: device.alias, ieeeAddr: address, networkAddress: 29_159 };
}

function entry(ieeeAddress: string, name: string): Record<string, unknown> {
  const definition = { model: "WSDCGQ11LM", vendor: "Aqara", exposes: padding(ENTRY_BYTES) };
  return { ieee_address: ieeeAddress, friendly_name: name, type: "EndDevice", supported: true, definition };
}

function padding(bytes: number): string {
  return "temperature humidity pressure voltage ".repeat(Math.ceil(bytes / 38)).slice(0, bytes);
}
