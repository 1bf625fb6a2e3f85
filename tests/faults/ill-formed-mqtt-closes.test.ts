/**
 * Whatever MQTT 3.1.1 answers with a closed or refused connection gets that answer and no acknowledgement, from the
 * gateway as from Mosquitto; where the two differ the table says so.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lineOf, tableOf } from "../fixtures/conformance-table.ts";
import { until } from "../fixtures/eventually.ts";
import { connect, field, ILL_FORMED, type IllFormed, type Login, packet } from "../fixtures/ill-formed-mqtt.ts";
import { describeMosquitto, MOSQUITTO_LOGINS } from "../fixtures/mosquitto.ts";
import { RawPeer } from "../fixtures/raw-peer.ts";
import { startSystem, type TestSystem } from "../fixtures/system.ts";

/** What came back but for CONNACK 0 and PINGRESP, and whether the connection lives on. */
async function answerOf(url: string, login: Login, { after, bytes }: IllFormed, due: string): Promise<string> {
  const peer = RawPeer.to(url);
  const cameBack = (cmd: string) => peer.packets.filter((one) => one.cmd === cmd).length;
  if (after === "login") {
    peer.bytes(connect(login));
    await until("it is logged in", () => cameBack("connack") === 1 || peer.closed);
  }
  peer.bytes(bytes(login), packet(0xc0));
  await until("it is answered", () => peer.closed || cameBack("pingresp") > 0);
  const answer = () => {
    const packets = peer.packets.flatMap((one) => {
      if (one.cmd === "pingresp" || (one.cmd === "connack" && one.returnCode === 0)) return [];
      return [one.cmd === "connack" ? `CONNACK ${one.returnCode}` : one.cmd.toUpperCase()];
    });
    return [...packets, peer.closed ? "closed" : "kept"];
  };
  // A PUBACK waits until it is known what becomes of the message, and PINGRESP does not.
  await until("all that is due has come", () => peer.closed || answer().length >= due.split(", ").length);
  const found = answer().join(", ");
  peer.end();
  return found;
}

/** All of them, as many at a time as there are logins: a second connection of a device would end the first. */
async function answers(url: string, logins: readonly Login[], dueOf: (one: IllFormed) => string): Promise<string[]> {
  const found: string[] = [];
  const waiting = [...ILL_FORMED.entries()];
  const work = async (login: Login): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, one] = next;
      found[index] = told(one, await answerOf(url, login, one, dueOf(one)).catch(() => "silence"));
    }
  };
  await Promise.all(logins.map(work));
  return found;
}

const told = ({ norm, what }: IllFormed, answer: string): string => `${norm}, ${what}: ${answer}`;

describe("an ill-formed packet", () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startSystem();
  });
  afterAll(() => system?.stop());

  test("ends or refuses the connection, statement by statement, and nothing of it is admitted", async () => {
    const found = await answers(system.stack.mqttUrl, await system.devices(8), (one) => one.answer);
    expect(found).toEqual(ILL_FORMED.map((one) => told(one, one.answer)));
    expect((await system.books()).admitted).toBe(0);
  });

  test.each([
    ["QoS 1 without packet identifier", 0x32, []],
    ["QoS 1 with half of one", 0x32, [0]],
    ["QoS 2 without packet identifier", 0x34, []],
  ])("PUBLISH of %s, and nothing behind it that could be taken for one [MQTT-2.3.1-1]", async (_what, first, rest) => {
    const device = await system.device();
    const peer = RawPeer.to(system.stack.mqttUrl);
    await peer.login(device);
    peer.bytes(packet(first, field(`devices/${device.id}/telemetry`), rest));
    await until("it is answered", () => peer.closed || peer.packets.length > 1);
    await peer.gone();
    expect(peer.packets).toHaveLength(1);
  });
});

describeMosquitto("the same packet sent to Mosquitto", "ill-formed-mqtt-closes", (url) => {
  test("gets the answer that the table tells", async () => {
    const byMosquitto = (one: IllFormed) => one.mosquitto ?? one.answer;
    const found = await answers(url(), MOSQUITTO_LOGINS, byMosquitto);
    expect(found).toEqual(ILL_FORMED.map((one) => told(one, byMosquitto(one))));
  });
});

test("docs/mqtt-conformance.md shows the same table", async () => {
  const rows = ILL_FORMED.map((row) => lineOf({ ...row, mosquitto: row.mosquitto ?? row.answer, gateway: row.answer }));
  expect(await tableOf("3.1.1")).toEqual(rows);
});
