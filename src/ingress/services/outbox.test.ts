/** What was handed to a connection counts as gone when it has left the process, over every transport a service can use. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, connect as tlsConnect } from "node:tls";
import { generate } from "selfsigned";
import { afterEach, describe, expect, it } from "vitest";
import { createWebSocketStream, WebSocket, WebSocketServer } from "ws";
import { Outbox } from "./outbox.ts";

/** In packets, each far larger than a service gets it; together more than the buffers of both ends hold. */
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

const transports = {
  TCP: async (): Promise<Pair> => {
    const server = createServer({ pauseOnConnect: false });
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const peer = connect({ port: await listening(server), host: "127.0.0.1" }).pause();
    return made({ conn: (await accepted)[0], peer });
  },
  TLS: async (): Promise<Pair> => {
    const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }], { keySize: 2048 });
    const server = createTlsServer({ key, cert });
    const accepted = once(server, "secureConnection") as Promise<[Duplex]>;
    const peer = tlsConnect({ port: await listening(server), host: "127.0.0.1", rejectUnauthorized: false }).pause();
    return made({ conn: (await accepted)[0], peer });
  },
  WebSocket: async (): Promise<Pair> => {
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

function setUp(conn: Duplex, options: { maxUnsentBytes?: number; maxUnsentMs?: number } = {}) {
  let cut = 0;
  const outbox = new Outbox(
    { conn, closed: false },
    { maxUnsentBytes: 2 * PACKETS * PACKET.length, maxUnsentMs: 60_000, ...options },
    () => {
      cut += 1;
    },
  );
  const hand = (): number => Array.from({ length: PACKETS }, () => outbox.add(PACKET)).filter(Boolean).length;
  return { outbox, hand, cut: () => cut };
}

/** Something that the peer says later has arrived: whatever was about to happen here by itself has happened. */
async function heard({ conn, peer }: Pair): Promise<void> {
  const said = once(conn, "data");
  peer.write("later");
  await said;
}

describe.each(Object.entries(transports))("over %s", (_name, pair) => {
  it("what a reader takes leaves, not before, and its bytes are what was added", async () => {
    const { conn, peer } = await pair();
    const { outbox, hand } = setUp(conn);
    let left = false;
    expect(hand()).toBe(PACKETS);
    const leaving = outbox.left(never).then(() => {
      left = true;
    });
    await heard({ conn, peer });
    expect(left).toBe(false);
    expect(outbox.waitingMs).toBeGreaterThan(0);

    let received = 0;
    peer.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    peer.resume();
    await leaving;
    expect(outbox.waitingMs).toBe(0);
    expect(conn.writableLength).toBe(0);
    while (received < PACKETS * PACKET.length) await once(peer, "data");
    expect(received).toBe(PACKETS * PACKET.length);
  });

  it("what a reader does not take is thrown away with its connection when the time is over", async () => {
    const { conn } = await pair();
    const { outbox, hand, cut } = setUp(conn);
    const over = new AbortController();
    hand();
    const leaving = outbox.left(over.signal);
    over.abort();
    await leaving;
    expect([conn.destroyed, cut()]).toEqual([true, 1]);
    // Nor is anything taken, or waited for, afterwards.
    expect(hand()).toBe(0);
    await outbox.left(never);
  });

  it("no more waits than the bound says, before anything was written and after", async () => {
    const { conn } = await pair();
    const { outbox, hand } = setUp(conn, { maxUnsentBytes: 3 * PACKET.length });
    expect(hand()).toBe(3);
    for (let pass = 0; pass < 100; pass += 1) {
      void outbox.left(new AbortController().signal);
      hand();
    }
    expect(conn.writableLength).toBeLessThanOrEqual(3 * PACKET.length);
    expect(conn.writableLength).toBeGreaterThan(0);
  });
});

it("a reader that is late misses packets until it has taken what it was handed", async () => {
  const { conn, peer } = await transports.TCP();
  const { outbox, hand } = setUp(conn, { maxUnsentMs: 1 });
  hand();
  const leaving = outbox.left(never);
  while (outbox.waitingMs <= 1) await heard({ conn, peer });
  expect(outbox.add(PACKET)).toBe(false);
  peer.resume();
  await leaving;
  expect(outbox.add(PACKET)).toBe(true);
});
