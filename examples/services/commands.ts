/** What these rules may have a device do, with the values that each takes: comfort alone, no lock, no door, no alarm. */
import { z } from "zod";

const percent = z.int().min(0).max(100);
/** Which devices are meant: the one whose message it was, or those of its home that say `has`. */
const target = z.union([
  z.literal("self"),
  z.strictObject({ has: z.string().min(1).max(64), model: z.string().min(1).max(64).optional() }),
]);

function command<Name extends string, Value extends z.ZodType>(name: Name, value: Value) {
  return z.strictObject({ command: z.literal(name), value, target: target.default("self") });
}

export const Action = z.discriminatedUnion("command", [
  command("power", z.enum(["on", "off", "toggle"])),
  command("brightness", percent),
  command("color_temperature", z.int().min(1_500).max(8_000)),
  command("cover", z.enum(["open", "close", "stop"])),
  command("cover_position", percent),
  command("setpoint", z.number().min(5).max(30).multipleOf(0.5)),
  command("mode", z.enum(["off", "heat", "cool", "auto", "heat_cool", "dry", "fan_only"])),
  command("fan_speed", percent),
]);
export type Action = z.infer<typeof Action>;

/** The properties in which a device shows that it has done so. */
export const SHOWN_IN: Readonly<Record<Action["command"], readonly string[]>> = {
  power: ["power_on"],
  brightness: ["brightness", "power_on"],
  color_temperature: ["color_temp", "color_mode"],
  cover: ["cover_state", "cover_percent", "open"],
  cover_position: ["cover_percent", "cover_state", "open"],
  setpoint: ["setpoint"],
  mode: ["hvac_mode", "running_state"],
  fan_speed: ["fan_percent"],
};
