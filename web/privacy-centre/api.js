// @ts-check
/** The gateway, as the page speaks to it. */

/** @typedef {import("../../src/model/centre.ts").CentreOverview} Overview */
/** @typedef {import("../../src/model/erasure.ts").ErasureStatus} ErasureStatus */

/** Whatever the gateway refused, by the code it gave. */
export class Problem extends Error {
  /** @param {string} code */
  constructor(code) {
    super(code);
    this.name = "Problem";
    this.code = code;
  }
}

const PAGE_HEADER = "x-privacy-centre";
/** The session whose data the page shows: in another one, of a link opened since, nothing may be done from here. */
let session = "1";
const RETRY_MS = 1_000;
const MAX_TRIES = 20;

/**
 * Throws a `Problem`; one without an answer is called `offline`.
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Response>}
 */
export async function ask(method, path, body, signal) {
  /** @type {RequestInit} */
  const request = {
    method,
    headers: { [PAGE_HEADER]: session },
    credentials: "same-origin",
    cache: "no-store",
    signal: signal ?? null,
  };
  if (body !== undefined) {
    request.headers = { [PAGE_HEADER]: session, "content-type": "application/json" };
    request.body = JSON.stringify(body);
  }
  const response = await fetch(path, request).catch((error) => {
    throw signal?.aborted ? error : new Problem("offline");
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Problem(typeof problem.code === "string" ? problem.code : "internal");
}

/** Exchanges the token of a link for a session. @param {string} token */
export async function open(token) {
  await ask("POST", "session", { token });
}

/** @returns {Promise<Overview>} */
export async function overview() {
  const overview = await (await ask("GET", "api/overview")).json();
  session = overview.session;
  return overview;
}

/**
 * @param {{ purposes: object, device?: number | undefined, head: string }} body
 * @returns {Promise<Overview>}
 */
export async function agree(body) {
  return (await ask("POST", "api/consents", body)).json();
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
      return await (await ask("POST", "api/withdrawals", body)).json();
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "not-drained" || tries === MAX_TRIES) throw error;
      waiting();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** @returns {Promise<Overview>} */
export async function erase() {
  return (await ask("POST", "api/erasures", {})).json();
}

/** @param {string} id @returns {Promise<ErasureStatus>} */
export async function erasure(id) {
  return (await ask("GET", `api/erasures/${id}`)).json();
}

/** All of it or an error: what was cut off half-way is not handed on. @param {"ndjson" | "summary"} format @returns {Promise<Blob>} */
export async function download(format) {
  const response = await ask("GET", `api/export?format=${format}`);
  return response.blob().catch(() => {
    throw new Problem("cut-off");
  });
}

export async function leave() {
  await ask("DELETE", "session");
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
