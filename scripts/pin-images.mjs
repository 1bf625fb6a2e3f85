/**
 * Writes beside every image of docker-compose.yml and the Dockerfile the digest that the registry gives its tag now,
 * so that what is run is what was looked at: `node scripts/pin-images.mjs`. A digest that is there already is left
 * alone; `--renew` asks for it anew. Needs the internet, and nothing but Node.
 *   node scripts/pin-images.mjs [--renew] [directory] [--registry URL]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FILES = ["docker-compose.yml", "Dockerfile"];
/** Images of Docker Hub, official ones without a user; what is built here has no tag. */
const IMAGE = /^((?:\s*image:|FROM)\s+)([a-z0-9]+(?:\/[a-z0-9]+)?):([\w.-]+)(@sha256:[0-9a-f]{64})?/gm;
/** An index over all platforms where there is one: the same digest then holds on every machine. */
const ACCEPT = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");
const DIGEST = /^sha256:[0-9a-f]{64}$/;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    renew: { type: "boolean", default: false },
    registry: { type: "string", default: "https://registry-1.docker.io" },
  },
});
const known = new Map();
try {
  // Everything is asked before anything is written: half of it pinned would look like all of it.
  const written = await Promise.all(FILES.map(pinned));
  for (const { file, text } of written) writeFileSync(file, text);
  for (const [image, digest] of known) console.log(`${image}@${digest}`);
} catch (error) {
  console.error(`nothing was changed: ${error.message}`);
  process.exitCode = 1;
}

async function pinned(name) {
  const file = join(positionals[0] ?? ROOT, name);
  const text = readFileSync(file, "utf8");
  const images = [...text.matchAll(IMAGE)].filter(([, , , , digest]) => values.renew || digest === undefined);
  for (const [, , image, tag] of images) known.set(`${image}:${tag}`, await digestOf(image, tag));
  return {
    file,
    text: text.replace(IMAGE, (whole, lead, image, tag) => {
      const digest = known.get(`${image}:${tag}`);
      return digest === undefined ? whole : `${lead}${image}:${tag}@${digest}`;
    }),
  };
}

async function digestOf(image, tag) {
  const repository = image.includes("/") ? image : `library/${image}`;
  const url = `${values.registry}/v2/${repository}/manifests/${tag}`;
  let answer = await fetch(url, { method: "HEAD", headers: { accept: ACCEPT } });
  if (answer.status === 401) {
    const authorization = `Bearer ${await tokenFor(answer.headers.get("www-authenticate") ?? "")}`;
    answer = await fetch(url, { method: "HEAD", headers: { accept: ACCEPT, authorization } });
  }
  if (!answer.ok) throw new Error(`${image}:${tag}: the registry answered ${answer.status}`);
  const digest = answer.headers.get("docker-content-digest") ?? "";
  if (!DIGEST.test(digest)) throw new Error(`${image}:${tag}: the registry gave no digest`);
  return digest;
}

/** Anybody may read; the registry says where a token for that is given out. */
async function tokenFor(challenge) {
  const field = (name) => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1] ?? "";
  const query = new URLSearchParams({ service: field("service"), scope: field("scope") });
  const answer = await fetch(`${field("realm")}?${query}`);
  if (!answer.ok) throw new Error(`the registry's token service answered ${answer.status}`);
  return (await answer.json()).token;
}
