/**
 * What of Redis goes into a backup, one decision for each name of the key table. A new name does not
 * compile until it stands here.
 */
import type { Keyspace } from "../../platform/keyspace.ts";

/**
 * `subject`, `credential`: kept, through their own records. `shared`: kept as it is. `derived`: made anew
 * from what is kept. `passing`: gone with the moment; the queue and what was set aside are raw messages,
 * sealed, and a copy of those would outlive every withdrawal.
 */
type Place = "subject" | "credential" | "shared" | "derived" | "passing";

export const CATALOGUE = {
  credential: "credential",
  ledger: "subject",
  subject: "subject",
  erasure: "subject",
  disclosures: "subject",
  decision: "derived",
  devices: "derived",
  devicesSuspended: "derived",
  policies: "shared",
  policyFloors: "shared",
  tombstones: "shared",
  erasureIndex: "shared",
  openErasures: "shared",
  erasedKeys: "shared",
  epochLengths: "shared",
  clockWindows: "shared",
  latestMoment: "shared",
  receiptKeys: "shared",
  heldSubjects: "shared",
  auditLines: "shared",
  auditSeal: "shared",
  disclosureTotals: "shared",
  properties: "shared",
  queuePrefix: "passing",
  queueName: "passing",
  probeQueueName: "passing",
  erasureQueuePrefix: "passing",
  erasureQueueName: "passing",
  keyRemnants: "passing",
  leases: "passing",
  keptLease: "passing",
  deadLetters: "passing",
  deadLetterBytes: "passing",
  deadLettersOf: "passing",
  deadLetterClaim: "passing",
  handedOver: "passing",
  sessionEnd: "passing",
  policyPublished: "passing",
  gateways: "passing",
  gatewayReports: "passing",
  holdProposals: "passing",
  upkeepQueuePrefix: "passing",
  upkeepQueueName: "passing",
  installation: "passing",
  restoring: "passing",
  restores: "passing",
  schema: "passing",
  barrier: "passing",
  backupTurn: "passing",
  disclosureWriter: "passing",
  spentLink: "passing",
  leftSession: "passing",
  keptAnswers: "passing",
  keptAnswerEnds: "passing",
  recordChanged: "passing",
} as const satisfies Record<keyof Keyspace, Place>;

export type SharedName = {
  [Name in keyof typeof CATALOGUE]: (typeof CATALOGUE)[Name] extends "shared" ? Name : never;
}[keyof typeof CATALOGUE];

export const SHARED_NAMES = (Object.keys(CATALOGUE) as (keyof typeof CATALOGUE)[]).filter(
  (name): name is SharedName => CATALOGUE[name] === "shared",
);

/**
 * Kept over a restore as well as restored: what was erased once stays erased, what is stored is found under the
 * names it was stored under, and what was signed can be verified.
 */
export const UNITED: ReadonlySet<SharedName> = new Set<SharedName>([
  "tombstones",
  "erasedKeys",
  "epochLengths",
  "clockWindows",
  "receiptKeys",
  "properties",
]);
