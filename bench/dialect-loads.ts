/**
 * What two families of real devices publish, as their firmware writes it: Zigbee2MQTT for the devices behind a hub, and
 * plugs with Tasmota. Most of each payload is nothing that is taken. `#` marks a digit that changes from message to message.
 */
import type { BenchMessage } from "./publish-ring.ts";

export interface DialectLoad {
  /** As its file names it. */
  readonly dialect: "zigbee2mqtt" | "tasmota";
  /** What the device at this place calls itself; `undefined`: its id. */
  alias(device: number): string | undefined;
  /** Aliases of the devices behind each; empty when it is no hub. */
  readonly children: readonly string[];
  /** Properties of which each message tells exactly one, so that counting them counts messages. */
  readonly counted: readonly string[];
  /** In turn. */
  messages(device: number): readonly BenchMessage[];
}

const CHILDREN = 16;
const UPDATE = `"update":{"installed_version":16777241,"latest_version":16777241,"state":"idle"}`;
const SEEN = `"last_seen":"2026-05-12T08:14:2#+02:00","linkquality":1##`;

/** In turn: a climate sensor, a plug, a bulb and a motion sensor, with keys that nothing names in three of them. */
const STATES = [
  `{"battery":8#,"humidity":4#.##,${SEEN},"pressure":101#.#,"temperature":2#.##,${UPDATE},"update_available":false,"voltage":298#}`,
  `{"ac_frequency":50,"child_lock":"UNLOCK","countdown":0,"current":0.4#,"energy":12.#,"indicator_mode":"off/on",${SEEN},` +
    `"power":9#,"power_factor":0.9#,"power_on_behavior":"previous","state":"ON",${UPDATE},"voltage":23#}`,
  `{"brightness":1##,"color":{"hue":3#,"saturation":8#,"x":0.4##,"y":0.3##},"color_mode":"xy","color_temp":3##,` +
    `"color_temp_startup":37#,${SEEN},"power_on_behavior":"previous","state":"ON",${UPDATE}}`,
  `{"battery":9#,"device_temperature":2#,"illuminance":1#,${SEEN},"led_indication":false,"motion_sensitivity":"medium",` +
    `"occupancy":true,${UPDATE},"voltage":30#}`,
];

const children = Array.from({ length: CHILDREN }, (_, child) => `room ${child}/device`);

export const ZIGBEE2MQTT: DialectLoad = {
  dialect: "zigbee2mqtt",
  alias: () => undefined,
  children,
  counted: ["link_quality"],
  messages: () =>
    children.map((alias, child) => ({ topic: `zigbee2mqtt/${alias}`, template: STATES[child % STATES.length] ?? "" })),
};

const SENSOR =
  `{"Time":"2026-05-12T08:14:2#","ENERGY":{"TotalStartTime":"2025-11-02T10:21:33","Total":142.7##,"Yesterday":1.2#,"Today":0.4##,` +
  `"Period":#,"Power":9#,"ApparentPower":10#,"ReactivePower":4#,"Factor":0.9#,"Voltage":23#,"Current":0.4##}}`;
const STATE =
  `{"Time":"2026-05-12T08:14:2#","Uptime":"12T03:14:2#","UptimeSec":10480##,"Heap":27,"SleepMode":"Dynamic","Sleep":50,` +
  `"LoadAvg":1#,"MqttCount":3,"POWER":"ON","Wifi":{"AP":1,"SSId":"home","BSSId":"AA:BB:CC:DD:EE:FF","Channel":6,"Mode":"11n",` +
  `"RSSI":7#,"Signal":-6#,"LinkCount":1,"Downtime":"0T00:00:05"}}`;

export const TASMOTA: DialectLoad = {
  dialect: "tasmota",
  alias: tasmotaTopic,
  children: [],
  counted: ["link_quality", "power"],
  messages: (device) => [
    { topic: `tele/${tasmotaTopic(device)}/STATE`, template: STATE },
    { topic: `tele/${tasmotaTopic(device)}/SENSOR`, template: SENSOR },
  ],
};

/** The firmware makes its topic of the last digits of its address. */
function tasmotaTopic(device: number): string {
  return `tasmota_${device.toString(16).toUpperCase().padStart(6, "0")}`;
}
