/** Wires the named tokens of the HTTP interface, and says at start which token opens what it should not. */
import type { Part } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import { TokenDirectory } from "../tokens/directory.ts";
import type { Base } from "./base.ts";

/** Well within the time for which what is known counts. */
const POLL_MS = 1_000;

export interface Tokens {
  readonly directory: TokenDirectory;
  readonly part: Part;
  /** A command has changed one, or may have. */
  changed(): void;
}

export function createTokens({ config, keys, redis, keyspace, log }: Base): Tokens {
  const ports = { log, now: Date.now, elapsed: () => performance.now() };
  const directory = new TokenDirectory(redis.store, keyspace, keys.token, ports);
  const periodic = new Periodic([{ name: "tokens", everyMs: POLL_MS, run: () => directory.refresh() }], log);
  return {
    directory,
    part: {
      name: "tokens",
      start: async () => {
        await directory.refresh();
        periodic.start();
        if (config.http.token !== undefined)
          log.warn("http token opens every route; replace it by named ones (npm run tokens)");
        else if (directory.size === 0)
          log.warn("no token opens the HTTP interface; make one with npm run tokens -- create");
      },
      stop: () => periodic.stop(),
    },
    changed: () => void directory.refresh().catch(() => log.warn("changes of tokens not read, will be retried")),
  };
}
