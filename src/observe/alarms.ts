/**
 * The alarms of docs/operations.md, as one gateway sees them of itself: for the console, where no Prometheus runs. Names, severities,
 * words and times are those of deploy/prometheus/rules.yaml, and a test compares the two.
 */
import { SEVERITIES, type Severity } from "../model/console.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../model/durations.ts";
import type { SecurityEvent } from "../model/outcome.ts";
import type { LogAlarm } from "./log-alarms.ts";
import type { Metrics } from "./metrics.ts";
import { Sight } from "./sight.ts";

export interface AlarmRule {
  readonly rule: string;
  readonly severity: Severity;
  readonly summary: string;
  readonly holds: (see: Sight) => boolean;
  /** For so long it must have held. */
  readonly forMs: number;
}

export interface StandingAlarm extends Pick<AlarmRule, "rule" | "severity" | "summary"> {
  /** Unix ms. */
  readonly since: number;
}

const DAY_S = DAY_MS / 1_000;
const QUARTER_MS = 15 * MINUTE_MS;

/** What no gateway can see of itself, and why. */
export const NOT_SEEN_FROM_HERE: Readonly<Record<string, string>> = {
  ConsentryDown: "a gateway that is down shows no console",
};

export const ALARMS: readonly AlarmRule[] = [
  rule("ConsentryNotReady", "critical", "A gateway is not ready", (see) => see.least("ready") === 0, 2 * MINUTE_MS),
  rule("ConsentryDialectUnknown", "warning", "A token names a dialect that this gateway does not have", (see) =>
    all(
      logged(see, "dialect-unknown") > 0,
      see.increase("connectionsRefused", QUARTER_MS, { reason: "unavailable" }) > 0,
    ),
  ),
  rule("ConsentryHttpTokensGuessed", "warning", "Many HTTP requests with a wrong token", (see) =>
    any(
      see.increase("httpRefused", QUARTER_MS, { reason: "bad-token" }) > 20,
      see.increase("httpRefused", QUARTER_MS, { reason: "too-many-failures" }) > 0,
    ),
  ),
  rule(
    "ConsentryHttpScopeRefused",
    "warning",
    "A program asks over HTTP for what its token is not for",
    (see) => see.increase("httpRefused", QUARTER_MS, { reason: "no-scope" }) > 0,
  ),
  rule(
    "ConsentryTokenUnreadable",
    "critical",
    "A named token of the HTTP interface was changed from outside",
    (see) => logged(see, "token-unreadable") > 0,
  ),
  rule(
    "ConsentryClockDiffers",
    "critical",
    "The clock of a gateway and that of Redis differ",
    (see) => logged(see, "clock-differs", HOUR_MS) > 0,
  ),
  rule(
    "ConsentryClockBehind",
    "critical",
    "A clock was ahead for a while",
    (see) => logged(see, "clock-behind", HOUR_MS) > 0,
  ),
  rule(
    "ConsentryBackupOld",
    "critical",
    "The newest backup is older than planned",
    (see) => all(see.value("backupAge") > 1.5 * see.value("backupInterval"), see.value("backupInterval") > 0),
    10 * MINUTE_MS,
  ),
  rule("ConsentryCertificateExpires", "critical", "A certificate of MQTT over TLS ends within two weeks", (see) =>
    all(see.value("certificateExpires") > 0, see.value("certificateExpires") - Date.now() / 1_000 < 14 * DAY_S),
  ),
  rule(
    "ConsentryBooksOpen",
    "warning",
    "The books do not balance while nothing is received",
    (see) =>
      all(see.value("inFlight") > 100 + see.value("backlogMessages"), see.increase("received", 10 * MINUTE_MS) === 0),
    QUARTER_MS,
  ),
  rule(
    "ConsentrySubjectKeyUnreadable",
    "critical",
    "The master key does not open the keys of subjects",
    (see) => logged(see, "subject-key-unreadable") > 0,
  ),
  rule(
    "ConsentryStoreDenied",
    "critical",
    "The store rejects the gateway's credentials",
    (see) => see.increase("sinkFailures", 5 * MINUTE_MS, { code: "SINK_DENIED" }) > 0,
  ),
  rule(
    "ConsentryExportAborted",
    "warning",
    "An export was sent in part only",
    (see) => logged(see, "export-aborted") > 0,
  ),
  rule(
    "ConsentryPolicySuperseded",
    "info",
    "People have to be asked again",
    // Of ten people at least: a message that is refused says it of one.
    (see) => see.value("peopleToAsk") > 0,
  ),
  rule(
    "ConsentryLedgerBroken",
    "critical",
    "A consent record was changed from outside",
    (see) => logged(see, "ledger-broken") > 0,
  ),
  rule("ConsentryDamagedRecords", "critical", "A record of one person in Redis was changed or lost", (see) =>
    any(see.increase("damaged", HOUR_MS) > 0, see.value("backupDamaged") > 0),
  ),
  rule(
    "ConsentryWithdrawalSlow",
    "warning",
    "Withdrawals wait for slow writes",
    (see) => see.quantile("withdrawal", 0.99, QUARTER_MS) > 0.8 * see.value("lease"),
    10 * MINUTE_MS,
  ),
  rule("ConsentryErasureStuck", "critical", "An erasure cannot continue", (see) =>
    any(see.value("erasureOldest") > 3_600, logged(see, "erasure-waiting", HOUR_MS) > 0),
  ),
  rule("ConsentryErasureHeld", "info", "Legal holds stand", (see) =>
    any(see.value("erasuresOpen", { state: "held" }) > 0, see.value("holdOldest") > 0),
  ),
  rule(
    "ConsentryServiceUnanswered",
    "warning",
    "Services do not confirm that they have deleted the data",
    (see) => see.value("servicesUnanswered") > 0,
    DAY_MS,
  ),
  rule(
    "ConsentryErasureNoticesOverdue",
    "warning",
    "Names to forget have not left for services",
    (see) => see.value("erasureNoticesOverdue") > 60,
    MINUTE_MS,
  ),
  rule(
    "ConsentryErasureUnlinkable",
    "warning",
    "The store could not delete the rows of an erasure",
    (see) => see.increase("erasures", HOUR_MS, { outcome: "unlinkable" }) > 0,
  ),
  rule(
    "ConsentryAuditLate",
    "warning",
    "Audit lines could not be written at once",
    (see) => see.increase("auditLate", QUARTER_MS) > 0,
  ),
  rule(
    "ConsentryBacklogNearBound",
    "critical",
    "The queue is nearly full",
    (see) => see.value("backlogBytes") > 0.8 * see.value("backlogLimit"),
    5 * MINUTE_MS,
  ),
  rule(
    "ConsentryNotDurable",
    "critical",
    "Messages do not become durable in time",
    (see) => see.increase("refused", 5 * MINUTE_MS, { reason: "not-durable" }) > 0,
  ),
  rule(
    "ConsentryRedisNotWritable",
    "critical",
    "Redis answers but rejects writes",
    (see) => see.value("redisNotWritable") === 1,
    MINUTE_MS / 2,
  ),
  rule(
    "ConsentryDeadLetters",
    "warning",
    "There are dead letters",
    (see) => see.value("deadLetters") > 0,
    5 * MINUTE_MS,
  ),
  rule(
    "ConsentryDeadLettersNearBound",
    "critical",
    "Soon no dead letter can be added and batches wait",
    (see) => see.value("deadLetterBytes") > 0.8 * see.value("deadLetterLimit"),
    5 * MINUTE_MS,
  ),
  rule(
    "ConsentryBatchRetried",
    "warning",
    "The pipeline cannot process a batch",
    (see) => logged(see, "batch-retried") > 0,
  ),
  rule(
    "ConsentryBacklogOld",
    "critical",
    "Batches are not processed",
    (see) => see.value("backlogOldest") > 60,
    MINUTE_MS,
  ),
  rule(
    "ConsentryInvalidPayload",
    "warning",
    "Over one in a hundred messages breaks the contract",
    (see) =>
      see.increase("refused", QUARTER_MS, { reason: "invalid-payload" }) > 0.01 * see.increase("received", QUARTER_MS),
    QUARTER_MS,
  ),
  rule(
    "ConsentryAccountKey",
    "warning",
    "Telemetry contains keys that look like those of an account",
    (see) => secure(see, "account-key") > 0,
  ),
  rule("ConsentryTokensGuessed", "warning", "Many logins with a wrong token", (see) =>
    any(
      secure(see, "failed-login") > 100,
      see.increase("connectionsRefused", QUARTER_MS, { reason: "too-many-failures" }) > 0,
    ),
  ),
  rule("ConsentryForeignTopics", "warning", "A client tries to use topics of others", (see) =>
    any(secure(see, "foreign-topic") > 20, secure(see, "acl-denied") > 20),
  ),
  rule(
    "ConsentryTakeoversRefused",
    "warning",
    "Two programs use one credential",
    (see) => see.increase("connectionsRefused", QUARTER_MS, { reason: "too-many-takeovers" }) > 0,
  ),
  rule(
    "ConsentryTakeovers",
    "info",
    "Many devices reconnect while their old connection still counts",
    (see) => secure(see, "takeover") > 100,
    2 * QUARTER_MS,
  ),
  rule(
    "ConsentryProtocolViolations",
    "warning",
    "Clients violate the protocol after login",
    (see) => secure(see, "protocol") > 20,
  ),
  rule(
    "ConsentryForwardDropped",
    "warning",
    "A service reads too slowly and misses messages",
    (see) => see.increase("forwardDropped", QUARTER_MS) > 0,
  ),
  rule(
    "ConsentryServiceCutOff",
    "warning",
    "A service stopped reading and was disconnected",
    (see) => see.increase("servicesCutOff", QUARTER_MS) > 0,
  ),
  rule(
    "ConsentryServiceEnded",
    "info",
    "A service was removed or its token revoked",
    (see) => see.increase("servicesEnded", QUARTER_MS) > 0,
  ),
  rule(
    "ConsentryServiceUnreadable",
    "critical",
    "An entry of the registry of services was changed from outside",
    (see) => logged(see, "service-unreadable") > 0,
  ),
  rule(
    "ConsentryServiceConnections",
    "warning",
    "A service opens more connections than it may",
    (see) => see.increase("connectionsRefused", QUARTER_MS, { reason: "too-many-of-service" }) > 0,
  ),
  rule(
    "ConsentryServiceNotCovered",
    "warning",
    "The newest policy does not cover a service",
    (see) => see.value("servicesNotCovered") > 0,
    5 * MINUTE_MS,
  ),
  rule(
    "ConsentrySubscriptions",
    "warning",
    "A client subscribes to more topic filters than it may",
    (see) => secure(see, "too-many-subscriptions") > 0,
  ),
];

export class Alarms {
  readonly #sight: Sight;
  /** Since when each rule has held: Unix ms, and ms that never go back. */
  readonly #since = new Map<string, { readonly at: number; readonly elapsed: number }>();

  constructor(metrics: Pick<Metrics, "figure">) {
    this.#sight = new Sight(metrics);
  }

  /** Those that stand, the gravest first. To be called every few seconds. */
  look(now: number, elapsed: number): readonly StandingAlarm[] {
    this.#sight.look(elapsed);
    const standing: StandingAlarm[] = [];
    for (const { rule, severity, summary, holds, forMs } of ALARMS) {
      if (!holds(this.#sight)) {
        this.#since.delete(rule);
        continue;
      }
      const since = this.#since.get(rule) ?? { at: now, elapsed };
      this.#since.set(rule, since);
      if (elapsed - since.elapsed >= forMs) standing.push({ rule, severity, summary, since: since.at });
    }
    return standing.sort((one, other) => SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(other.severity));
  }
}

function rule(name: string, severity: Severity, summary: string, holds: (see: Sight) => boolean, forMs = 0): AlarmRule {
  return { rule: name, severity, summary, holds, forMs };
}

/** Both are looked at each time: what is not looked at is not followed. */
function any(...hold: readonly boolean[]): boolean {
  return hold.some(Boolean);
}

function all(...hold: readonly boolean[]): boolean {
  return hold.every(Boolean);
}

function logged(see: Sight, alarm: LogAlarm, windowMs = QUARTER_MS): number {
  return see.increase("logAlarms", windowMs, { alarm });
}

function secure(see: Sight, kind: SecurityEvent): number {
  return see.increase("securityEvents", QUARTER_MS, { kind });
}
