/** Tries to bring something that points at a person through what a device may say: by mistake, as firmware does. */
import type { Random } from "../../simulators/random.ts";
import type { Truth } from "../recording/format.ts";
import type { WorldDevice } from "../world/world.ts";
import { type Act, telemetry } from "./acts.ts";

type Identifier = Extract<Truth, { about: "identifier" }>;

const EVERY_MS = 10_000;
const TRIES = 120;

/** From `from` on. Each text is in one message, and in nothing else. */
export function identifierActs(
  device: WorldDevice,
  from: number,
  random: Random,
): { acts: Act[]; truth: Identifier[] } {
  const acts: Act[] = [];
  const truth: Identifier[] = [];
  for (let index = 0; index < TRIES; index += 1) {
    const { as, text, status, model } = one(index, random);
    const act = telemetry(device, from + index * EVERY_MS, { online: true, ...status });
    acts.push(model === undefined ? act : { ...act, payload: { ...act.payload, model } });
    truth.push({ about: "identifier", as, text });
  }
  return { acts, truth };
}

interface Try extends Omit<Identifier, "about"> {
  readonly status?: Readonly<Record<string, unknown>>;
  readonly model?: string;
}

function one(index: number, random: Random): Try {
  const name = `ravi${random.hex(8)}`;
  const digits = () => String(1 + random.int(9)) + Array.from({ length: 9 }, () => 1 + random.int(9)).join("");
  const serial = digits();
  const fraction = Number(`0.${digits()}`);
  const tries: readonly (() => Try)[] = [
    () => ({ as: "key", text: name, status: { [name]: true } }),
    () => ({ as: "key", text: `phone_of_${name}`, status: { [`phone_of_${name}`]: 12 } }),
    () => ({ as: "text", text: name, status: { preset: name } }),
    () => ({ as: "text", text: `${name}@mail.example`, status: { action: `${name}@mail.example` } }),
    () => ({ as: "text", text: serial, status: { hvac_mode: serial } }),
    () => ({ as: "number", text: serial, status: { illuminance: Number(serial) } }),
    () => ({ as: "number", text: serial, status: { outages: Number(serial) } }),
    () => ({ as: "number", text: String(20 + fraction), status: { temperature: 20 + fraction } }),
    () => ({ as: "number", text: String(200 + fraction), status: { power: 200 + fraction } }),
    () => ({ as: "number", text: serial.slice(0, 9), status: { energy: Number(serial.slice(0, 9)) } }),
    () => ({ as: "model", text: name, model: `TH-310 ${name}` }),
  ];
  return (tries[index % tries.length] as () => Try)();
}
