/** Wires the stored answers to requests that are repeated under the same Idempotency-Key. */
import { KeptAnswers } from "../rights/kept-answers.ts";
import type { Base } from "./base.ts";

const HOUR_MS = 3_600_000;
/** More than the longest time in which a request is answered. */
const CLAIM_MS = 60_000;

export function createKeptAnswers({ config, keys, redis, keyspace }: Base): KeptAnswers {
  return new KeptAnswers(redis.store, keyspace, keys.token, {
    maxAnswers: config.http.keptAnswers,
    keepMs: config.http.keptAnswerHours * HOUR_MS,
    claimMs: CLAIM_MS,
  });
}
