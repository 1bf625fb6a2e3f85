// @ts-check
/** The one connection of this tab: everything as it is now, then each change, for as long as somebody looks at the page. */
import { codeOf } from "../shared/ask.js";
import { follow } from "../shared/events.js";
import { live, overview } from "./api.js";
import { extended } from "./series.js";

/** @typedef {import("./api.js").Overview} Overview */
/** @typedef {import("../../src/http/operate/shapes.ts").Frame} Frame */

/** Between two tries: soon at first, then seldom. */
const WAITS_MS = [1_000, 2_000, 5_000, 10_000, 30_000];
/** The server says something at least every fifteen seconds; after that long nothing comes any more. */
const SILENCE_MS = 40_000;

/**
 * `live`: what is shown is so. `lost`: it was so, and it is tried again. `hidden`: the tab was not looked at.
 * @typedef {{ state: "opening" | "live" | "hidden" } | { state: "lost", code: string, nextAt: number }} Standing
 */

/**
 * @typedef {object} Hearing
 * @property {(overview: Overview) => void} heard
 * @property {(standing: Standing) => void} standing
 * @property {() => void} ended The session is over.
 */

export class Link {
  /** @type {AbortController | undefined} */
  #leave;
  /** @type {Overview | undefined} */
  #known;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #again;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silent;
  #tries = 0;
  #over = false;

  /** @param {Hearing} hearing */
  constructor(hearing) {
    this.hearing = hearing;
  }

  /** Opens, or opens again at once. */
  async open() {
    this.#close();
    this.#over = false;
    if (document.hidden) return this.hearing.standing({ state: "hidden" });
    const leave = new AbortController();
    this.#leave = leave;
    this.#listen();
    if (this.#known === undefined) this.hearing.standing({ state: "opening" });
    try {
      const body = await live(leave.signal);
      const now = await overview();
      leave.signal.throwIfAborted();
      if (body === null) return;
      this.#tries = 0;
      this.#heard(now);
      this.#listen();
      await follow(
        body,
        (kind, data) => this.#event(kind, data),
        () => this.#listen(),
      );
      this.#lost("lost");
    } catch (error) {
      const code = leave.signal.reason === "silent" ? "lost" : codeOf(error);
      if (code === "fault" && !leave.signal.aborted && !(error instanceof TypeError)) reportError(error);
      if (!leave.signal.aborted || leave.signal.reason === "silent") this.#lost(code);
    }
  }

  /** Without a word: somebody signs out, or the tab is hidden. */
  stop() {
    this.#over = true;
    this.#close();
  }

  hide() {
    if (this.#over || this.#leave === undefined) return;
    this.#close();
    this.hearing.standing({ state: "hidden" });
  }

  #close() {
    clearTimeout(this.#again);
    clearTimeout(this.#silent);
    this.#leave?.abort("closed");
    this.#leave = undefined;
  }

  #listen() {
    clearTimeout(this.#silent);
    this.#silent = setTimeout(() => this.#leave?.abort("silent"), SILENCE_MS);
  }

  /** @param {string} kind @param {any} data */
  #event(kind, data) {
    if (kind === "frame" && this.#known !== undefined) {
      /** @type {Frame} */
      const frame = data;
      this.#heard({ frame, history: extended(this.#known.history, frame.sample) });
    }
    if (kind === "end" && data.why === "session") this.#end();
  }

  /** @param {Overview} overview */
  #heard(overview) {
    this.#known = overview;
    this.hearing.standing({ state: "live" });
    this.hearing.heard(overview);
  }

  #end() {
    this.stop();
    this.hearing.ended();
  }

  /** @param {string} code */
  #lost(code) {
    if (this.#over) return;
    if (code === "session-ended") return this.#end();
    this.#close();
    const waitMs = WAITS_MS[Math.min(this.#tries, WAITS_MS.length - 1)] ?? 1_000;
    this.#tries += 1;
    this.hearing.standing({ state: "lost", code, nextAt: Date.now() + waitMs });
    this.#again = setTimeout(() => void this.open(), waitMs);
  }
}
