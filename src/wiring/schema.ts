/** Wires what is found out before anything else is read or written: that what is stored was stored by a version like this. */
import { rememberProperties } from "../platform/known-properties.ts";
import type { Part } from "../platform/lifecycle.ts";
import { claimSchema } from "../platform/schema.ts";
import { holdsInstallation } from "../rights/backup/installation.ts";
import type { Base } from "./base.ts";

export function createSchema({ redis, keyspace, vocabulary }: Pick<Base, "redis" | "keyspace" | "vocabulary">): Part {
  return {
    name: "schema",
    start: async () => {
      await claimSchema(redis.store, keyspace, await holdsInstallation(redis.store, keyspace));
      await rememberProperties(redis.store, keyspace, vocabulary.properties);
    },
    stop: () => undefined,
  };
}
