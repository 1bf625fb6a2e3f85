/**
 * Determines at start what a PUBACK guarantees: what Redis does on a write, on a crash and when its memory is full.
 * Less than promised stops the start, unless the configuration accepts less.
 */
import type { Redis } from "ioredis";
import { GatewayError } from "../model/errors.ts";

/**
 * `fsync`: on disk before the reply. `everysec`: up to two seconds can be lost. `none`: nothing is certain to be on
 * disk.
 */
export const DURABILITIES = ["none", "everysec", "fsync"] as const;
export type Durability = (typeof DURABILITIES)[number];

export async function checkDurability(redis: Redis, required: Durability): Promise<Durability> {
  const settings = await readSettings(redis);
  if (settings.policy !== "noeviction" && settings.policy !== undefined) {
    throw new GatewayError("DURABILITY_TOO_WEAK", "maxmemory-policy must be noeviction");
  }
  const actual = durabilityOf(settings);
  if (DURABILITIES.indexOf(actual) < DURABILITIES.indexOf(required)) {
    const why = settings.appendOnly && settings.paused ? " (no-appendfsync-on-rewrite is on)" : "";
    throw new GatewayError(
      "DURABILITY_TOO_WEAK",
      `Redis gives ${actual}${why}, queue.requireDurability asks for ${required}`,
    );
  }
  return actual;
}

interface Settings {
  readonly policy: string | undefined;
  readonly appendOnly: boolean;
  readonly fsync: string | undefined;
  /** `no-appendfsync-on-rewrite`: regardless of `appendfsync`, nothing is synced during a rewrite of the file. */
  readonly paused: boolean;
}

function durabilityOf({ appendOnly, fsync, paused }: Settings): Durability {
  if (!appendOnly || paused) return "none";
  // For a server that hides its fsync policy the weaker one is assumed.
  return fsync === "always" ? "fsync" : fsync === "no" ? "none" : "everysec";
}

/** Managed servers reject CONFIG; INFO still shows whether there is an append-only file. */
async function readSettings(redis: Redis): Promise<Settings> {
  const info = await redis.info();
  const reported = (name: string): string | undefined => new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1]?.trim();
  let configured: Record<string, string> = {};
  try {
    configured = pairs((await redis.config("GET", "*append*")) as string[]);
  } catch {
    // Left empty: judged by INFO alone.
  }
  return {
    policy: reported("maxmemory_policy"),
    appendOnly: reported("aof_enabled") === "1",
    fsync: configured.appendfsync,
    paused: configured["no-appendfsync-on-rewrite"] === "yes",
  };
}

function pairs(flat: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (let index = 0; index + 1 < flat.length; index += 2) result[flat[index] ?? ""] = flat[index + 1] ?? "";
  return result;
}
