import { expect, test } from "vitest";
import { bareApp } from "./bare-app.ts";
import { frontPage, type Served } from "./front-page.ts";
import { PAGE_HEADERS } from "./page-headers.ts";

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

async function appWith(served: Served) {
  const app = bareApp({ bodyLimitBytes: 1_024, maxConnections: 4, maxConnectionsPerAddress: 4 }, SILENT);
  await app.register(async (scope) => frontPage(scope, served));
  return app;
}

const linksOf = (page: string) => [...page.matchAll(/href="([^"]+)"/g)].map(([, address]) => address);

test("the front page has a link to everything that is served, and the headers of a page", async () => {
  const app = await appWith({ centre: true, metrics: true });
  const answer = await app.inject("/");
  expect(answer.statusCode).toBe(200);
  expect(answer.headers["content-type"]).toBe("text/html; charset=utf-8");
  expect(answer.headers).toMatchObject(PAGE_HEADERS);
  const links = ["/docs", "/docs/asyncapi.json", "/centre/", "/livez", "/readyz", "/metrics"];
  expect(linksOf(answer.body)).toEqual(links);
  expect(answer.body).not.toMatch(/<(?:script|style)|style=/);
  const refused = await app.inject({ method: "POST", url: "/" });
  expect([refused.statusCode, refused.headers.allow]).toEqual([405, "GET, HEAD"]);
});

test("it has none to what is switched off or served elsewhere", async () => {
  const app = await appWith({ centre: false, metrics: false });
  expect(linksOf((await app.inject("/")).body)).toEqual(["/docs", "/docs/asyncapi.json", "/livez", "/readyz"]);
});
