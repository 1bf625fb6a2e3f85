/** One tab of the operator's console, in a process of its own: signed in, and, while it is open, it holds what the page holds. */
import { answer } from "./child.ts";

export interface TabTarget {
  /** Of the console's listener. */
  readonly url: string;
  readonly token: string;
}

export type TabCommands = typeof commands;

/** What the page sends with everything that is no reading. */
const PAGE = { "content-type": "application/json", "x-consentry-console": "1" };
const FRAME = "event: frame\n";

let url = "";
let cookie = "";
let leave: AbortController | undefined;
let reading: Promise<void> = Promise.resolve();
let frames = 0;

const commands = {
  async signIn(target: TabTarget): Promise<void> {
    url = `${target.url}/operate`;
    const body = JSON.stringify({ token: target.token });
    const answered = await fetch(`${url}/session`, { method: "POST", headers: PAGE, body });
    if (answered.status !== 201) throw new Error(`the console let no one in: ${answered.status}`);
    cookie = (answered.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
  },

  /** As `web/console/link.js` does it: the stream first, so that nothing is missed, then the last hour. */
  async open(): Promise<void> {
    leave = new AbortController();
    frames = 0;
    const { signal } = leave;
    const live = await fetch(`${url}/api/live`, { headers: { cookie }, signal });
    if (live.status !== 200 || live.body === null) throw new Error(`the console has no stream: ${live.status}`);
    reading = readAll(live.body, signal);
    const overview = await fetch(`${url}/api/overview`, { headers: { cookie }, signal });
    if (overview.status !== 200) throw new Error(`the console has no overview: ${overview.status}`);
    await overview.arrayBuffer();
  },

  /** Returns how many frames have come since it was opened. */
  async close(): Promise<number> {
    leave?.abort();
    await reading;
    return frames;
  },
};

async function readAll(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
  const text = new TextDecoder();
  let end = "";
  try {
    for await (const chunk of body) {
      const seen = end + text.decode(chunk, { stream: true });
      frames += seen.split(FRAME).length - 1;
      end = seen.slice(-(FRAME.length - 1));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

answer(commands);
