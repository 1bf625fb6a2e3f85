/** The HTTP interface on a free port, on top of the real consent parts of the running test. */
import { afterEach, beforeEach } from "vitest";
import { LedgerHolds } from "../../src/consent/ledger/holds.ts";
import { Minors } from "../../src/consent/ledger/minors.ts";
import { Suspensions } from "../../src/consent/ledger/suspensions.ts";
import type { HttpPorts } from "../../src/http/ports.ts";
import { HttpApi, type HttpOptions } from "../../src/http/server.ts";
import { Refusals } from "../../src/ingress/devices/refusals.ts";
import type { DeviceKey, SubjectTag } from "../../src/model/ids.ts";
import type { Log, LogFields } from "../../src/model/log.ts";
import type { Readiness } from "../../src/model/readiness.ts";
import { DeadLetters } from "../../src/queue/dead-letters.ts";
import { Envelope } from "../../src/queue/envelope.ts";
import { Disclosures } from "../../src/rights/access/disclosures.ts";
import { AuditLog } from "../../src/rights/audit/log.ts";
import { AuditTrail } from "../../src/rights/audit/trail.ts";
import type { Erasures } from "../../src/rights/erasure/erasures.ts";
import { LegalHolds } from "../../src/rights/holds/legal-holds.ts";
import { KeptAnswers } from "../../src/rights/kept-answers.ts";
import { TokenDirectory } from "../../src/tokens/directory.ts";
import { TokenRegistry } from "../../src/tokens/registry.ts";
import { Vocabulary } from "../../src/vocabulary/vocabulary.ts";
import { createCentre } from "../../src/wiring/centre.ts";
import { shippedDialects } from "../../src/wiring/dialects.ts";
import { createExports } from "../../src/wiring/exports.ts";
import { APPROVERS } from "../fixtures/approvers.ts";
import { NO_JOURNAL } from "../fixtures/no-journal.ts";
import { fileService, registryOn } from "../fixtures/services.ts";
import { consentStore, lookup, type Store } from "./consent-fixture.ts";
import { erasuresOn, keyring, signer } from "./erasure-fixture.ts";
import { sinkFor } from "./influx-fixture.ts";

const TOKEN_KEY = Buffer.alloc(32, 17);
export const AUDIT_KEY = Buffer.alloc(32, 5);
export const TOKEN = "api-token-of-the-test-suite-0123456789";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly json: any;
}

export interface ApiOptions {
  readonly leaseMs?: number;
  readonly bounds?: Partial<HttpOptions>;
  /** With the privacy centre, and so with links. */
  readonly centre?: boolean;
}

export interface Api {
  store(): Store;
  port(): number;
  /** With the token, and as JSON when there is a body. A body given as text or bytes is sent as it is. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  readonly purged: { readonly subject: SubjectTag; readonly devices: readonly DeviceKey[] }[];
  /** Subjects of whom nothing is held any more. */
  readonly freed: SubjectTag[];
  readonly withdrawalsMs: number[];
  readonly logged: [event: string, fields: LogFields | undefined][];
  readiness: Readiness;
  /** The clock of legal holds. */
  now(): number;
  holds(): LegalHolds;
  /** Named tokens; the API knows a change once `directory` was refreshed. */
  tokens(): { readonly directory: TokenDirectory; readonly registry: TokenRegistry };
}

/** Made once: what they are made of is the same for every test, and dear. */
const VOCABULARY = new Vocabulary();
const DIALECTS = shippedDialects(VOCABULARY);
const ROWS_AWAY = sinkFor("http://127.0.0.1:1").sink.reading;

const CENTRE = { enabled: true, linkSeconds: 600, sessionMinutes: 15, sessionMaxMinutes: 60, publicUrl: "" };

export function httpApi({ leaseMs = 2_000, bounds = {}, centre = false }: ApiOptions = {}): Api {
  const { store } = consentStore({ leaseMs });
  let api: HttpApi | undefined;
  let holds: LegalHolds | undefined;
  let tokens: ReturnType<Api["tokens"]> | undefined;
  const purged: { readonly subject: SubjectTag; readonly devices: readonly DeviceKey[] }[] = [];
  const freed: SubjectTag[] = [];
  const withdrawalsMs: number[] = [];
  const logged: [string, LogFields | undefined][] = [];
  const line = (event: string, fields?: LogFields) => void logged.push([event, fields]);

  const self: Api = {
    store,
    port: () => api?.port ?? 0,
    call: async (method, path, body, headers) => {
      const raw = typeof body === "string" || body instanceof Uint8Array;
      const response = await fetch(`http://127.0.0.1:${self.port()}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${TOKEN}`,
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body !== undefined && { body: raw ? (body as string) : JSON.stringify(body) }),
      });
      const text = await response.text();
      const isJson = /[/+]json/.test(response.headers.get("content-type") ?? "");
      return {
        status: response.status,
        headers: response.headers,
        text,
        json: isJson && text !== "" ? JSON.parse(text) : undefined,
      };
    },
    purged,
    withdrawalsMs,
    logged,
    freed,
    readiness: { ready: true, reasons: [] },
    now: Date.now,
    holds: () => {
      if (holds === undefined) throw new Error("used before the test began");
      return holds;
    },
    tokens: () => {
      if (tokens === undefined) throw new Error("used before the test began");
      return tokens;
    },
  };

  beforeEach(async () => {
    for (const list of [purged, withdrawalsMs, logged, freed]) list.length = 0;
    self.now = Date.now;
    self.readiness = { ready: true, reasons: [] };
    const { credentials, hubs, deviceConnections, ledger, policies, leases, redis, keyspace } = store();
    const log = { info: line, warn: line, error: line };
    const audit = new AuditLog(redis, keyspace, { keys: [AUDIT_KEY], now: Date.now });
    const trail = new AuditTrail({ audit, metrics: { auditLate: () => {} }, log, now: () => self.now() });
    holds = new LegalHolds(
      redis,
      keyspace,
      { maxMs: 3_600_000, proposalMs: 60_000, now: () => self.now() },
      {
        ledger: new LedgerHolds(redis, keyspace, { journal: NO_JOURNAL, now: () => self.now() }),
        audit: trail,
        purge: async (tag, devices) => void purged.push({ subject: tag, devices: [...devices].sort() }),
        freed: async (tag) => void freed.push(tag),
      },
    );
    const { erasures } = erasuresOn(store());
    const minors = new Minors(redis, keyspace);
    const suspensions = new Suspensions(redis, keyspace, { now: Date.now });
    const clocks = { now: () => self.now(), elapsed: () => performance.now() };
    const tokenDirectory = new TokenDirectory(redis, keyspace, TOKEN_KEY, { log, ...clocks });
    await tokenDirectory.refresh();
    tokens = { directory: tokenDirectory, registry: new TokenRegistry(redis, keyspace, TOKEN_KEY, clocks.now) };
    api = new HttpApi(
      {
        host: "127.0.0.1",
        port: 0,
        token: TOKEN,
        approvers: APPROVERS,
        bodyLimitBytes: 16_384,
        failedTokensPerMinute: 10_000,
        maxConnections: 512,
        maxConnectionsPerAddress: 512,
        metrics: { required: false },
        ...bounds,
      },
      {
        tokens: tokenDirectory,
        lookup,
        credentials,
        hubs,
        deviceConnections,
        dialects: DIALECTS,
        ledger,
        policies,
        services: {
          ...registryOn(store(), { file: [fileService("of-the-file", ["scene"])] }),
          coverage: { covers: () => true },
        },
        suspensions,
        publishPolicy: async (bytes) => {
          const result = await policies.publish(bytes);
          await suspensions.survey();
          return result;
        },
        leases,
        refusals: new Refusals(() => undefined),
        seen: { of: () => ({ connected: false, heardAt: undefined }), here: () => ({ since: 0, alone: true }) },
        // Needs the ingress: a test that starts the whole gateway asks it.
        check: async () => undefined,
        audit: trail,
        holds,
        minors: {
          purgeIfDue: async (tag) => {
            const due = await minors.mustBePurged(tag);
            if (due) await erasures.request(tag, { by: "controller", method: "minor" });
            return due;
          },
        },
        erasures,
        receiptKeys: { all: async () => [signer.publicKey] },
        signer,
        keptAnswers: new KeptAnswers(redis, keyspace, Buffer.alloc(32, 11), {
          maxAnswers: 20,
          keepMs: 3_600_000,
          claimMs: 60_000,
        }),
        exports: exportsOn(store(), erasures, log),
        centre: centre
          ? createCentre({
              config: { centre: CENTRE },
              keys: { token: Buffer.alloc(32, 13) },
              redis,
              keyspace,
              vocabulary: VOCABULARY,
              places: {
                of: async (_subject, devices) => devices.map(() => ({ state: "none" })),
                rules: { leastHomes: 5, stepMinutes: 15, keptDays: 30 },
              },
            }).http
          : undefined,
        disclosures: new Disclosures(redis, keyspace),
        tidyRecords: async () => undefined,
        purgeDeadLetters: async (tag, devices) => void purged.push({ subject: tag, devices: [...devices].sort() }),
        readiness: () => self.readiness,
        reload: async () => ({ changed: [], needRestart: [] }),
        asyncApi: () => ({ asyncapi: "3.0.0" }),
        metrics: {
          text: async (view) => `consentry_messages_received_total 0${view === "full" ? " full" : ""}\n`,
          httpRefused: () => {},
          withdrawalAnswered: (durationMs) => void withdrawalsMs.push(durationMs),
        },
        log,
      },
    );
    await api.start(new AbortController().signal);
  });
  afterEach(async () => {
    await api?.stop();
  });
  return self;
}

/** As the gateway wires them, on a store of device data that is away. */
function exportsOn(store: Store, erasures: Erasures, log: Log): HttpPorts["exports"] {
  return createExports({
    ...store,
    keyring,
    places: { of: async () => new Map() },
    network: { of: async () => new Map() },
    scenes: { of: async () => new Map() },
    deadLetters: new DeadLetters(store.redis, store.keyspace, new Envelope({ active: "", all: new Map() }), {
      maxBytes: 1,
    }),
    erasures,
    rows: ROWS_AWAY,
    disclosures: new Disclosures(store.redis, store.keyspace),
    vocabulary: VOCABULARY,
    log,
  }).exports;
}
