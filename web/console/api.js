// @ts-check
/** What the page asks of the gateway. */
import { asker } from "../shared/ask.js";
import { CONFIRM } from "./confirm.js";

/** @typedef {import("../../src/http/operate/shapes.ts").Session} Session */
/** @typedef {import("../../src/http/operate/shapes.ts").Overview} Overview */
/** @typedef {import("../../src/http/operate/shapes.ts").Letters} Letters */
/** @typedef {import("../../src/http/operate/shapes.ts").Cells} Cells */
/** @typedef {import("../../src/http/operate/shapes.ts").KeyAges} KeyAges */
/** @typedef {import("../../src/http/operate/shapes.ts").TraceShown} Trace */
/** @typedef {import("zod").infer<typeof import("../../src/http/operate/shapes.ts").refusals>} Refusals */
/** @typedef {import("zod").infer<typeof import("../../src/http/operate/shapes.ts").reloaded>} Reloaded */
/** @typedef {import("zod").infer<typeof import("../../src/http/operate/shapes.ts").replayed>} Replayed */

const { ask, answer } = asker(() => ({ "x-consentry-console": "1" }));

/** @param {string} token @returns {Promise<Session>} */
export function signIn(token) {
  return answer("endsAt", ["POST", "session", { token }]);
}

export async function signOut() {
  await ask("DELETE", "session", undefined, AbortSignal.timeout(20_000));
}

/** @param {number} [limitMs] @returns {Promise<Session>} */
export function session(limitMs) {
  return answer("endsAt", ["GET", "api/session"], limitMs);
}

/** @returns {Promise<Session>} */
export function stay() {
  return answer("endsAt", ["POST", "api/stay", {}]);
}

/** @returns {Promise<Overview>} */
export function overview() {
  return answer("frame", ["GET", "api/overview"], 20_000);
}

/** @param {AbortSignal} signal */
export async function live(signal) {
  return (await ask("GET", "api/live", undefined, signal)).body;
}

/** @returns {Promise<Letters>} */
export function letters() {
  return answer("letters", ["GET", "api/letters"]);
}

/** @param {string} id Of one letter, or `all`. @returns {Promise<Replayed>} */
export function replay(id) {
  const confirm = id === "all" ? CONFIRM.replayAll : CONFIRM.replay(id);
  return answer("done", ["POST", "api/letters/replay", { id, confirm }]);
}

/** @param {string} device @returns {Promise<Refusals>} */
export function refusals(device) {
  return answer("refusals", ["POST", "api/refusals", { device }]);
}

/** @returns {Promise<Cells>} */
export function cells() {
  return answer("cells", ["GET", "api/cells"]);
}

/** @returns {Promise<KeyAges>} */
export function keys() {
  return answer("keys", ["GET", "api/keys"]);
}

/** @returns {Promise<Reloaded>} */
export function reload() {
  return answer("changed", ["POST", "api/reload", { confirm: CONFIRM.reload }]);
}

/** @returns {Promise<{ traces: Omit<Trace, "lines">[] }>} */
export function traces() {
  return answer("traces", ["GET", "api/traces"]);
}

/** @param {string} device @returns {Promise<Trace>} */
export function beginTrace(device) {
  return answer("lines", ["POST", "api/traces", { device, confirm: CONFIRM.trace }]);
}

/** @param {string} id @returns {Promise<Trace>} */
export function trace(id) {
  return answer("lines", ["GET", `api/traces/${id}`]);
}

/** @param {string} id */
export async function endTrace(id) {
  await ask("DELETE", `api/traces/${id}`, undefined, AbortSignal.timeout(20_000));
}

/** Of the page itself. @param {string} file @returns {Promise<any>} */
export function bundled(file) {
  return answer("about", ["GET", file]);
}
