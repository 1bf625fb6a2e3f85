// @ts-check
/** How current the page is, in words: the one line at the top, and a note with one thing to do where it is not. Pure. */
import { time } from "../shared/format.js";

/**
 * @typedef {object} About
 * @property {"out" | "in" | "ended"} session
 * @property {import("./link.js").Standing} standing
 * @property {number} heardAt
 * @property {number} redisAt When Redis answered the gateway last, as far as this page has seen it; 0: never.
 * @property {import("../../src/http/operate/shapes.ts").Frame | undefined} frame
 * @property {string | undefined} ofPage The version with which the page came.
 */

/** @param {About} about @returns {{ kind: "good" | "warn" | "off", text: string }} */
export function stateOf({ session, standing, heardAt }) {
  const last = heardAt === 0 ? "" : ` · as of ${time(heardAt, true)}`;
  if (session === "ended") return { kind: "warn", text: `Session ended${last}` };
  if (standing.state === "live") return { kind: "good", text: `Live · ${time(heardAt, true)}` };
  if (standing.state === "lost") return { kind: "warn", text: `Not live${last}` };
  return { kind: "off", text: standing.state === "hidden" ? `Paused${last}` : "Connecting …" };
}

/** @param {About} about @returns {{ text: string, act: "sign-in" | "try-now" | "reload", label: string, old: boolean } | undefined} */
export function noteOf({ session, standing, heardAt, redisAt, frame, ofPage }) {
  const seen = heardAt === 0 ? "Nothing was seen yet." : `What you see is as of ${time(heardAt, true)}.`;
  if (session === "ended")
    return { text: `Your session has ended. ${seen}`, act: "sign-in", label: "Sign in again", old: true };
  if (standing.state === "lost")
    return {
      text: `${LOST[standing.code] ?? LOST.lost} ${seen} It is tried again by itself.`,
      act: "try-now",
      label: "Try now",
      old: true,
    };
  if (frame !== undefined && ofPage !== undefined && frame.version !== ofPage)
    return {
      text: `The gateway runs another version (${frame.version}) than the one this page came with${ofPage === "" ? "" : ` (${ofPage})`}. What it shows may be incomplete.`,
      act: "reload",
      label: "Load the page again",
      old: false,
    };
  if (frame?.reasons?.includes("redis-unreachable"))
    return {
      text: `Redis does not answer the gateway. What comes out of it (backlog, dead letters, erasures, holds, consent, other gateways) ${redisAt === 0 ? "may be old" : `is as of ${time(redisAt, true)}`}. The rest is of now.`,
      act: "try-now",
      label: "Look again",
      old: true,
    };
  return undefined;
}

/** @type {Record<string, string>} */
const LOST = {
  lost: "The connection to the gateway is lost.",
  fault: "The connection to the gateway broke off.",
  "too-many-watchers": "Too many tabs watch this gateway. Close one.",
  unavailable: "Redis does not answer the gateway, so it cannot look after this session.",
};
