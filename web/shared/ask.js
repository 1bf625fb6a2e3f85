// @ts-check
/** How a page speaks to the server. What comes back is an answer, a refusal that the server gave, or neither: `lost`. */

/** What the server refused, by the code it gave; `lost` when no answer of it came that can be read. */
export class Problem extends Error {
  /** @param {string} code */
  constructor(code) {
    super(code);
    this.name = "Problem";
    this.code = code;
  }
}

/** Longer than the server ever takes for an answer: what has not come by then does not come. */
export const ANSWER_MS = 60_000;
/** What every refusal of the server comes as. An error of anything between here and there does not. */
const REFUSAL = /^application\/problem\+json\b/;

/** @param {() => Record<string, string>} headers What shows that a request comes from the page. */
export function asker(headers) {
  /**
   * Throws a `Problem`.
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @param {AbortSignal} [signal]
   * @returns {Promise<Response>}
   */
  async function ask(method, path, body, signal) {
    /** @type {RequestInit} */
    const request = {
      method,
      headers: headers(),
      credentials: "same-origin",
      cache: "no-store",
      signal: signal ?? null,
    };
    if (body !== undefined) {
      request.headers = { ...headers(), "content-type": "application/json" };
      request.body = JSON.stringify(body);
    }
    const response = await fetch(path, request).catch(() => {
      throw new Problem("lost");
    });
    if (response.ok) return response;
    const problem = REFUSAL.test(typeOf(response)) ? await response.json().catch(() => undefined) : undefined;
    throw new Problem(typeof problem?.code === "string" ? problem.code : "lost");
  }

  /**
   * The whole of an answer, in time and of the shape it must have, or `lost`.
   * @template Answer
   * @param {string} name A field that every such answer has.
   * @param {Parameters<typeof ask>} request
   * @param {number} [limitMs]
   * @returns {Promise<Answer>}
   */
  async function answer(name, [method, path, body], limitMs = ANSWER_MS) {
    const response = await ask(method, path, body, AbortSignal.timeout(limitMs));
    const json = await response.json().catch(() => undefined);
    if (typeof json !== "object" || json === null || !Object.hasOwn(json, name)) throw new Problem("lost");
    return json;
  }

  return { ask, answer };
}

/** @param {Response} response */
export function typeOf(response) {
  return response.headers.get("content-type") ?? "";
}

/** The code of a problem; what was thrown otherwise is a fault of the page. @param {unknown} error */
export function codeOf(error) {
  return error instanceof Problem ? error.code : "fault";
}
