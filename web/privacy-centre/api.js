// @ts-check
/** How the page speaks to the server. What comes back is an answer, a refusal that the server gave, or neither: `lost`. */

import { ANSWER_MS, asker, codeOf, Problem, typeOf } from "../shared/ask.js";
import { unpackLand } from "../shared/land.js";

/** @typedef {import("../../src/model/centre.ts").CentreOverview} Overview */
/** @typedef {import("../../src/model/erasure.ts").ErasureStatus} ErasureStatus */

const PAGE_HEADER = "x-privacy-centre";
/** The session whose data the page shows: in another one, of a link opened since, nothing may be done from here. */
let session = "1";
const RETRY_MS = 1_000;
const MAX_TRIES = 20;
const END_BYTES = 4_096;

const { ask, answer } = asker(() => ({ [PAGE_HEADER]: session }));

export { ask };

/**
 * Exchanges the token of a link for a session. When the answer is lost the link may be used up all the same, and
 * the session be there: asked once more, a used link is no longer a refusal then.
 * @param {string} token
 */
export async function open(token) {
  const exchange = () => answer("endsAt", ["POST", "session", { token }]);
  try {
    await exchange();
  } catch (error) {
    if (codeOf(error) !== "lost") throw error;
    await exchange().catch((again) => {
      if (codeOf(again) !== "link-used") throw again;
    });
  }
}

/** @param {number} [limitMs] @returns {Promise<Overview>} */
export async function overview(limitMs) {
  /** @type {Overview} */
  const overview = await answer("standing", ["GET", "api/overview"], limitMs);
  session = overview.session;
  return overview;
}

/** Where the person's devices are. @returns {Promise<import("../../src/model/centre.ts").CentrePlaces>} */
export function places() {
  return answer("places", ["GET", "api/places"]);
}

/** @type {Promise<readonly import("../shared/land.js").Ring[]> | undefined} */
let outline;

/** The outline of the land, the same for everyone; it comes with the page. */
export function land() {
  outline ??= answer("rings", ["GET", "shared/land.json"]).then(unpackLand);
  outline.catch(() => {
    outline = undefined;
  });
  return outline;
}

/** @returns {Promise<readonly import("../../src/model/property.ts").PlainProperty[]>} */
export async function readings() {
  return (await answer("readings", ["GET", "api/readings"])).readings;
}

/**
 * @param {{ purposes: object, device?: number | undefined, head: string }} body
 * @returns {Promise<Overview>}
 */
export async function agree(body) {
  return answer("standing", ["POST", "api/consents", body]);
}

/**
 * Asked until it is true: a write of before may still be under way, and asking twice is safe.
 * @param {{ purposes?: string[], categories?: string[], device?: number | undefined }} body
 * @param {() => void} waiting
 * @returns {Promise<Overview>}
 */
export async function withdraw(body, waiting) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await answer("standing", ["POST", "api/withdrawals", body]);
    } catch (error) {
      if (codeOf(error) !== "not-drained" || tries === MAX_TRIES) throw error;
      waiting();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** @returns {Promise<Overview>} */
export async function erase() {
  return answer("standing", ["POST", "api/erasures", {}]);
}

/** @param {string} id @returns {Promise<ErasureStatus>} */
export async function erasure(id) {
  return answer("state", ["GET", `api/erasures/${id}`]);
}

/** The session lasts longer, as far as it may. @returns {Promise<Overview>} */
export async function stay() {
  return answer("standing", ["POST", "api/stay", {}]);
}

/**
 * All of it or an error: what was cut off half-way, or comes from somebody else, is not handed on.
 * @param {"ndjson" | "summary"} format
 * @returns {Promise<Blob>}
 */
export async function download(format) {
  const lines = format === "ndjson";
  const response = await ask("GET", `api/export?format=${format}`).catch((error) => {
    throw codeOf(error) === "lost" ? new Problem("cut-off") : error;
  });
  const blob = await response.blob().catch(() => undefined);
  const type = lines ? /^application\/x-ndjson\b/ : /^text\/plain\b/;
  if (blob === undefined || !type.test(typeOf(response)) || (lines && !(await isWhole(blob))))
    throw new Problem("cut-off");
  return blob;
}

/** The last line of an export says that it is the last. @param {Blob} blob */
async function isWhole(blob) {
  const end = await blob.slice(-END_BYTES).text();
  try {
    return JSON.parse(end.trimEnd().split("\n").at(-1) ?? "").kind === "end";
  } catch {
    return false;
  }
}

export async function leave() {
  await ask("DELETE", "session", undefined, AbortSignal.timeout(ANSWER_MS));
}

/** Hands a file to the person. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
