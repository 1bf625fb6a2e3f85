/**
 * Every Redis key the gateway writes, in one table. Names are made of keyed hashes only.
 * All keys of one subject share the hash tag `{subjectTag}`, so each Lua call stays in one slot.
 */
import type { DeviceKey, SubjectTag } from "../model/ids.ts";

export interface RedisKeys {
  /** Prefix of the BullMQ queue; the braces keep its keys in one cluster slot. */
  readonly queuePrefix: string;
  readonly queueName: string;
  /** Hash: `mac` (HMAC of the token), `tag` (subject tag, absent while unbound). */
  credential(device: DeviceKey): string;
  /** String: the materialised decision, see consent/decision-record.ts. */
  decision(subject: SubjectTag, device: DeviceKey): string;
  /** List of consent events, oldest first, each holding the hash of the one before. */
  ledger(subject: SubjectTag): string;
  /** Hash: `head` (hash of the last event), `fence`, `key` (wrapped subject key). */
  subject(subject: SubjectTag): string;
  /** Set of device keys bound to the subject. */
  devices(subject: SubjectTag): string;
  /** Hash version → document JSON. */
  readonly policies: string;
  /** String: policy floors, one number per purpose joined by commas. */
  readonly policyFloors: string;
  /** Sorted set of leases under which workers write; score = Unix ms when the lease ends. */
  readonly leases: string;
  /** Set: subject tags and device keys whose writes a lease beyond its term stands for. */
  keptLease(lease: string): string;
  /** Hash id → sealed dead letter; and its index by device. */
  readonly deadLetters: string;
  deadLettersOf(device: DeviceKey): string;
  /** Pub/sub channel: device keys whose sessions must end. */
  readonly sessionEnd: string;
}

export function redisKeys(prefix: string): RedisKeys {
  return {
    queuePrefix: `{${prefix}:queue}`,
    queueName: "batches",
    credential: (device) => `${prefix}:credential:${device}`,
    decision: (subject, device) => `${prefix}:{${subject}}:decision:${device}`,
    ledger: (subject) => `${prefix}:{${subject}}:ledger`,
    subject: (subject) => `${prefix}:{${subject}}:subject`,
    devices: (subject) => `${prefix}:{${subject}}:devices`,
    policies: `${prefix}:policies`,
    policyFloors: `${prefix}:policy-floors`,
    leases: `${prefix}:leases`,
    keptLease: (lease) => `${prefix}:leases:${lease}`,
    deadLetters: `{${prefix}:queue}:dead-letters`,
    deadLettersOf: (device) => `{${prefix}:queue}:dead-letters:${device}`,
    sessionEnd: `${prefix}:session-end`,
  };
}
