/** Which audit log remains after a restore: the existing one, if it continues the restored one. */
import type { Redis } from "ioredis";
import type { Keyspace } from "../../platform/keyspace.ts";
import { hashLine, openSeal } from "../audit/chain.ts";

/** Whether the existing log contains everything that the staged log contains. */
export async function auditSurvives(
  redis: Redis,
  keyspace: Keyspace,
  waitingSeal: string,
  auditKeys: readonly Buffer[],
): Promise<boolean> {
  const seals = await Promise.all([keyspace.auditSeal, waitingSeal].map((name) => redis.get(name)));
  const [here, waiting] = seals.map((text) => (text === null ? undefined : openSeal(text, auditKeys)));
  if (here === undefined || waiting === undefined) return here !== undefined;
  if (waiting.next > here.next) return false;
  // Trimmed since: only its seal shows what came before, and the seal cannot be forged without the key.
  if (waiting.next <= here.first) return waiting.next < here.first || waiting.head === here.base;
  const line = await redis.lindex(keyspace.auditLines, waiting.next - 1 - here.first);
  return line !== null && hashLine(line) === waiting.head;
}
