// @ts-check
/** What the console says, in words. What other tables say already comes from guide.json. */

/** @type {Record<string, string>} */
const PROBLEMS = {
  lost: "No answer came. Please try again.",
  unauthorized: "This token is not known here. Look at how it was copied, or at `npm run tokens -- list`.",
  forbidden: "This token may not operate the gateway. It needs the scope operate.",
  "too-many-failures": "Too many wrong tokens came from here. Wait a minute, then try again.",
  "too-many-sessions": "Too many sessions are open. Sign out in another browser, or wait until one ends.",
  "too-many-watchers": "Too many tabs are open on this gateway. Close one, then try again.",
  "too-many-traces": "Too many traces run at the moment. End one, or wait until one ends.",
  "unknown-trace": "This trace is over and forgotten.",
  "letter-taken": "It is gone, taken by another operator, or must stay.",
  "config-invalid":
    "The configuration was refused as a whole, and the running one stays. The log names each option and why.",
  unavailable: "Redis does not answer the gateway, so nothing can be done at the moment.",
  "not-writable": "Redis answers the gateway and takes no changes at the moment.",
  "not-from-the-page": "The gateway did not take this for a request of its own page. Load the page again.",
  timeout: "It took too long. Look at how things stand before you try again.",
  internal: "The gateway met a fault of its own; its log says which.",
  "invalid-request": "That is no device id. It has letters, digits and . _ : - only, at most 128 of them.",
  fault: "This page could not read the answer. Load it again.",
};

/** @param {string} code */
export function problemText(code) {
  return PROBLEMS[code] ?? `The gateway refused: ${code}.`;
}

/** After these it is open whether it was done. @param {string} code */
export function isUncertain(code) {
  return ["lost", "fault", "timeout", "internal", "unavailable"].includes(code);
}

/** @type {Record<string, string>} */
export const SEVERITY = { critical: "Critical", warning: "Warning", info: "Good to know" };

/** @type {Record<string, string>} */
export const DURABILITY = {
  fsync: "Every PUBACK is on disk",
  everysec: "Up to two seconds can be lost",
  none: "Nothing is safe on disk",
};

/** @type {Record<string, string>} */
export const READINESS = {
  starting: "starting",
  stopping: "stopping",
  "redis-unreachable": "Redis is unreachable",
  "redis-not-writable": "Redis does not write",
  "backlog-full": "the backlog is full",
  "dead-letters-full": "dead letters are full",
  "store-unavailable": "the store is unavailable",
  "event-loop-delayed": "the process is overloaded",
};

/** @type {Record<string, string>} */
export const ERASURE_STEP = {
  drain: "waits for writes that had begun",
  backlog: "waits for the queue of before",
  delete: "deletes rows",
  sweep: "looks once more for rows",
  "dead-letters": "removes dead letters",
  notices: "collects the names that services know",
  "destroy-key": "destroys the key",
  notify: "tells services",
  receipt: "signs the receipt",
  remind: "reminds services that did not answer",
};

/** @type {Record<string, string>} */
export const PURPOSE = { analytics: "Analytics", weather: "Weather", scene: "Scenes", network: "Network" };

/** @type {Record<string, string>} */
export const TRACE_OUTCOME = {
  begun: "Connected",
  ended: "Disconnected",
  admitted: "Admitted: durable in the queue",
  refused: "Refused",
  stored: "Stored",
  forwarded: "Handed to a service",
  "dead-lettered": "Became a dead letter",
};

/** @type {Record<string, string>} */
export const TRACE_END = {
  time: "It ran for its ten minutes.",
  stopped: "It was ended.",
  full: "It ended early: it had as many lines as it may keep.",
  changed: "It ended early: the device was bound, or given a token, again.",
};

/** Several reasons under one name: which of them it was is for the person alone. */
export const TOGETHER = {
  "not-permitted":
    "“not-permitted” stands for every reason of consent and of legal holds: which of them it was is not told here.",
  "not-consented": "consent does not cover it; for which reason is not told here",
};

/** Of a message that was left out in part. @type {Record<string, string>} */
export const DROPPED = {
  unknown: "a reading that is in no table was left out",
  personal: "a reading that could be personal was left out",
  "out-of-range": "a number outside its range was left out",
  "not-a-word": "a word that is not on the list was left out",
  "not-a-number": "something that is no number was left out",
  takeover: "another client logged in with the same credential",
};
