/** Wires the HTTP interface and that of metrics to the parts that do the work, and says what speaks against taking messages. */
import { metricsListener } from "../http/metrics-listener.ts";
import { HttpApi } from "../http/server.ts";
import type { TellDamage } from "../model/damage.ts";
import { HOUR_MS } from "../model/durations.ts";
import { type Readiness, readinessOf } from "../model/readiness.ts";
import type { Metrics } from "../observe/metrics.ts";
import { VERSION } from "../observe/version.ts";
import type { Availability } from "../platform/availability.ts";
import type { Part } from "../platform/lifecycle.ts";
import { asyncApi } from "../projections/asyncapi.ts";
import type { AuditTrail } from "../rights/audit/trail.ts";
import { purgeOf } from "../rights/holds/held-devices.ts";
import type { Base } from "./base.ts";
import type { Centre } from "./centre.ts";
import type { Consent } from "./consent.ts";
import type { ExportsWiring } from "./exports.ts";
import type { Ingress } from "./ingress.ts";
import { createKeptAnswers } from "./kept-answers.ts";
import type { NotedRecords } from "./noted-records.ts";
import type { Outlets } from "./outlets.ts";
import type { Queue } from "./queue.ts";
import type { Reload } from "./reload.ts";
import type { Rights } from "./rights.ts";
import type { Safekeeping } from "./safekeeping.ts";
import type { Store } from "./store.ts";
import type { Tokens } from "./tokens.ts";
import type { Upkeep } from "./upkeep.ts";

export interface ApiDeps {
  readonly consent: Consent;
  readonly safekeeping: Pick<Safekeeping, "journal" | "alone">;
  readonly outlets: Pick<Outlets, "http" | "policyPublished">;
  readonly ingress: Pick<Ingress, "refusals" | "check" | "seen">;
  readonly queue: Pick<Queue, "writable" | "backlog" | "deadLetters">;
  readonly store: Pick<Store, "available">;
  /** Of devices, in the order in which they are tidied. */
  readonly records: readonly Pick<NotedRecords<never>, "tidy">[];
  readonly rights: Pick<Rights, "http">;
  readonly upkeep: Pick<Upkeep, "http">;
  readonly exports: Pick<ExportsWiring, "exports">;
  readonly centre: Pick<Centre, "http">;
  readonly audit: AuditTrail;
  readonly damaged: TellDamage;
  readonly tokens: Pick<Tokens, "directory">;
  readonly availability: Pick<Availability, "state">;
  readonly reload: Pick<Reload, "run">;
}

export interface Api {
  readonly api: HttpApi;
  /** Metrics and health on a listener of their own; opened where `metrics.enabled` says so. */
  readonly health: Omit<Part, "name">;
  readonly readiness: () => Readiness;
}

export function createApi(base: Base, deps: ApiDeps): Api {
  const { config, redis, keyspace, vocabulary, dialects, metrics, log } = base;
  const { consent, safekeeping, outlets, ingress, queue, store, records, rights, upkeep, exports, centre } = deps;
  const { audit, damaged, availability } = deps;
  const tokens = deps.tokens.directory;
  const readiness = () =>
    readinessOf({
      starting: availability.state === "starting",
      stopping: availability.state === "stopping",
      "redis-unreachable": redis.store.status !== "ready" || redis.store.held,
      "redis-not-writable": queue.writable.refusal !== undefined,
      "backlog-full": queue.backlog.full,
      "dead-letters-full": queue.deadLetters.full,
      "store-unavailable": !store.available,
      "event-loop-delayed": metrics.eventLoopDelayed(),
    });
  const begunAt = Date.now();
  metrics.beforeScrape(() => metrics.notReady(readiness().reasons));
  tellBounds(config, metrics);
  const { token } = config.metrics;
  const access = { token, required: token !== undefined };
  const { failedTokensPerMinute, token: httpToken } = config.http;
  const health = metricsListener(
    { ...config.metrics, failedTokensPerMinute, access, httpToken },
    { readiness, tokens, metrics, log },
  );
  const api = new HttpApi(
    { ...config.http, metrics: config.metrics.enabled ? undefined : access },
    {
      tokens,
      lookup: consent.lookup,
      credentials: consent.credentials,
      hubs: consent.hubs,
      deviceConnections: consent.deviceConnections,
      dialects,
      ledger: consent.ledger,
      leases: consent.leases,
      policies: consent.policies,
      publishPolicy: async (bytes: Uint8Array) => {
        const result = await safekeeping.journal.published(await consent.policies.publish(bytes));
        await outlets.policyPublished();
        // Counts suspended devices again; the answer does not wait for it.
        void upkeep.http.suspensions.survey().catch(() => undefined);
        return result;
      },
      audit,
      ...upkeep.http,
      ...rights.http,
      ...outlets.http,
      refusals: ingress.refusals,
      seen: { of: ingress.seen.of, here: () => ({ since: begunAt, alone: safekeeping.alone() }) },
      check: ingress.check,
      reload: () => deps.reload.run(),
      exports: exports.exports,
      keptAnswers: createKeptAnswers(base),
      centre: centre.http,
      tidyRecords: async (concerned, silenced) => {
        for (const one of records) await one.tidy(concerned, silenced);
      },
      purgeDeadLetters: purgeOf({
        redis: redis.store,
        keyspace,
        leases: consent.leases,
        deadLetters: queue.deadLetters,
        damaged,
      }),
      readiness,
      asyncApi: () => asyncApi(vocabulary.properties, VERSION),
      metrics,
      log,
    },
  );
  return { api, health, readiness };
}

/** Bounds that alarms compare with what is used of them. */
function tellBounds({ queue, consent, backup }: Base["config"], metrics: Metrics): void {
  metrics.gauge("backlogLimit", queue.backlogBytes);
  metrics.gauge("deadLetterLimit", queue.deadLetterBytes);
  metrics.gauge("lease", consent.leaseMs / 1_000);
  metrics.gauge("backupInterval", (backup.everyHours * HOUR_MS) / 1_000);
}
