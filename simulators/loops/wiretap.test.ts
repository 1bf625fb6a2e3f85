/** What a service says and hears passes unchanged and is kept, without the token it logs in with. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { encodeConnect, encodePublish } from "../../tools/wire/mqtt-wire.ts";
import { firstPacketBytes, Wiretap } from "./wiretap.ts";

const TOKEN = "a-token-of-a-service".repeat(12);
const LOGIN = encodeConnect({ id: "weather-service", password: TOKEN, keepAliveSeconds: 30 });
const FORECAST = encodePublish("weather/8661892f7ffffff", 1, Buffer.from('{"at":1}'));

let broker: Server;
let wiretap: Wiretap;
let heard: Buffer[];
beforeEach(async () => {
  heard = [];
  broker = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      heard.push(chunk);
      socket.write("answer");
    });
  });
  broker.listen(0, "127.0.0.1");
  await once(broker, "listening");
  wiretap = await Wiretap.before(`mqtt://127.0.0.1:${(broker.address() as AddressInfo).port}`);
});
afterEach(async () => {
  await wiretap.stop();
  broker.close();
});

it("keeps both directions, and of the login nothing", async () => {
  const socket = connect(Number(new URL(wiretap.url).port), "127.0.0.1");
  for (const packet of [LOGIN, FORECAST]) {
    socket.write(packet);
    await once(socket, "data");
  }
  expect(Buffer.concat(heard)).toEqual(Buffer.concat([LOGIN, FORECAST]));
  const text = wiretap.bytes().toString("latin1");
  expect(text).toContain("weather/8661892f7ffffff");
  expect(text).toContain("answer");
  expect(text).not.toContain(TOKEN.slice(0, 20));
  socket.destroy();
});

it("takes a login that is not whole for nothing but a login", () => {
  expect(firstPacketBytes(LOGIN)).toBe(LOGIN.length);
  expect(firstPacketBytes(Buffer.concat([LOGIN, FORECAST]))).toBe(LOGIN.length);
  for (const part of [0, 1, 2, 20]) expect(firstPacketBytes(LOGIN.subarray(0, part))).toBe(part);
});
