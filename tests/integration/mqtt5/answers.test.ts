/**
 * Statement by statement of MQTT 5: what is sent, and what the gateway answers, beside what Mosquitto does.
 * `docs/mqtt-conformance.md` shows the same table.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lineOf, tableOf } from "../../fixtures/conformance-table.ts";
import { describeMosquitto, MOSQUITTO_LOGINS } from "../../fixtures/mosquitto.ts";
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

describeMosquitto("Mosquitto", "mqtt5/answers", (url) => {
  test("answers as the table tells", async () => {
    const answers = await answersOf(url(), MOSQUITTO_LOGINS, ofMosquitto);
    expect(lines(answers)).toEqual(ROWS.map((row) => line(row, ofMosquitto(row))));
  });
});

test("docs/mqtt-conformance.md shows the same table", async () => {
  const rows = ROWS.map((row) => lineOf({ ...row, mosquitto: ofMosquitto(row), gateway: row.answer }));
  expect(await tableOf("5")).toEqual(rows);
});
