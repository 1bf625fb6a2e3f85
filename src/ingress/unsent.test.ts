/** What was handed to a connection counts as gone when it has left the process, over every transport a service can use. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, connect as tlsConnect } from "node:tls";
import { generate } from "selfsigned";
import { afterEach, describe, expect, it } from "vitest";
import { createWebSocketStream, WebSocket, WebSocketServer } from "ws";
import type { ServiceSession } from "./session.ts";
import { Unsent } from "./unsent.ts";

/** In packets, as a service gets it; together more than the buffers of both ends hold. */
const PACKET = Buffer.alloc(64 * 1024, 7);
const PACKETS = 512;
const never = new AbortController().signal;
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

interface Pair {
  /** Our end. */
  readonly conn: Duplex;
  /** The service, which has not begun to read. */
  readonly peer: Duplex;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => server.close());
  return portOf(server);
}

function made({ conn, peer }: Pair): Pair {
  for (const end of [conn, peer]) end.on("error", () => undefined);
  closing.push(
    () => conn.destroy(),
    () => peer.destroy(),
  );
  return { conn, peer };
}

const transports: Record<string, () => Promise<Pair>> = {
  TCP: async () => {
    const server = createServer({ pauseOnConnect: false });
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const peer = connect({ port: await listening(server), host: "127.0.0.1" }).pause();
    return made({ conn: (await accepted)[0], peer });
  },
  TLS: async () => {
    const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }], { keySize: 2048 });
    const server = createTlsServer({ key, cert });
    const accepted = once(server, "secureConnection") as Promise<[Duplex]>;
    const peer = tlsConnect({ port: await listening(server), host: "127.0.0.1", rejectUnauthorized: false }).pause();
    return made({ conn: (await accepted)[0], peer });
  },
  WebSocket: async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    closing.push(() => server.close());
    const accepted = once(server, "connection") as Promise<[WebSocket]>;
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as { port: number }).port}`);
    const peer = createWebSocketStream(client).pause();
    const [socket] = await accepted;
    await once(client, "open").catch(() => undefined);
    return made({ conn: createWebSocketStream(socket), peer });
  },
};

function setUp(conn: Duplex) {
  let cut = 0;
  const unsent = new Unsent(() => {
    cut += 1;
  });
  const session = { client: { conn } } as unknown as ServiceSession;
  const hand = (): void => {
    for (let count = 0; count < PACKETS; count += 1) {
      conn.write(PACKET);
      unsent.written(session);
    }
  };
  return { unsent, session, hand, cut: () => cut };
}

describe.each(Object.entries(transports))("over %s", (_name, pair) => {
  it("nothing written is nothing to wait for; what a reader takes leaves, and its bytes are what was written", async () => {
    const { conn, peer } = await pair();
    const { unsent, session, hand } = setUp(conn);
    expect(unsent.left(never)).toBeUndefined();
    let left = false;
    hand();
    const leaving = unsent.left(never)?.then(() => {
      left = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(left).toBe(false);
    expect(unsent.waitingMs(session)).toBeGreaterThan(0);

    let received = 0;
    peer.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    peer.resume();
    await leaving;
    expect(unsent.waitingMs(session)).toBe(0);
    expect(conn.writableLength).toBe(0);
    while (received < PACKETS * PACKET.length) await once(peer, "data");
    expect(received).toBe(PACKETS * PACKET.length);
    expect(unsent.left(never)).toBeUndefined();
  });

  it("what a reader does not take is thrown away with its connection when the time is over", async () => {
    const { conn } = await pair();
    const { unsent, hand, cut } = setUp(conn);
    const over = new AbortController();
    hand();
    const leaving = unsent.left(over.signal);
    over.abort();
    await leaving;
    expect([conn.destroyed, cut()]).toEqual([true, 1]);
    // Nor is anything waited for afterwards.
    hand();
    await unsent.left(never);
  });
});
