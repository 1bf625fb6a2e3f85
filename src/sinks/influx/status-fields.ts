/** The properties that `status` may have, as the store holds them. */
import type { FieldTable } from "./fields.ts";

const NAMES = {
  number: "temperature humidity pressure dew_point illuminance co2 voc pm1 pm25 pm10 soil_moisture noise wind_speed wind_gust wind_direction uv_index power voltage current power_factor frequency battery battery_voltage rssi link_quality internal_temperature brightness color_temp hue saturation color_x color_y cover_percent cover_tilt setpoint valve_percent fan_percent",
  counter: "rain energy energy_returned gas water outages",
  flag: "battery_low charging online restarted power_on power_on_2 power_on_3 power_on_4 open occupancy water_leak smoke gas_leak carbon_monoxide tamper vibration alarm",
  word: "color_mode cover_state lock_state hvac_mode running_state preset machine_state action",
} as const;

export const STATUS_FIELDS: FieldTable = (Object.keys(NAMES) as (keyof typeof NAMES)[]).flatMap((kind) =>
  NAMES[kind].split(" ").map((name) => ({ name, kind })),
);
