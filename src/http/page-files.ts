/**
 * The files of a page: all of its folder below `web`, and what all pages share, read once, at addresses that mirror `web`, so that
 * modules find each other there as here.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { FastifyInstance } from "fastify";

/** Beside `src` in the sources, and beside `dist` in what is built. */
const WEB = new URL("../../web/", import.meta.url);
const INDEX = "index.html";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
};

/**
 * `path`: where the page is served, without a `/` at its end. `packaged`: of packages, the address below `path`, and the file as
 * `require` finds it. Throws when the page is missing: an installation without it is not whole.
 */
export function pageFiles(
  scope: FastifyInstance,
  path: string,
  page: string,
  packaged: Readonly<Record<string, string>> = {},
): void {
  const { resolve } = createRequire(import.meta.url);
  const table = [
    ...[page, "shared"].flatMap(filesOf),
    ...Object.entries(packaged).map(([url, name]): [string, string] => [url, resolve(name)]),
  ];
  if (!table.some(([url]) => url === "")) throw new Error(`a page is missing: ${path}`);
  for (const [url, file] of table) {
    const content = readFileSync(file);
    const type = TYPES[extname(file)] ?? "";
    scope.get(`${path}/${url}`, { schema: { hide: true } }, async (_request, reply) =>
      // Checked each time it is loaded: the page must be of the same version as the gateway.
      reply.type(type).header("cache-control", "no-cache").send(content),
    );
  }
  scope.get(path, { schema: { hide: true } }, async (_request, reply) => reply.redirect(`${path}/`, 308));
}

function filesOf(folder: string): [url: string, file: string][] {
  const at = new URL(`${folder}/`, WEB);
  return readdirSync(at)
    .filter((name) => TYPES[extname(name)] !== undefined)
    .map((name) => [name === INDEX ? "" : `${folder}/${name}`, fileURLToPath(new URL(name, at))]);
}
