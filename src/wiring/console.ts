/** Wires the operator's console to the parts that it shows, and to those that it has do something. */
import { X509Certificate } from "node:crypto";
import { toldPeople } from "../crowds/told-people.ts";
import { areaOf } from "../deidentify/cell-area.ts";
import { gatewaysShown } from "../http/operate/gateways.ts";
import { ConsoleListener } from "../http/operate/listener.ts";
import type { ConsolePorts } from "../http/operate/ports.ts";
import type { KeyAges, ServiceShown } from "../http/operate/shapes.ts";
import { asOperator } from "../http/operator-act.ts";
import type { HttpPorts } from "../http/ports.ts";
import { DAY_MS } from "../model/durations.ts";
import type { Readiness } from "../model/readiness.ts";
import type { FollowedDevices } from "../observe/followed-devices.ts";
import { VERSION } from "../observe/version.ts";
import { DeadLetterActs } from "../operations/dead-letters.ts";
import { describeKeys } from "../platform/keys/changes.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import type { AuditTrail } from "../rights/audit/trail.ts";
import { deletionGuard, heldLetters } from "../rights/holds/held-devices.ts";
import type { Announcement } from "./announcement.ts";
import type { Base } from "./base.ts";
import type { Consent } from "./consent.ts";
import type { Ingress } from "./ingress.ts";
import type { Outlets } from "./outlets.ts";
import type { Queue } from "./queue.ts";
import type { Reload } from "./reload.ts";
import type { Rights } from "./rights.ts";
import type { Store } from "./store.ts";
import type { Tokens } from "./tokens.ts";
import type { Upkeep } from "./upkeep.ts";

export interface ConsoleDeps {
  readonly announcement: Announcement;
  readonly audit: AuditTrail;
  readonly consent: Consent;
  readonly ingress: Pick<Ingress, "refusals" | "dialectCounts" | "connectionsOf">;
  readonly outlets: Pick<Outlets, "fanOut" | "http" | "policyVersion">;
  readonly queue: Queue;
  readonly readiness: () => Readiness;
  readonly reload: Pick<Reload, "run" | "certificate">;
  readonly rights: Pick<Rights, "http">;
  readonly store: Pick<Store, "available">;
  readonly tokens: Pick<Tokens, "directory">;
  readonly traces: FollowedDevices;
  readonly upkeep: Pick<Upkeep, "http">;
}

export function createConsole(base: Base, deps: ConsoleDeps): ConsoleListener {
  const { config, log, metrics } = base;
  const { announcement, consent, ingress, queue, upkeep } = deps;
  const ports: ConsolePorts = {
    tokens: deps.tokens.directory,
    audit: deps.audit,
    lookup: consent.lookup,
    refusals: ingress.refusals,
    log,
    metrics,
    traces: deps.traces,
    version: VERSION,
    startedAt: announcement.startedAt,
    readiness: deps.readiness,
    durability: () => queue.durability(),
    redisWrites: () => queue.writable.refusal === undefined,
    storeAvailable: () => deps.store.available,
    gateways: () => gatewaysShown(announcement.notice(), announcement.reports),
    services: () => servicesShown(deps),
    dialects: () =>
      [...ingress.dialectCounts()].map(([name, counts]) => ({
        name,
        own: !base.dialects.names.includes(name),
        ...counts,
      })),
    policyVersion: () => deps.outlets.policyVersion(),
    coverage: () => upkeep.http.suspensions.coverage(),
    erasures: deps.rights.http.erasures,
    letters: (use) => lettersOf(base, deps, use),
    reload: () => deps.reload.run(),
    cells: () => toldCells(base),
    keyAges: () => ({
      certificates: certificatesOf(deps.reload.certificate),
      keys: describeKeys(config.keys.dir).map((key) => ({ ...key, createdAt: Math.round(key.createdAt) })),
    }),
  };
  const { failedTokensPerMinute, token: httpToken } = config.http;
  return new ConsoleListener({ ...config.console, failedTokensPerMinute, httpToken }, ports);
}

function servicesShown({ outlets, ingress }: ConsoleDeps): ServiceShown[] {
  const { directory, coverage }: HttpPorts["services"] = outlets.http.services;
  return directory.all().map(({ name, origin, recipient, region, purposes }) => {
    const { listening, ...figures } = outlets.fanOut.figures(name);
    return {
      name,
      origin,
      recipient,
      region,
      purposes: purposes.map((purpose) => ({
        purpose,
        covered: coverage.covers(name, purpose),
        listening: listening.has(purpose),
      })),
      connections: ingress.connectionsOf(name),
      ...figures,
    };
  });
}

/** The same as the command's, with the lines of an operator who asks over HTTP. */
function lettersOf(
  { redis, keyspace, metrics }: Base,
  { audit, consent, queue }: ConsoleDeps,
  use: Parameters<ConsolePorts["letters"]>[0],
): DeadLetterActs {
  return new DeadLetterActs({
    letters: queue.deadLetters,
    producer: {
      add: async (sealed, messages) => {
        await queue.producer.add(sealed, messages);
        // It comes a second time, and no device has sent it now: so the books balance here, or where it is processed.
        metrics.recovered(messages);
      },
    },
    held: () => heldLetters(redis.store, keyspace),
    guard: deletionGuard(consent.leases),
    perform: (act, count, work) =>
      asOperator(audit, { act, use, detail: { count }, told: (done) => ({ count: done }) }, work),
  });
}

/** Those of which rows are told today, and were told yesterday. */
async function toldCells({ redis, keyspace }: Base): ReturnType<ConsolePorts["cells"]> {
  const today = Math.floor(Date.now() / DAY_MS);
  const names = [today, today - 1].map((day) => keyspace.crowdToldCells(day));
  const told = await orRedisUnavailable(() => Promise.all(names.map((name) => redis.store.smembers(name))));
  const people = await toldPeople(redis.store, keyspace);
  return [...new Set(told.flat())].flatMap((cell) => {
    const area = areaOf(cell);
    if (area === undefined) return [];
    const [lat, lon] = area.center;
    const corners = area.corners.map(([lat, lon]): [number, number] => [lat, lon]);
    return [{ cell, center: [lat, lon], corners, people: people.get(cell) || null }];
  });
}

function certificatesOf(certificate: Reload["certificate"]): KeyAges["certificates"] {
  if (certificate === undefined) return [];
  const { validFrom, validTo, fingerprint256 } = new X509Certificate(certificate.cert);
  return [
    {
      option: "mqtt.tls.certFile",
      notBefore: Date.parse(validFrom),
      notAfter: Date.parse(validTo),
      fingerprint: fingerprint256,
    },
  ];
}
