/** The HTTP interface on a free port, on top of the real consent parts of the running test. */
import { afterEach, beforeEach } from "vitest";
import { HttpApi } from "../../src/http/server.ts";
import type { DeviceKey } from "../../src/model/ids.ts";
import type { LogFields } from "../../src/model/log.ts";
import { consentStore, lookup, type Store } from "./consent-fixture.ts";

export const TOKEN = "api-token-of-the-test-suite-0123456789";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly json: any;
}

export interface Api {
  store(): Store;
  port(): number;
  /** With the token, and as JSON when there is a body. A body given as text or bytes is sent as it is. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  readonly purged: DeviceKey[][];
  readonly withdrawalsMs: number[];
  readonly logged: [event: string, fields: LogFields | undefined][];
  readiness: { ready: boolean; reasons: string[] };
}

export function httpApi(options: { leaseMs: number } = { leaseMs: 2_000 }): Api {
  const { store } = consentStore(options);
  let api: HttpApi | undefined;
  const purged: DeviceKey[][] = [];
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
      const isJson = /json/.test(response.headers.get("content-type") ?? "");
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
    readiness: { ready: true, reasons: [] },
  };

  beforeEach(async () => {
    for (const list of [purged, withdrawalsMs, logged]) list.length = 0;
    self.readiness = { ready: true, reasons: [] };
    const { credentials, ledger, policies, leases } = store();
    api = new HttpApi(
      { host: "127.0.0.1", port: 0, token: TOKEN, bodyLimitBytes: 16_384 },
      {
        lookup,
        credentials,
        ledger,
        policies,
        leases,
        purgeDeadLetters: async (devices) => void purged.push([...devices]),
        readiness: () => self.readiness,
        metricsText: async () => "consentry_messages_received_total 0\n",
        withdrawalAnswered: (durationMs) => void withdrawalsMs.push(durationMs),
        log: { info: line, warn: line, error: line },
      },
    );
    await api.start(new AbortController().signal);
  });
  afterEach(async () => {
    await api?.stop();
  });
  return self;
}
