/** What this gateway says of itself to the others on its Redis, and what they said last. */
import { createHmac, randomBytes } from "node:crypto";
import type { Config } from "../config/schema.ts";
import type { GatewayNotice } from "../http/operate/gateways.ts";
import type { Readiness } from "../model/readiness.ts";
import { VERSION } from "../observe/version.ts";
import type { Keys } from "../platform/keys/files.ts";
import { fingerprint } from "../platform/keys/fingerprint.ts";

/** Where something lies on one machine is no difference between gateways. */
const OF_THE_MACHINE = /^(?:host|port|dir|.*File|url|publicUrl|stoppingMs)$/;
const DIGITS = 12;

export interface AnnouncementDeps {
  readonly lookup: Buffer;
  readonly keys: () => Keys;
  readonly config: () => Config;
  readonly readiness: () => Readiness;
}

export class Announcement {
  readonly #deps: AnnouncementDeps;
  readonly #id = randomBytes(8).toString("hex");
  readonly startedAt = Date.now();
  #told: readonly unknown[] = [];
  #digested: { readonly of: Config; readonly digests: Readonly<Record<string, string>> } | undefined;

  constructor(deps: AnnouncementDeps) {
    this.#deps = deps;
  }

  notice(): GatewayNotice {
    return {
      id: this.#id,
      version: VERSION,
      startedAt: this.startedAt,
      reasons: this.#deps.readiness().reasons,
      keys: printsOf(this.#deps.keys()),
      configuration: this.#digests(),
    };
  }

  /** With each heartbeat. */
  heard(reports: readonly unknown[]): void {
    this.#told = reports;
  }

  get reports(): readonly unknown[] {
    return this.#told;
  }

  /** Under a key, so that a digest leads back to no value, however few there can be. */
  #digests(): Readonly<Record<string, string>> {
    const config = this.#deps.config();
    if (this.#digested?.of !== config) {
      const key = createHmac("sha256", this.#deps.lookup).update("digests of a configuration").digest();
      const digests = Object.fromEntries(
        Object.entries(config).map(([section, options]) => [section, digestOf(key, section, options)]),
      );
      this.#digested = { of: config, digests };
    }
    return this.#digested.digests;
  }
}

function digestOf(key: Buffer, section: string, options: unknown): string {
  const text = JSON.stringify(options, (name, value) => (OF_THE_MACHINE.test(name) ? undefined : sorted(value)));
  return createHmac("sha256", key)
    .update(`${section}\0${text ?? ""}`)
    .digest("hex")
    .slice(0, DIGITS);
}

/** Whatever order a file has its options in. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** As `npm run keys -- list` shows them. */
function printsOf({ queue, lookup, pepper, token, receipt, master, nextMaster, backup }: Keys): Record<string, string> {
  const single = { lookup, pepper, token, receipt, master, "master-next": nextMaster, backup };
  const all = [...Object.entries(single), ...[...queue.all].map(([id, key]) => [`queue.${id}`, key] as const)];
  return Object.fromEntries(all.flatMap(([id, key]) => (key === undefined ? [] : [[id, fingerprint(key)]])));
}
