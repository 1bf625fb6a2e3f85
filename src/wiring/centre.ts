/**
 * Wires the privacy centre: the seals of its links and sessions, the store of used links and left sessions, and the
 * watchers.
 */
import type { Redis } from "ioredis";
import type { Config } from "../config/schema.ts";
import { LeftSessions } from "../http/centre/left-sessions.ts";
import { SpentLinks } from "../http/centre/spent-links.ts";
import type { CentrePort, PlacesPort } from "../http/ports.ts";
import { Samples } from "../pipeline/samples.ts";
import type { Keys } from "../platform/keys/files.ts";
import { Seal } from "../platform/keys/seal.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { plainly } from "../vocabulary/plain.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";

export interface CentreDeps {
  readonly config: Pick<Config, "centre">;
  readonly keys: Pick<Keys, "token">;
  readonly redis: Redis;
  readonly keyspace: Keyspace;
  readonly vocabulary: Pick<Vocabulary, "properties">;
  readonly places: PlacesPort;
}

export interface Centre {
  readonly samples: Samples;
  /** Absent while it is switched off. */
  readonly http: CentrePort | undefined;
}

/** A page on a desk and one on a phone per session, a guardian beside a child, and a small number in all. */
const LOOKING_ON = {
  maxWatchers: 32,
  maxPerSession: 2,
  maxPerPerson: 4,
  maxMs: 10 * 60_000,
  everyMs: 250,
  confirmEveryMs: 5_000,
};

export function createCentre({ config, keys, redis, keyspace, vocabulary, places }: CentreDeps): Centre {
  const { enabled, linkSeconds, sessionMinutes, sessionMaxMinutes, publicUrl } = config.centre;
  const samples = new Samples(LOOKING_ON);
  const http: CentrePort = {
    links: new Seal(keys.token, "privacy centre link"),
    sessions: new Seal(keys.token, "privacy centre session"),
    spentLinks: new SpentLinks(redis, keyspace),
    leftSessions: new LeftSessions(redis, keyspace),
    samples,
    recordChanged: async (concerned) => {
      // A gateway that misses this message finds out at its next look, seconds later.
      await redis.publish(keyspace.recordChanged, concerned).catch(() => undefined);
      await samples.changed(concerned);
    },
    // Some may be added while the gateway runs.
    get properties() {
      return vocabulary.properties.map(plainly);
    },
    places,
    linkSeconds,
    sessionMinutes,
    sessionMaxMinutes,
    publicUrl: publicUrl === "" ? undefined : publicUrl,
  };
  return { samples, http: enabled ? http : undefined };
}
