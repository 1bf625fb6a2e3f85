/** The files of a page: all of one folder, read once, served with everything forbidden that they do not need. */
import { readdirSync, readFileSync } from "node:fs";
import { extname } from "node:path";
import type { FastifyInstance } from "fastify";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
};
const INDEX = "index.html";

/** Beside `src` in the sources, and beside `dist` in what is built. */
const WEB = new URL("../../web/", import.meta.url);

/** `path`: where they are served, without a `/` at its end. Throws when the page is missing: an installation without it is not whole. */
export function pageFiles(scope: FastifyInstance, path: string, page: string): void {
  const folder = new URL(`${page}/`, WEB);
  const names = readdirSync(folder).filter((name) => TYPES[extname(name)] !== undefined);
  if (!names.includes(INDEX)) throw new Error(`a page is missing: ${path}`);
  for (const name of names) {
    const content = readFileSync(new URL(name, folder));
    const type = TYPES[extname(name)] ?? "";
    scope.get(`${path}/${name === INDEX ? "" : name}`, { schema: { hide: true } }, async (_request, reply) =>
      // Checked each time it is loaded: the page must be of the same version as the gateway.
      reply.type(type).header("cache-control", "no-cache").send(content),
    );
  }
  scope.get(path, { schema: { hide: true } }, async (_request, reply) => reply.redirect(`${path}/`, 308));
}
