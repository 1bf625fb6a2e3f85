/**
 * Promise: however many connections are held to the HTTP interface, silent, slow, deaf or full of requests, a
 * withdrawal and the question whether the gateway is ready are answered.
 */
import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { wire } from "../../src/http/wire.ts";
import { until } from "../fixtures/eventually.ts";
import { httpApi, TOKEN } from "../integration/http-fixture.ts";

const MAX = 64;
const api = httpApi({ bounds: { maxConnections: MAX, maxConnectionsPerAddress: 40 } });
const held: Socket[] = [];

afterEach(() => {
  for (const socket of held.splice(0)) socket.destroy();
});

const WITHDRAWAL = "/v1/subjects/anna/withdrawals";
const BODY = `POST ${WITHDRAWAL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n`;
const GET = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

/** Holds more connections than there may be, each having said this; resolves once as many as may stay are there. */
async function hold(said: string, count = 4 * MAX, deaf = false): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ host: "127.0.0.1", port: api.port() });
      held.push(socket);
      socket.on("error", () => {});
      if (deaf) socket.pause();
      else socket.resume();
      await new Promise<void>((resolve) => {
        socket.once("connect", () => socket.write(said, () => resolve()));
        socket.once("close", () => resolve());
      });
    }),
  );
}

/** On a connection of its own, so that none of before helps. */
function ask(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port: api.port() });
    let answer = "";
    socket.on("data", (data) => {
      answer += data;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
    socket.write(bytes);
  });
}

async function rightsAndHealth(): Promise<void> {
  const close = "Connection: close\r\n";
  expect(await ask(`GET /readyz HTTP/1.1\r\nHost: x\r\n${close}\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
  const head = `POST ${WITHDRAWAL} HTTP/1.1\r\nHost: x\r\n${close}Authorization: Bearer ${TOKEN}\r\n`;
  const answer = await ask(`${head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);
  expect(answer).toMatch(/^HTTP\/1\.1 200 .*"drained":true/s);
}

const open = () =>
  held.filter(({ destroyed, closed, readableEnded }) => !destroyed && !closed && !readableEnded).length;

describe.each([
  ["that say nothing", ""],
  ["that asked once and are silent", GET],
  ["whose headers never end", "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "],
  ["whose body never comes", BODY],
  ["whose body never comes, without a token", BODY.replace(TOKEN, "wrong")],
  ["of which one is too many for the privacy centre", BODY.replace(WITHDRAWAL, "/centre/session")],
])("connections %s", (_name, said) => {
  test("yield", async () => {
    await api.call("PUT", "/v1/subjects/anna/devices/hub-1");
    await hold(said);
    await rightsAndHealth();
    await until("no more than one address may have are left", () => open() <= 41);
    await rightsAndHealth();
  });
});

describe("where none ends because its time is over", () => {
  let server: Server;
  let port: number;
  beforeEach(async () => {
    const never = { requestTimeoutMs: 600_000, keepAliveMs: 600_000 };
    const bounds = { maxConnections: MAX, maxPerAddress: 40, maxUnanswered: 4, takeWithinMs: 600_000 };
    server = wire({ ...bounds, ...never, maxHeaderBytes: 8_192 })((_request, response) => response.end("here"));
    await once(server.listen(0, "127.0.0.1"), "listening");
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });

  /** Of the whole 127/8, so that the test may come from many addresses. */
  async function heldFrom(localAddress: string, count: number): Promise<Socket[]> {
    const sockets = Array.from({ length: count }, () => connect({ host: "127.0.0.1", port, localAddress }));
    held.push(...sockets);
    for (const socket of sockets) socket.on("error", () => {}).resume();
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    return sockets;
  }
  const left = (sockets: readonly Socket[]) => sockets.filter(({ closed }) => !closed).length;
  const answered = async ([socket]: readonly Socket[]) => {
    socket?.write(GET);
    await until("it is answered", () => (socket?.bytesRead ?? 0) > 0);
  };

  test("one address has its share and no more, and another one all that it had", async () => {
    const other = await heldFrom("127.0.0.2", 10);
    const many = await heldFrom("127.0.0.1", 50);
    await until("the oldest are closed", () => left(many) === 40);
    expect(many.slice(0, 10).every(({ closed }) => closed)).toBe(true);
    expect(left(other)).toBe(10);
    await answered(other);
  });

  test("many addresses that keep to their share have all there is and no more, and anyone who comes finds a place", async () => {
    const first = await heldFrom("127.0.0.2", 30);
    const rest = [...(await heldFrom("127.0.0.3", 30)), ...(await heldFrom("127.0.0.4", 30))];
    await until("the oldest are closed", () => left([...first, ...rest]) === MAX);
    expect(left(first)).toBe(MAX - rest.length);
    await answered(await heldFrom("127.0.0.5", 1));
  });
});

test("a request that is being worked on does not yield", async () => {
  await api.call("PUT", "/v1/subjects/anna/devices/hub-1");
  const lease = await api.store().leases.acquire();
  const waiting = api.call("POST", WITHDRAWAL, {});
  await hold(GET);
  await rightsAndHealth().catch(() => undefined);
  await lease.release();
  expect(await waiting).toMatchObject({ status: 200, json: { drained: true } });
});

test("who sends many requests ahead is cut off, and keeps no one waiting", async () => {
  await api.call("PUT", "/v1/subjects/anna/devices/hub-1");
  await hold("GET /docs/json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500), 10, true);
  await rightsAndHealth();
  for (const socket of held) socket.resume();
  await until("they are cut off", () => held.every(({ destroyed }) => destroyed));
});

test("who takes nothing of a large answer is not worked for, and yields", async () => {
  await api.call("PUT", "/v1/subjects/anna/devices/hub-1");
  const large = "GET /docs/static/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(4);
  await hold(large, 2 * MAX, true);
  // At once: who comes again and again for it would else be worked for all the time.
  await rightsAndHealth();
});

test("a connection is kept for seconds after its answer, not for minutes", async () => {
  const begun = performance.now();
  const answer = await ask(GET);
  expect(answer).toMatch(/^HTTP\/1\.1 200 .*keep-alive: timeout=5/is);
  expect(performance.now() - begun).toBeLessThan(30_000);
});
