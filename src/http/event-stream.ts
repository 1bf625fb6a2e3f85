/** Server-sent events on one answer, until either side ends it. */
import type { FastifyReply } from "fastify";
import { PAGE_HEADERS } from "./page-headers.ts";

const KEEP_ALIVE_MS = 15_000;

export interface EventStream {
  /** A client that does not read misses it; `json` is one line. */
  send(event: string, json: string): void;
  /** The last event. */
  end(event: string, json: string): void;
}

/** Takes the answer over from Fastify. `closed` is called once the connection is gone, from whichever side. */
export function openStream(reply: FastifyReply, closed: () => void): EventStream {
  const { raw } = reply;
  reply.hijack();
  raw.writeHead(200, { ...PAGE_HEADERS, "cache-control": "no-store", "content-type": "text/event-stream" });
  raw.write(": open\n\n");
  const keepAlive = setInterval(() => raw.write(": open\n\n"), KEEP_ALIVE_MS);
  // An answer that waits for the one before it on its connection is told nothing when that breaks.
  const { socket } = reply.request.raw;
  let open = true;
  const gone = (): void => {
    if (!open) return;
    open = false;
    clearInterval(keepAlive);
    socket.off("close", gone);
    closed();
  };
  raw.once("close", gone);
  socket.once("close", gone);
  // As soon as the caller has the stream.
  if (socket.destroyed) queueMicrotask(gone);
  return {
    send: (event, json) => {
      if (!raw.writableNeedDrain) raw.write(`event: ${event}\ndata: ${json}\n\n`);
    },
    end: (event, json) => {
      clearInterval(keepAlive);
      raw.end(`event: ${event}\ndata: ${json}\n\n`);
    },
  };
}
