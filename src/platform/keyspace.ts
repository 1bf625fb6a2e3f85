/**
 * Every name the gateway uses in Redis, in one table. Names contain keyed hashes only, and cells that services are told of. All
 * names of one subject share the hash tag `{subjectTag}`, so that a Lua call about a subject stays in one cluster slot.
 */
import type { CellId, DeviceKey, SubjectTag } from "../model/ids.ts";

export interface Keyspace {
  /** Prefix of the BullMQ queue; the braces keep its names in one cluster slot. */
  readonly queuePrefix: string;
  readonly queueName: string;
  /** Second queue without a worker: a write to it shows that Redis accepts writes. */
  readonly probeQueueName: string;
  /** Third queue without a worker: what is put into it makes a refusal take as long as an acceptance, and is taken away. */
  readonly coverQueueName: string;
  /**
   * Hash: `mac` (HMAC of the token), `number` (of the token: grows with each one issued and each one ended), `owner`
   * (subject tag whose token it is; absent before the first binding), `tag` (subject tag, absent while unbound), `holder`
   * (the gateway it was connected to last), `dialect`, `alias` and `presence` (how it speaks); while the device changes hands
   * `claim`, `target` and `from` (who moves it, to whom, from whom), see consent/ledger/device-claim.ts; as a hub or behind
   * one, see consent/registration.ts.
   */
  credential(device: DeviceKey): string;
  /** Hash MAC of an alias → device key of the child of this hub; and a `mark`, see consent/children.ts. */
  children(hub: DeviceKey): string;
  /** String: the materialised decision, see consent/decision/record.ts. */
  decision(subject: SubjectTag, device: DeviceKey): string;
  /** List of consent events, oldest first, each holding the hash of the one before. */
  ledger(subject: SubjectTag): string;
  /**
   * Hash: `head` (hash of the last event), `fence`, `key` (wrapped subject key), `erasure` (id of the latest request).
   */
  subject(subject: SubjectTag): string;
  /** Set of device keys bound to the subject. */
  devices(subject: SubjectTag): string;
  /** Hash version → document JSON. */
  readonly policies: string;
  /** String: policy floors, one number per purpose, and those that take effect later; see consent/policy/floors.ts. */
  readonly policyFloors: string;
  /**
   * Hash purpose → number of devices whose consent to it a newer policy suspends; and the floors recorded in all
   * ledgers.
   */
  readonly devicesSuspended: string;
  /** Sorted set of leases under which workers write; score = Unix ms when the lease ends. */
  readonly leases: string;
  /** Set: subject tags and device keys concerned by a lease that is kept beyond its term. */
  keptLease(lease: string): string;
  /** List: jobs of a gateway, by the origin in their ids, that another gateway completed; expires. */
  handedOver(origin: string): string;
  /** Hash id → sealed dead letter; their total bytes; and for each subject a hash id → device key. */
  readonly deadLetters: string;
  readonly deadLetterBytes: string;
  deadLettersOf(subject: SubjectTag): string;
  /** String: a process is putting this letter back into the queue; expires. */
  deadLetterClaim(id: string): string;
  /** Pub/sub channel: device keys whose sessions must end. */
  readonly sessionEnd: string;
  /** Pub/sub channel: device keys of hubs with other children than before. */
  readonly childrenChanged: string;
  /** Pub/sub channel: policy versions as they are published. */
  readonly policyPublished: string;
  /** Pub/sub channel: the number of changes to the services, as each is made. */
  readonly servicesChanged: string;
  /** Hash name → entry of a registered service, see services/entry-text.ts; and how often any of them was changed. */
  readonly services: string;
  readonly serviceChanges: string;
  /** Pub/sub channel: the number of changes to the named tokens of the HTTP interface, as each is made. */
  readonly tokensChanged: string;
  /** Hash name → scopes and keyed digests of a named token, see tokens/token-text.ts; and how often any of them was changed. */
  readonly tokens: string;
  readonly tokenChanges: string;
  /** Hash: an erasure, open or completed, see rights/erasure/record.ts. */
  erasure(subject: SubjectTag, id: string): string;
  /** Prefix and name of the BullMQ queue of erasures. */
  readonly erasureQueuePrefix: string;
  readonly erasureQueueName: string;
  /** Hash: erasure id → subject tag. */
  readonly erasureIndex: string;
  /** Set: ids of incomplete erasures. */
  readonly openErasures: string;
  /** Hash: subject tag → JSON of the latest erasure request; replayed after a restore, before anything is served. */
  readonly tombstones: string;
  /** Set: every epoch length, in ms, ever used for pseudonyms. */
  readonly epochLengths: string;
  /** Set: every clock window that admission ever had, `<past>:<future>` in ms. */
  readonly clockWindows: string;
  /** Sorted set with one member: score = the latest Unix ms shown by the clock of any gateway. */
  readonly latestMoment: string;
  /** Hash: public receipt key, as the `x` of its JWK → MAC; see rights/receipts/keys.ts. */
  readonly receiptKeys: string;
  /** String: unique mark of the last key deleted since the append-only file was rewritten for that reason. */
  readonly keyRemnants: string;
  /** BullMQ queue of work that recurs over days. */
  readonly upkeepQueuePrefix: string;
  readonly upkeepQueueName: string;
  /** Hash reference → hold that one approver proposed and no second one has confirmed yet. */
  holdProposals(subject: SubjectTag): string;
  /** Sorted set of subjects under a legal hold; score = Unix ms when the last of their holds ends. */
  readonly heldSubjects: string;
  /** List of audit lines, oldest first; and the seal that states where the list begins and ends. */
  readonly auditLines: string;
  readonly auditSeal: string;
  /** Sorted set of live gateways, score = Unix ms when their report expires; and hash id → the keys they hold. */
  readonly gateways: string;
  readonly gatewayReports: string;
  /** String: the installation this Redis belongs to, see rights/backup/installation.ts. */
  readonly installation: string;
  /**
   * String: a restore that is running or was interrupted; and the number of completed ones. In one slot with
   * `gateways`.
   */
  readonly restoring: string;
  readonly restores: string;
  /** String: the number of what is stored here, see platform/schema.ts. In one slot with `gateways`. */
  readonly schema: string;
  /** String: where versions without that number look for a restore in progress. It stands forever, so that none of them runs here. */
  readonly barrier: string;
  /** Hash: every name a property of `status` ever had here → its kind. */
  readonly properties: string;
  /** String: the gateway that is taking a backup; expires. */
  readonly backupTurn: string;
  /**
   * Sorted set of subjects whose key was destroyed, score = Unix ms by the clock of Redis; archives must lose it too.
   */
  readonly erasedKeys: string;
  /** Hash: recipients of the subject's data, see rights/access/disclosures.ts; and the totals of all subjects. */
  disclosures(subject: SubjectTag): string;
  readonly disclosureTotals: string;
  /** Number of the last call by which a gateway added counts to these; expires. */
  disclosureWriter(writer: string): string;
  /** Sorted set: sealed names under which something of the subject went to a service, see rights/erasure/forwarded-names.ts; expires. */
  forwardedNames(subject: SubjectTag): string;
  /** String: Unix ms since when every name that went to a service has been noted there. */
  readonly forwardedSince: string;
  /** Sorted set: what waits for its digest, score = Unix ms at which one leaves; see rights/erasure/digests.ts. */
  readonly digestPool: string;
  /** Hashes by id of a digest: what it is, and the sealed names in it. */
  readonly digests: string;
  readonly digestNames: string;
  /** String: random number of a used link to the privacy centre; expires with the link. */
  spentLink(nonce: string): string;
  /** String: random number of a privacy-centre session that was left; expires with the session. */
  leftSession(id: string): string;
  /**
   * Hash: keyed hash of an Idempotency-Key → keyed hash of the request, and the sealed answer; and when each expires.
   */
  readonly keptAnswers: string;
  readonly keptAnswerEnds: string;
  /** Pub/sub channel: subject tags and device keys whose watchers must be checked again. */
  readonly recordChanged: string;
  /** Hash subject tag and device key → sealed record of the device's place, see platform/sealed-records.ts. */
  readonly places: string;
  /** Hash subject tag and device key → begin of the epoch of a place that was sent to the store and not answered for yet. */
  readonly placesUnderWay: string;
  /** String: the gateway that writes places now; expires. And the number of the last step in which that was done. */
  readonly placeTurn: string;
  readonly placeStep: string;
  /** Hash subject tag and device key → sealed record of what network services may hear, see platform/sealed-records.ts. */
  readonly network: string;
  /** String: the gateway that tells network services now; expires. And the number of the last step in which that was done. */
  readonly networkTurn: string;
  readonly networkStep: string;
  /** Hash subject tag and device key → sealed record of the device's last scene, see platform/sealed-records.ts. */
  readonly scenes: string;
  /** String: the gateway that takes out those that are too old; expires. And the number of the last step in which that was done. */
  readonly sceneTurn: string;
  readonly sceneStep: string;
  /** String: the sealed key of a UTC day (days since 1970), see crowds/day-keys.ts. */
  dayKey(day: number): string;
  /** Who was counted in a window of `cell_activity` (Unix ms of its start), see crowds/counts.ts; deleted once it is told. */
  crowdWindow(start: number): string;
  /** Set: who was counted in which cell on a day; hash: how many people in each; set: the cells told on it. */
  crowdDay(day: number): string;
  crowdDayCells(day: number): string;
  crowdToldCells(day: number): string;
  /** Hash: what the last window told of each cell, in whole tens of people, for the operator's console; expires. */
  readonly crowdToldPeople: string;
  /** Hash: `closed` and `told`, the starts of the last window closed and told; and the gateway whose turn it is to tell; expires. */
  readonly crowdProgress: string;
  readonly crowdTurn: string;
  /** Hash: readings that wait for the end of their step (Unix ms of its start), see crowds/readings.ts; expires, and is deleted once told. */
  weatherStep(start: number): string;
  /** The same two for the weather. */
  readonly weatherProgress: string;
  readonly weatherTurn: string;
  /** Sorted set of cells that weather services were told of; score = Unix ms until which they may forecast them. */
  readonly forecastCells: string;
  /** String: the newest forecast for a cell, see forecasts/kept-forecasts.ts; expires. */
  forecast(cell: CellId): string;
  /** Pub/sub channel: cells with a new forecast. */
  readonly forecastKept: string;
  /** Hash: keyed hash of a cell → the weather told of it last, sealed, see crowds/last-weather.ts; expires. */
  readonly weatherLast: string;
}

const DECISION = /\{([A-Za-z0-9_-]{22})\}:decision:/;

/** The subject of a decision's name; `undefined` for any other name. */
export function subjectOfDecision(name: string): SubjectTag | undefined {
  return DECISION.exec(name)?.[1] as SubjectTag | undefined;
}

export function keyspaceOf(prefix: string): Keyspace {
  return {
    queuePrefix: `{${prefix}:queue}`,
    queueName: "batches",
    probeQueueName: "probe",
    coverQueueName: "cover",
    credential: (device) => `${prefix}:credential:${device}`,
    children: (hub) => `${prefix}:children:${hub}`,
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
    childrenChanged: `${prefix}:children-changed`,
    policyPublished: `${prefix}:policy-published`,
    servicesChanged: `${prefix}:services-changed`,
    services: `{${prefix}:services}:entries`,
    serviceChanges: `{${prefix}:services}:changes`,
    tokensChanged: `${prefix}:tokens-changed`,
    tokens: `{${prefix}:tokens}:entries`,
    tokenChanges: `{${prefix}:tokens}:changes`,
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
    forwardedNames: (subject) => `${prefix}:{${subject}}:forwarded-names`,
    forwardedSince: `${prefix}:forwarded-since`,
    digestPool: `{${prefix}:erasures}:digest-pool`,
    digests: `{${prefix}:erasures}:digests`,
    digestNames: `{${prefix}:erasures}:digest-names`,
    spentLink: (nonce) => `${prefix}:spent-link:${nonce}`,
    leftSession: (id) => `${prefix}:left-session:${id}`,
    keptAnswers: `{${prefix}:kept-answers}:answers`,
    keptAnswerEnds: `{${prefix}:kept-answers}:ends`,
    recordChanged: `${prefix}:record-changed`,
    places: `{${prefix}:places}:records`,
    placesUnderWay: `{${prefix}:places}:under-way`,
    placeTurn: `{${prefix}:places}:turn`,
    placeStep: `{${prefix}:places}:step`,
    network: `{${prefix}:network}:records`,
    networkTurn: `{${prefix}:network}:turn`,
    networkStep: `{${prefix}:network}:step`,
    scenes: `{${prefix}:scenes}:records`,
    sceneTurn: `{${prefix}:scenes}:turn`,
    sceneStep: `{${prefix}:scenes}:step`,
    dayKey: (day) => `{${prefix}:crowds}:key:${day}`,
    crowdWindow: (start) => `{${prefix}:crowds}:window:${start}`,
    crowdDay: (day) => `{${prefix}:crowds}:day:${day}`,
    crowdDayCells: (day) => `{${prefix}:crowds}:day-cells:${day}`,
    crowdToldCells: (day) => `{${prefix}:crowds}:told-cells:${day}`,
    crowdToldPeople: `{${prefix}:crowds}:told-people`,
    crowdProgress: `{${prefix}:crowds}:progress`,
    crowdTurn: `{${prefix}:crowds}:turn`,
    weatherStep: (start) => `{${prefix}:crowds}:weather:${start}`,
    weatherProgress: `{${prefix}:crowds}:weather-progress`,
    weatherTurn: `{${prefix}:crowds}:weather-turn`,
    forecastCells: `{${prefix}:forecasts}:cells`,
    forecast: (cell) => `{${prefix}:forecasts}:newest:${cell}`,
    forecastKept: `${prefix}:forecast-kept`,
    weatherLast: `{${prefix}:crowds}:weather-last`,
  };
}
