/** A session that came of a link which a named token made ends with that token, and so does what is being answered for it. */
import { randomBytes } from "node:crypto";
import { Agent, get } from "node:http";
import { expect, it, vi } from "vitest";
import type { SubjectTag } from "../../model/ids.ts";
import { Seal } from "../../platform/keys/seal.ts";
import type { HttpPorts } from "../ports.ts";
import { createApp } from "../server.ts";
import type { SessionClaims } from "./claims.ts";

it("is cut off while it is answered when its token is none any more, and no other is", async () => {
  let stands = true;
  const looked: (() => void)[] = [];
  let waiting = 0;
  let answer = (_: undefined): void => undefined;
  const record = new Promise<undefined>((resolve) => {
    answer = resolve;
  });
  const sessions = new Seal(randomBytes(32), "session");
  const ports = {
    tokens: { find: () => undefined, stands: () => stands, onLook: (act: () => void) => looked.push(act) },
    ledger: {
      record: () => {
        waiting += 1;
        return record;
      },
    },
    policies: { list: async () => [], floors: async () => ({}), get: async () => undefined },
    centre: { sessions, properties: [], leftSessions: { has: async () => false }, samples: { stop: () => {} } },
    audit: { append: async () => 0, note: async () => {} },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    metrics: { httpRefused: () => {} },
  } as unknown as HttpPorts;
  const bounds = { maxConnections: 16, maxConnectionsPerAddress: 16, bodyLimitBytes: 1_024, failedTokensPerMinute: 60 };
  const app = await createApp({ host: "127.0.0.1", port: 0, approvers: [], metrics: undefined, ...bounds }, ports);
  const url = new URL("/centre/api/export", await app.listen({ host: "127.0.0.1", port: 0 }));
  const asked = (more: Partial<SessionClaims>) =>
    new Promise<string>((resolve) => {
      const [now, end] = [Date.now(), Date.now() + 60_000];
      const tag = "Zk3vT9qLm2Xc7bNfR1wYsA" as SubjectTag;
      const session = { tag, by: "subject", jurisdiction: ["IN"], labels: [], iat: now, exp: end, most: end, ...more };
      const cookie = `consentry-centre=${sessions.seal({ ...session, id: "s" })}`;
      get(url, { headers: { cookie }, agent: new Agent() }, (response) => {
        response.resume().once("end", () => resolve(String(response.statusCode)));
      }).once("error", ({ code }: NodeJS.ErrnoException) => resolve(code ?? ""));
    });
  const answers = [asked({ via: { name: "portal", digest: "d".repeat(43) } }), asked({})];
  await vi.waitFor(() => expect(waiting).toBe(2), { timeout: 60_000 });
  for (const look of looked) look();
  stands = false;
  for (const look of looked) look();
  setImmediate(() => answer(undefined));
  expect(await answers[0]).toBe("ECONNRESET");
  // That of a link which the token of the configuration made goes on: there is no such person.
  expect(await answers[1]).toBe("404");
  await app.close();
});
