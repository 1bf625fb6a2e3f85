/** A stream is over with its connection, also where its answer waits behind another one on it. */
import { connect } from "node:net";
import fastify from "fastify";
import { expect, it } from "vitest";
import { openStream } from "./event-stream.ts";

/** Resolves when the stream is closed. `before` runs in its route first. */
async function closedAfter(requests: string, before: (leave: () => void) => Promise<void>): Promise<number> {
  const app = fastify();
  let closed = 0;
  let [over, answer] = [(): void => undefined, (_text: string): void => undefined];
  const ended = new Promise<void>((resolve) => {
    over = resolve;
  });
  const slow = new Promise<string>((resolve) => {
    answer = resolve;
  });
  app.get("/slow", () => slow);
  app.get("/live", async (request, reply) => {
    const gone = new Promise((left) => request.raw.socket.once("close", left));
    await before(() => void client.destroy());
    if (client.destroyed) await gone;
    openStream(reply, () => {
      closed += 1;
      over();
    });
    client.destroy();
  });
  const url = new URL(await app.listen({ host: "127.0.0.1", port: 0 }));
  const client = connect(Number(url.port), "127.0.0.1", () => client.write(requests));
  await ended;
  answer("late");
  await app.close();
  return closed;
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: here\r\n\r\n`;

it("ends once when the connection breaks", async () => {
  expect(await closedAfter(get("/live"), async () => undefined)).toBe(1);
});

it("ends when the connection breaks while an answer before it is not sent", async () => {
  expect(await closedAfter(get("/slow") + get("/live"), async () => undefined)).toBe(1);
});

it("ends at once when the connection was gone before it began", async () => {
  expect(await closedAfter(get("/live"), async (leave) => leave())).toBe(1);
});
