/** What firmware asks for when it starts is granted by its dialect, and what belongs to another device is not. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { Vocabulary } from "../vocabulary/vocabulary.ts";
import { compileDialect } from "./compile.ts";
import { covers } from "./topic.ts";

const STARTS: Readonly<Record<string, readonly string[]>> = {
  zigbee2mqtt: ["zigbee2mqtt/#", "homeassistant/#", "homeassistant/status"],
  tasmota: ["cmnd/me/#", "cmnd/tasmotas/#", "cmnd/DVES_3D5E26_fb/#"],
  "shelly-gen1": [
    "shellies/command",
    "shellies/me/command",
    "shellies/me/relay/0/command",
    "shellies/me/roller/0/command/pos",
  ],
  "shelly-gen2": ["me/rpc", "me/command", "me/command/switch:0", "shellies/command"],
  esphome: [
    "me/switch/relay/command",
    "me/light/ceiling/command",
    "me/cover/blind/position/command",
    "me/climate/living/target_temperature/command",
    "esphome/discover",
    "esphome/ping/kitchen",
  ],
  chirpstack: ["application/+/device/+/command/+"],
  "ems-esp": ["ems-esp/#", "ems-esp/boiler/#", "ems-esp/system/#", "homeassistant/+/ems-esp/#"],
  "home-assistant": ["homeassistant/+/+/config", "homeassistant/status", "tasmota/discovery/#", "esphome/discover/#"],
  homie: [
    "homie/me/lamp/on/set",
    "homie/5/me/lamp/on/set",
    "homie/$broadcast/#",
    "homie/me/$implementation/config/set",
  ],
  opendtu: ["solar/+/cmd/limit_persistent_relative", "solar/+/cmd/power"],
  owntracks: ["owntracks/+/+", "owntracks/+/+/event", "owntracks/+/+/info", "owntracks/anna/me/cmd"],
  theengs: ["home/+/BTtoMQTT/undecoded", "home/me/commands/#", "+/+/433toMQTT"],
  valetudo: [
    "valetudo/me/BasicControlCapability/operation/set",
    "valetudo/me/MapSegmentationCapability/clean/set",
    "homeassistant/status",
  ],
  wled: ["wled/me", "wled/me/col", "wled/me/api", "wled/all", "wled/all/col", "wled/all/api"],
  "zwave-js-ui": [
    "homeassistant/status",
    "zwave/_CLIENTS/ZWAVE_GATEWAY-me/api/#",
    "zwave/kitchen/switch_binary/endpoint_0/targetValue/set",
  ],
};
const STRANGERS = ["#", "devices/#", "$SYS/#", "purpose/+/#"];

it.each(Object.entries(STARTS))("%s", (name, filters) => {
  const file = `config/dialects/${name}.yaml`;
  const { subscriptions } = compileDialect(
    readFileSync(new URL(`../../${file}`, import.meta.url), "utf8"),
    file,
    new Vocabulary(),
  );
  const isGranted = (filter: string): boolean =>
    subscriptions.some((granted) => covers(granted, filter, (word) => word === "me"));
  expect(filters.filter((filter) => !isGranted(filter))).toEqual([]);
  expect(STRANGERS.filter(isGranted)).toEqual([]);
});
