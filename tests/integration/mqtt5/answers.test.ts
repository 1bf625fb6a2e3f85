/**
 * Statement by statement of MQTT 5: what is sent, and what the gateway answers, beside what Mosquitto does.
 * `docs/mqtt-conformance.md` shows the same table.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PrivateServer } from "../../../tools/private-servers/private-server.ts";
import { mosquitto, startMosquitto } from "../../fixtures/mosquitto.ts";
import { OF_MOSQUITTO } from "../../fixtures/mqtt5/mosquitto-answers.ts";
import type { Row5 } from "../../fixtures/mqtt5/row.ts";
import { answersOf, line, ROWS } from "../../fixtures/mqtt5/rows.ts";
import { startSystem, type TestSystem } from "../../fixtures/system.ts";

const ofMosquitto = ({ what, answer }: Row5): string => OF_MOSQUITTO[what] ?? answer;
const lines = (answers: readonly string[]): string[] => ROWS.map((row, index) => line(row, answers[index] ?? ""));

test("each row has a name of its own", () => {
  const names = ROWS.map(({ what }) => what);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  expect(Object.keys(OF_MOSQUITTO).filter((name) => !names.includes(name))).toEqual([]);
});

describe("the gateway", () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startSystem({ mqtt: { failedLoginsPerMinute: 100_000, takeoversPerMinute: 100_000 } });
  });
  afterAll(() => system?.stop());

  test("answers as the standard says, and admits nothing but what it acknowledges", async () => {
    const answers = await answersOf(system.stack.mqttUrl, await system.devices(8), ({ answer }) => answer);
    expect(lines(answers)).toEqual(ROWS.map((row) => line(row, row.answer)));
    // The one of QoS 0 has no acknowledgement.
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
    const answers = await answersOf(server.url, logins, ofMosquitto);
    expect(lines(answers)).toEqual(ROWS.map((row) => line(row, ofMosquitto(row))));
  });
});

test("docs/mqtt-conformance.md shows the same table", async () => {
  const page = await readFile(new URL("../../../docs/mqtt-conformance.md", import.meta.url), "utf8");
  const rows = ROWS.map(
    (row) =>
      `| ${row.norm.startsWith("MQTT-") ? `[${row.norm}]` : row.norm} | ${row.what} | ${ofMosquitto(row)} | ${row.answer} |`,
  );
  const [, table = ""] = page.split("\n## MQTT 5\n");
  expect(table.split("\n").filter((text) => /^\| \[?(?:MQTT-)?\d/.test(text))).toEqual(rows);
});
