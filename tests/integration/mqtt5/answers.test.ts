/**
 * Statement by statement of MQTT 5: what is sent, and what the gateway answers, beside what Mosquitto does.
 * `docs/mqtt-conformance.md` shows the same table.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PrivateServer } from "../../../tools/private-servers/private-server.ts";
import { until } from "../../fixtures/eventually.ts";
import type { Login } from "../../fixtures/ill-formed-mqtt.ts";
import { mosquitto, startMosquitto } from "../../fixtures/mosquitto.ts";
import { CONNECT_ROWS } from "../../fixtures/mqtt5/connect-rows.ts";
import { OTHER_ROWS } from "../../fixtures/mqtt5/other-rows.ts";
import { PINGREQ } from "../../fixtures/mqtt5/packets.ts";
import { Peer5 } from "../../fixtures/mqtt5/peer.ts";
import { PUBLISH_ROWS } from "../../fixtures/mqtt5/publish-rows.ts";
import { told as asText } from "../../fixtures/mqtt5/reader.ts";
import type { Row5 } from "../../fixtures/mqtt5/row.ts";
import { startSystem, type TestSystem } from "../../fixtures/system.ts";

const ROWS: readonly Row5[] = [...CONNECT_ROWS, ...PUBLISH_ROWS, ...OTHER_ROWS];
/** Far above what an answer takes; only a wrong row waits for it. */
const TIMEOUT_MS = 5_000;

/** What came back but for the CONNACK of the login and PINGRESP, and whether the connection lives on. */
async function answerOf(url: string, login: Login, { after, bytes }: Row5, expected: string): Promise<string> {
  const peer = Peer5.to(url);
  if (after === "login") await peer.login(login);
  peer.bytes(bytes(login), PINGREQ);
  const answer = (): string => {
    const came = after === "login" ? peer.packets.slice(1) : peer.packets;
    const answers = came.filter(({ type }) => type !== "PINGRESP").map(asText);
    return [...answers, peer.closed ? "closed" : "kept"].join(", ");
  };
  const isAnswered = (): boolean => peer.of("PINGRESP").length > 0 && answer() === expected;
  await until("it is answered", () => peer.closed || isAnswered(), TIMEOUT_MS).catch(() => undefined);
  const { fault } = peer;
  peer.end();
  return fault === undefined ? answer() : fault.message;
}

const told = ({ norm, what }: Row5, answer: string): string => `${norm}, ${what}: ${answer}`;

/** All of them, as many at a time as there are logins: a second connection of a device would end the first. */
async function answers(url: string, logins: readonly Login[], answer: (row: Row5) => string): Promise<string[]> {
  const found: string[] = [];
  const waiting = [...ROWS.entries()];
  const work = async (login: Login): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, row] = next;
      const came = await answerOf(url, login, row, answer(row)).catch((error: Error) => error.message);
      found[index] = told(row, came);
    }
  };
  await Promise.all(logins.map(work));
  return found;
}

test("no two rows are of the same", () => {
  const names = ROWS.map(({ what }) => what);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

describe("the gateway", () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startSystem({ mqtt: { failedLoginsPerMinute: 100_000, takeoversPerMinute: 100_000 } });
  });
  afterAll(() => system?.stop());

  test("answers as the standard says, and admits nothing else than what it acknowledges", async () => {
    const found = await answers(system.stack.mqttUrl, await system.devices(8), ({ answer }) => answer);
    expect(found).toEqual(ROWS.map((row) => told(row, row.answer)));
    // One of QoS 0 has no acknowledgement.
    const acknowledged = ROWS.flatMap(({ answer }) => answer.match(/PUB(?:ACK|REC) 0x00/g) ?? []).length + 1;
    expect((await system.books()).admitted).toBe(acknowledged);
  });
});

if (mosquitto === undefined) {
  process.stderr.write("mqtt5/answers: no mosquitto on this machine (apt-get install mosquitto)\n");
}

describe.skipIf(mosquitto === undefined)("Mosquitto", () => {
  let dir: string;
  let server: PrivateServer;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "consentry-mosquitto-"));
    server = await startMosquitto(mosquitto ?? "", dir);
  });
  afterAll(async () => {
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test("answers as the table tells", async () => {
    const logins = Array.from({ length: 8 }, (_, index) => ({ id: `hub-${index}`, token: "any" }));
    const found = await answers(server.url, logins, (row) => row.mosquitto ?? row.answer);
    expect(found).toEqual(ROWS.map((row) => told(row, row.mosquitto ?? row.answer)));
  });
});

test("docs/mqtt-conformance.md shows the same table", async () => {
  const page = await readFile(new URL("../../../docs/mqtt-conformance.md", import.meta.url), "utf8");
  const rows = ROWS.map(
    ({ norm, what, answer, mosquitto: other }) =>
      `| ${norm.startsWith("MQTT-") ? `[${norm}]` : norm} | ${what} | ${other ?? answer} | ${answer} |`,
  );
  const [, table = ""] = page.split("\n## MQTT 5\n");
  expect(table.split("\n").filter((line) => /^\| \[?(?:MQTT-)?\d/.test(line))).toEqual(rows);
});
