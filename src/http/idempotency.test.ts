/** A kept answer is for who asked: under another token the same key is another one, and tells nothing of what was answered before. */
import { expect, it } from "vitest";
import type { KeptAnswer } from "../model/kept-answer.ts";
import type { HttpPorts } from "./ports.ts";
import { createApp } from "./server.ts";

it("answers again under the token of that name alone", async () => {
  const kept = new Map<string, KeptAnswer>();
  let issued = 0;
  const ports = {
    tokens: {
      find: (name: string) =>
        /^[ab]/.test(name) ? { name: name[0], digest: name, scopes: new Set(["bind"]) } : undefined,
      stands: () => true,
      onLook: () => {},
    },
    keptAnswers: {
      begin: async (address: string, key: string) => {
        const of = `${address} ${key}`;
        const answer = kept.get(of);
        if (answer !== undefined) return { state: "answered", answer };
        return { state: "new", keep: async (one: KeptAnswer) => void kept.set(of, one), release: async () => {} };
      },
    },
    audit: { append: async () => 0, note: async () => {} },
    lookup: { deviceKey: () => "device" },
    credentials: {
      issue: async () => {
        issued += 1;
        return { token: `secret-${issued}` };
      },
    },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    metrics: { httpRefused: () => {} },
  } as unknown as HttpPorts;
  const bounds = { maxConnections: 16, maxConnectionsPerAddress: 16, bodyLimitBytes: 1_024, failedTokensPerMinute: 60 };
  const options = { host: "127.0.0.1", port: 0, token: "that-of-the-configuration", approvers: [], metrics: undefined };
  const app = await createApp({ ...options, ...bounds }, ports);
  const ask = async (bearer: string): Promise<string> => {
    const headers = { authorization: `Bearer ${bearer}`, "idempotency-key": "order-1" };
    const answer = await app.inject({ method: "POST", url: "/v1/devices/lamp-1/token", headers });
    expect(answer.statusCode).toBe(201);
    return answer.json().token;
  };
  // After a rotation the program is the same.
  expect([await ask("a1"), await ask("a1"), await ask("a2")]).toEqual(Array(3).fill("secret-1"));
  expect(await ask("b1")).toBe("secret-2");
  expect(await ask("that-of-the-configuration")).toBe("secret-3");
  await app.close();
});
