/** The arguments that nearly every part needs. */
import type { Config } from "../config/schema.ts";
import type { Dialects } from "../dialects/dialects.ts";
import type { Log } from "../model/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Keys } from "../platform/keys/files.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import type { Vocabulary } from "../vocabulary/vocabulary.ts";
import type { Connections } from "./connections.ts";

export interface Base {
  readonly config: Config;
  readonly keys: Keys;
  readonly redis: Connections;
  readonly keyspace: Keyspace;
  readonly metrics: Metrics;
  readonly log: Log;
  /** What `status` may say: the table and the operator's own properties. */
  readonly vocabulary: Vocabulary;
  /** How real devices say it. */
  readonly dialects: Dialects;
}
