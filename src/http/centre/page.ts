/** The page of the privacy centre: a fixed table of files, read once, served with everything forbidden that it does not need. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { FastifyInstance } from "fastify";
import { CENTRE_PATH } from "./session.ts";

/** Beside `src` in the sources, and beside `dist` in what is built. */
const FOLDER = new URL("../../../web/privacy-centre/", import.meta.url);

const HTML = "text/html; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";
const FILES: Readonly<Record<string, string>> = {
  "index.html": HTML,
  "centre.css": "text/css; charset=utf-8",
  "icon.svg": "image/svg+xml",
  "centre.js": SCRIPT,
  "api.js": SCRIPT,
  "changes.js": SCRIPT,
  "choices.js": SCRIPT,
  "contact.js": SCRIPT,
  "devices.js": SCRIPT,
  "dialog.js": SCRIPT,
  "dom.js": SCRIPT,
  "ending.js": SCRIPT,
  "erasure.js": SCRIPT,
  "land.js": SCRIPT,
  "land.json": "application/json; charset=utf-8",
  "live.js": SCRIPT,
  "map.js": SCRIPT,
  "places.js": SCRIPT,
  "questions.js": SCRIPT,
  "readings.js": SCRIPT,
  "receipt.js": SCRIPT,
  "screens.js": SCRIPT,
  "sections.js": SCRIPT,
  "unsettled.js": SCRIPT,
  "words.js": SCRIPT,
};

/** Throws when a file of the page is missing: an installation without it is not whole. */
export function pageRoutes(scope: FastifyInstance): void {
  for (const [name, type] of Object.entries(FILES)) {
    const content = readFileSync(fileURLToPath(new URL(name, FOLDER)));
    const url = `${CENTRE_PATH}/${name === "index.html" ? "" : name}`;
    scope.get(url, { schema: { hide: true } }, async (_request, reply) =>
      // Checked each time it is loaded: the page must be of the same version as the gateway.
      reply.type(type).header("cache-control", "no-cache").send(content),
    );
  }
  scope.get(CENTRE_PATH, { schema: { hide: true } }, async (_request, reply) => reply.redirect(`${CENTRE_PATH}/`, 308));
}
