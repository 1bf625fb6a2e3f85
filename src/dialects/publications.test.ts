/** Publications of real devices as their firmware sends them: what is one of the four kinds arrives, and nothing else does. */
import { expect, it } from "vitest";
import { casesIn, dialectNamed } from "../../tests/fixtures/dialects.ts";
import { readPublication } from "./read.ts";

interface Publication {
  readonly family: string;
  readonly what: string;
  readonly topic: string;
  readonly payload: unknown;
}

const { publications } = casesIn<{ publications: Publication[] }>("publications.json");

/** The dialect of a family, and what the firmware calls the device; families without one have people, bystanders or a broker of their own. */
const DIALECTS: Readonly<Record<string, readonly [dialect: string, self: string]>> = {
  tasmota: ["tasmota", "tasmota_3D5E26"],
  zigbee2mqtt: ["zigbee2mqtt", "hub"],
  shelly1: ["shelly-gen1", "shelly1pm-A8032A"],
  shelly2: ["shelly-gen2", "shellyplus1pm-a8032abe0001"],
  esphome: ["esphome", "kitchen-node"],
  hastatestream: ["home-assistant", "home"],
  homie4: ["homie", "super-car"],
  homie5: ["homie", "bedroom-lamp"],
  omg: ["theengs", "OpenMQTTGateway"],
  theengs: ["theengs", "TheengsGateway"],
  rtl433: ["rtl_433", "rtl-host"],
  owntracks: ["owntracks", "phone"],
  chirpstack: ["chirpstack", "server"],
  teslamate: ["teslamate", "mate"],
};
const OTHER_SELF: Readonly<Record<string, string>> = { "Zigbee bridge": "tasmota_zb", "H&T sensor": "shellyht-9F1234" };
/** What arrives not, and why. */
const REFUSED: Readonly<Record<string, string>> = {
  "tasmota RFID": "not-taken",
  // The owner's own rule names keys of the native contract, on a topic of Tasmota.
  "tasmota by hand: Rule Publish": "not-taken",
  "zigbee2mqtt bridge/devices": "invalid-topic",
  "shelly2 by hand: script": "invalid-topic",
  "esphome discovery": "invalid-topic",
  "esphome log": "invalid-topic",
  "esphome by hand: mqtt.publish_json": "invalid-topic",
  "hastatestream tracker latitude": "not-taken",
  "homie5 $description": "not-taken",
  "homie5 color": "not-taken",
  "theengs phone seen": "unknown-device",
  "owntracks transition": "invalid-topic",
  "teslamate geofence": "not-taken",
};
const KNOWN = publications.filter(({ family }) => family in DIALECTS);

it.each(KNOWN.map((one) => [`${one.family} ${one.what}`, one] as const))(
  "%s",
  (title, { family, what, topic, payload }) => {
    const [name, self] = DIALECTS[family] ?? ["", ""];
    const dialect = dialectNamed(name);
    // The phone of a passer-by is registered by no one.
    const sender = {
      isSelf: (word: string) => word === (OTHER_SELF[what] ?? self),
      hasChild: (alias: string) => alias !== "112233445566",
    };
    const result = readPublication(dialect, sender, topic, payload as string);
    expect("refused" in result ? result.refused : undefined).toBe(REFUSED[title]);
  },
);

it("knows as many of them as there are", () => {
  expect(KNOWN.length).toBe(67);
});
