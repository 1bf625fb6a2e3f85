/** One person cannot have all of the privacy centre, and the privacy centre cannot have all of the gateway. */
import Fastify, { type FastifyInstance } from "fastify";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { SubjectTag } from "../../model/ids.ts";
import { shareOfAll, shareOfOne } from "./share.ts";

let app: FastifyInstance;
let waiting: (() => void)[];

beforeEach(async () => {
  waiting = [];
  app = Fastify({ logger: false });
  shareOfAll(app, 20);
  shareOfOne(app, (request) => String(request.headers.person) as SubjectTag);
  app.get("/", async () => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return "";
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
});
afterEach(async () => {
  for (const go of waiting) go();
  await app.close();
});

async function ask(person: string): Promise<string> {
  const response = await fetch(app.listeningOrigin, { headers: { person } });
  const text = await response.text();
  return response.ok ? "200" : `${response.status} ${JSON.parse(text).code}`;
}

/** Asks so often at once; resolves with the first that is answered while the others wait. */
async function crowd(person: string, count: number): Promise<Promise<string>[]> {
  const before = waiting.length;
  const asked = Array.from({ length: count }, () => ask(person));
  while (waiting.length < before + count) await new Promise((resolve) => setImmediate(resolve));
  return asked;
}

it("lets one person have so much in progress, the others besides, and all together no more than their share", async () => {
  const anna = await crowd("anna", 16);
  expect(await ask("anna")).toBe("429 too-many-at-once");
  const boris = await crowd("boris", 4);
  expect(await ask("carla")).toBe("503 centre-busy");
  for (const go of waiting.splice(0)) go();
  expect(new Set(await Promise.all([...anna, ...boris]))).toEqual(new Set(["200"]));
  for (const one of await crowd("anna", 16)) {
    waiting.shift()?.();
    expect(await one).toBe("200");
  }
});
