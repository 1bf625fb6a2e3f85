/** Wires what is kept of answers for requests that come again under the same Idempotency-Key. */
import { KeptAnswers } from "../rights/kept-answers.ts";
import type { Base } from "./base.ts";

const HOUR_MS = 3_600_000;
/** Beyond the longest time in which a request is answered. */
const CLAIM_MS = 60_000;

export function createKeptAnswers({ config, keys, redis, keyspace }: Base): KeptAnswers {
  return new KeptAnswers(redis.store, keyspace, keys.token, {
    maxAnswers: config.http.keptAnswers,
    keepMs: config.http.keptAnswerHours * HOUR_MS,
    claimMs: CLAIM_MS,
  });
}
