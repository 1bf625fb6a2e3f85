/**
 * Every Redis key the gateway writes, in one table. Names are made of keyed hashes only.
 * All keys of one subject share the hash tag `{subjectTag}`, so that a Lua call about a subject stays in one slot.
 */
import type { DeviceKey, SubjectTag } from "../model/ids.ts";

export interface Keyspace {
  /** Prefix of the BullMQ queue; the braces keep its keys in one cluster slot. */
  readonly queuePrefix: string;
  readonly queueName: string;
  /** Queue beside it that nobody works on: what is written there shows that Redis writes. */
  readonly probeQueueName: string;
  /**
   * Hash: `mac` (HMAC of the token), `number` (of the token: grows with each one issued and each one ended), `owner`
   * (subject tag whose token it is; absent before the first binding), `tag` (subject tag, absent while unbound), `holder`
   * (the gateway it was connected to last); while the device changes hands
   * `claim`, `target` and `from` (who moves it, to whom, from whom), see consent/ledger/device-claim.ts.
   */
  credential(device: DeviceKey): string;
  /** String: the materialised decision, see consent/decision/record.ts. */
  decision(subject: SubjectTag, device: DeviceKey): string;
  /** List of consent events, oldest first, each holding the hash of the one before. */
  ledger(subject: SubjectTag): string;
  /** Hash: `head` (hash of the last event), `fence`, `key` (wrapped subject key), `erasure` (id of the latest asked for). */
  subject(subject: SubjectTag): string;
  /** Set of device keys bound to the subject. */
  devices(subject: SubjectTag): string;
  /** Hash version → document JSON. */
  readonly policies: string;
  /** String: policy floors, one number per purpose, and those that rise at a time; see consent/policy/floors.ts. */
  readonly policyFloors: string;
  /** Hash purpose → number of devices whose consent to it a newer policy suspends; and the floors of which ledgers tell. */
  readonly devicesSuspended: string;
  /** Sorted set of leases under which workers write; score = Unix ms when the lease ends. */
  readonly leases: string;
  /** Set: subject tags and device keys whose writes a lease beyond its term stands for. */
  keptLease(lease: string): string;
  /** List: jobs of a gateway, by the origin in their ids, that another one has settled; ends by itself. */
  handedOver(origin: string): string;
  /** Hash id → sealed dead letter; how many bytes they take; and of each subject a hash id → device key. */
  readonly deadLetters: string;
  readonly deadLetterBytes: string;
  deadLettersOf(subject: SubjectTag): string;
  /** String: somebody is putting this letter back into the queue; ends by itself. */
  deadLetterClaim(id: string): string;
  /** Pub/sub channel: device keys whose sessions must end. */
  readonly sessionEnd: string;
  /** Pub/sub channel: numbers of policy versions as they are published. */
  readonly policyPublished: string;
  /** Hash: one erasure on its way and after it, see rights/erasure/record.ts. */
  erasure(subject: SubjectTag, id: string): string;
  /** Prefix and name of the BullMQ queue of erasures. */
  readonly erasureQueuePrefix: string;
  readonly erasureQueueName: string;
  /** Hash: erasure id → subject tag. */
  readonly erasureIndex: string;
  /** Set: ids of erasures not finished. */
  readonly openErasures: string;
  /** Hash: subject tag → JSON of the latest erasure asked for; replayed after a restore, before anything is served. */
  readonly tombstones: string;
  /** Set: every epoch length, in ms, that pseudonyms were ever made with. */
  readonly epochLengths: string;
  /** Set: every clock window that admission ever had, `<past>:<future>` in ms. */
  readonly clockWindows: string;
  /** Sorted set of one: score = the latest Unix ms that the clock of any gateway ever showed. */
  readonly latestMoment: string;
  /** Hash: public key of receipts, as the `x` of its JWK → MAC; see rights/receipts/keys.ts. */
  readonly receiptKeys: string;
  /** String: mark of the last key deleted since the append-only file was rewritten on its account; never the same twice. */
  readonly keyRemnants: string;
  /** BullMQ queue of what recurs over days. */
  readonly upkeepQueuePrefix: string;
  readonly upkeepQueueName: string;
  /** Hash reference → hold that one approver has placed and a second one has not confirmed yet. */
  holdProposals(subject: SubjectTag): string;
  /** Sorted set of subjects under a legal hold; score = Unix ms when the last of their holds ends. */
  readonly heldSubjects: string;
  /** List of audit lines, oldest first; and the seal that says where the list begins and ends. */
  readonly auditLines: string;
  readonly auditSeal: string;
  /** Sorted set of live gateways, score = Unix ms when their word runs out; and hash id → which keys they hold. */
  readonly gateways: string;
  readonly gatewayReports: string;
  /** String: the installation this Redis belongs to, see rights/backup/installation.ts. */
  readonly installation: string;
  /** String: a restore that is under way or was broken off; and how many have ended. In one slot with `gateways`. */
  readonly restoring: string;
  readonly restores: string;
  /** String: the number of what is stored here, see platform/schema.ts. In one slot with `gateways`. */
  readonly schema: string;
  /** String: where versions without that number look for a restore under way. It stands for ever, so that none of them runs here. */
  readonly barrier: string;
  /** Hash: every name a property of `status` ever had here → its kind. */
  readonly properties: string;
  /** String: the gateway that is taking a backup; ends by itself. */
  readonly backupTurn: string;
  /** Sorted set of subjects whose key was destroyed, score = Unix ms by the clock of Redis; archives must lose it too. */
  readonly erasedKeys: string;
  /** Hash: who was given data of the subject, see rights/access/disclosures.ts; and the same of all subjects together. */
  disclosures(subject: SubjectTag): string;
  readonly disclosureTotals: string;
  /** Number of the last call with which a gateway has added counts to these; ends by itself. */
  disclosureWriter(writer: string): string;
  /** String: a link to the privacy centre that was used, under its random number; ends with the link. */
  spentLink(nonce: string): string;
  /** String: a session of the privacy centre that was left, under its random number; ends with the session. */
  leftSession(id: string): string;
  /** Hash: keyed hash of an Idempotency-Key → what was asked under it, as a keyed hash, and the answer, sealed; and when each ends. */
  readonly keptAnswers: string;
  readonly keptAnswerEnds: string;
  /** Pub/sub channel: subject tags and device keys whose watchers must show that they still may. */
  readonly recordChanged: string;
}

const DECISION = /\{([A-Za-z0-9_-]{22})\}:decision:/;

/** Whose decision a key holds; `undefined` for any other key. */
export function subjectOfDecision(name: string): SubjectTag | undefined {
  return DECISION.exec(name)?.[1] as SubjectTag | undefined;
}

export function keyspaceOf(prefix: string): Keyspace {
  return {
    queuePrefix: `{${prefix}:queue}`,
    queueName: "batches",
    probeQueueName: "probe",
    credential: (device) => `${prefix}:credential:${device}`,
    decision: (subject, device) => `${prefix}:{${subject}}:decision:${device}`,
    ledger: (subject) => `${prefix}:{${subject}}:ledger`,
    subject: (subject) => `${prefix}:{${subject}}:subject`,
    devices: (subject) => `${prefix}:{${subject}}:devices`,
    policies: `${prefix}:policies`,
    policyFloors: `${prefix}:policy-floors`,
    devicesSuspended: `${prefix}:devices-suspended`,
    leases: `${prefix}:leases`,
    keptLease: (lease) => `${prefix}:leases:${lease}`,
    deadLetters: `{${prefix}:queue}:dead-letters`,
    deadLetterBytes: `{${prefix}:queue}:dead-letter-bytes`,
    deadLettersOf: (subject) => `{${prefix}:queue}:dead-letters:${subject}`,
    deadLetterClaim: (id) => `{${prefix}:queue}:dead-letter-claim:${id}`,
    handedOver: (origin) => `{${prefix}:queue}:handed-over:${origin}`,
    sessionEnd: `${prefix}:session-end`,
    policyPublished: `${prefix}:policy-published`,
    erasure: (subject, id) => `${prefix}:{${subject}}:erasure:${id}`,
    erasureQueuePrefix: `{${prefix}:erasures}`,
    erasureQueueName: "runs",
    erasureIndex: `{${prefix}:erasures}:index`,
    openErasures: `{${prefix}:erasures}:open`,
    tombstones: `${prefix}:tombstones`,
    receiptKeys: `${prefix}:receipt-keys`,
    keyRemnants: `${prefix}:key-remnants`,
    epochLengths: `${prefix}:epoch-lengths`,
    clockWindows: `${prefix}:clock-windows`,
    latestMoment: `${prefix}:latest-moment`,
    upkeepQueuePrefix: `{${prefix}:upkeep}`,
    upkeepQueueName: "upkeep",
    holdProposals: (subject) => `${prefix}:{${subject}}:hold-proposals`,
    heldSubjects: `${prefix}:held-subjects`,
    auditLines: `{${prefix}:audit}:lines`,
    auditSeal: `{${prefix}:audit}:seal`,
    gateways: `{${prefix}:gateways}`,
    gatewayReports: `{${prefix}:gateways}:reports`,
    installation: `${prefix}:installation`,
    restoring: `{${prefix}:gateways}:restore`,
    restores: `{${prefix}:gateways}:restores`,
    schema: `{${prefix}:gateways}:schema`,
    barrier: `{${prefix}:gateways}:restoring`,
    properties: `${prefix}:properties`,
    backupTurn: `${prefix}:backup-turn`,
    erasedKeys: `${prefix}:erased-keys`,
    disclosures: (subject) => `${prefix}:{${subject}}:disclosures`,
    disclosureTotals: `${prefix}:disclosure-totals`,
    disclosureWriter: (writer) => `${prefix}:disclosure-writer:${writer}`,
    spentLink: (nonce) => `${prefix}:spent-link:${nonce}`,
    leftSession: (id) => `${prefix}:left-session:${id}`,
    keptAnswers: `{${prefix}:kept-answers}:answers`,
    keptAnswerEnds: `{${prefix}:kept-answers}:ends`,
    recordChanged: `${prefix}:record-changed`,
  };
}
