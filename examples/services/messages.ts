/** What a service hears, as far as these three read it. Fields that they do not know are let go. */
import { z } from "zod";

const moment = z.int().min(0);
const name = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
const property = z.string().max(64);
const model = z.string().max(64).optional();

export const WeatherMessage = z.object({
  cell: z.string().regex(/^8[0-9a-f]{14}$/),
  at: moment,
  status: z.record(property, z.number()),
});
export type WeatherMessage = z.infer<typeof WeatherMessage>;

export const SceneMessage = z.object({
  device: name,
  model,
  status: z.record(property, z.union([z.number(), z.boolean(), z.string().max(64)])),
  at: moment,
  /** How many commands led to it, where the gateway knows that. */
  cause: z.int().min(0).optional(),
  /** Pseudonym of the home, where the gateway tells it. */
  home: name.optional(),
});
export type SceneMessage = z.infer<typeof SceneMessage>;

export const NetworkMessage = z.object({
  device: name,
  model,
  ipPrefix: z.string().max(43).optional(),
  at: moment,
});
export type NetworkMessage = z.infer<typeof NetworkMessage>;

/** What became of a command. */
export const OutcomeMessage = z.object({
  outcome: z.string().regex(/^[a-z-]{1,32}$/),
  correlation: z.string().max(64).optional(),
});

/** Names to be forgotten: part of a digest. */
export const ForgetMessage = z.object({
  id: z.string().max(64),
  part: z.int().min(1),
  parts: z.int().min(1).max(10_000),
  pseudonyms: z.array(name).max(10_000),
});

/** `undefined` for what is no JSON, or not of this form. */
export function read<Message>(form: z.ZodType<Message>, payload: Buffer): Message | undefined {
  try {
    return form.safeParse(JSON.parse(payload.toString())).data;
  } catch {
    return undefined;
  }
}
