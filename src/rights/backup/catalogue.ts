/**
 * Which Redis values go into a backup: one decision for each name of the keyspace. A new name does not compile until it
 * is listed here.
 */
import type { Keyspace } from "../../platform/keyspace.ts";

/**
 * `subject`, `credential`: saved in their own records. `shared`: saved unchanged. `derived`: recomputed from what is
 * saved. `passing`: not saved; the queue and the dead letters hold sealed raw messages, and a copy of those would
 * outlive every withdrawal.
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
  children: "derived",
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
  services: "shared",
  serviceChanges: "shared",
  queuePrefix: "passing",
  queueName: "passing",
  probeQueueName: "passing",
  coverQueueName: "passing",
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
  childrenChanged: "passing",
  policyPublished: "passing",
  servicesChanged: "passing",
  // An archive must not bring a revoked one back; and a restore ends them all, since Redis itself may have been put back.
  tokensChanged: "passing",
  tokens: "passing",
  tokenChanges: "passing",
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
  // A copy of the names would outlive their epoch. After a restore they are worked out, as before they were noted.
  forwardedNames: "passing",
  forwardedSince: "passing",
  // Made again by each erasure that is not complete.
  digestPool: "passing",
  digests: "passing",
  digestNames: "passing",
  spentLink: "passing",
  leftSession: "passing",
  keptAnswers: "passing",
  keptAnswerEnds: "passing",
  recordChanged: "passing",
  places: "passing",
  placesUnderWay: "passing",
  placeTurn: "passing",
  placeStep: "passing",
  network: "passing",
  networkTurn: "passing",
  networkStep: "passing",
  // What is current is not so after a restore any more; devices say it again.
  scenes: "passing",
  sceneTurn: "passing",
  sceneStep: "passing",
  // A copy of a day's key would outlive the day.
  dayKey: "passing",
  crowdWindow: "passing",
  crowdDay: "passing",
  crowdDayCells: "passing",
  crowdToldCells: "passing",
  crowdToldPeople: "passing",
  crowdProgress: "passing",
  crowdTurn: "passing",
  weatherStep: "passing",
  weatherProgress: "passing",
  weatherTurn: "passing",
  // The next step tells them again, and the next forecast is the newest.
  forecastCells: "passing",
  forecast: "passing",
  forecastKept: "passing",
  weatherLast: "passing",
} as const satisfies Record<keyof Keyspace, Place>;

export type SharedName = {
  [Name in keyof typeof CATALOGUE]: (typeof CATALOGUE)[Name] extends "shared" ? Name : never;
}[keyof typeof CATALOGUE];

export const SHARED_NAMES = (Object.keys(CATALOGUE) as (keyof typeof CATALOGUE)[]).filter(
  (name): name is SharedName => CATALOGUE[name] === "shared",
);

/**
 * Kept through a restore and merged with what is restored: erased data stay erased, stored rows are found under their
 * names, and signatures can be verified.
 */
export const UNITED: ReadonlySet<SharedName> = new Set<SharedName>([
  "tombstones",
  "erasedKeys",
  "epochLengths",
  "clockWindows",
  "receiptKeys",
  "properties",
]);
