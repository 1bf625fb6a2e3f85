/** The weather of a crowd goes to those services alone that are on the account of everyone in it. */
import { describe, expect, it } from "vitest";
import { PURPOSE_USES } from "../../model/consent.ts";
import type { CrowdTelling } from "../../model/crowd.ts";
import type { DisclosureLine, Recipient } from "../../model/disclosure.ts";
import { GatewayError } from "../../model/errors.ts";
import type { CellId, SubjectTag } from "../../model/ids.ts";
import { CrowdTopics } from "./crowd-topics.ts";
import { Accounting } from "./disclosure-accounting.ts";

const CELL = "8560145bfffffff" as CellId;
const telling = (cell: CellId = CELL, members = ["a", "b", "c", "d", "e"]): CrowdTelling => ({
  record: { cell, center: { lat: 12.9, lon: 77.6 }, at: 300_000, status: { temperature: 21.5 } },
  members: members.map((subject) => ({ subject: subject as SubjectTag, revision: 4 })),
});

function setUp(only: Readonly<Record<string, string | undefined>> = { sky: undefined }) {
  const opened: string[] = [];
  const added: string[] = [];
  const published: string[] = [];
  const counts: number[] = [];
  const self = { onOpen: async () => {}, listening: Object.keys(only) };
  const recipients = Object.keys(only).map(
    (name, index): Recipient => ({ index, name, purpose: "weather", region: "IN", contract: undefined }),
  );
  const text = ({ subject, recipient }: DisclosureLine) => `${subject} ${recipient.name}`;
  const accounting = new Accounting(
    { recipients, maxLines: 1_000 },
    {
      open: async (lines) => {
        await self.onOpen();
        opened.push(...lines.map(text));
      },
      add: async (_number, lines) => void added.push(...lines.map(([line, count]) => `${text(line)} ${count}`)),
    },
  );
  const topics = new CrowdTopics(
    {
      to: {
        outlets: (purpose) =>
          recipients
            .filter(({ name }) => purpose === "weather" && self.listening.includes(name))
            .map((recipient) => {
              const hears = (cell: string) => only[recipient.name] === undefined || only[recipient.name] === cell;
              return {
                recipient,
                categories: PURPOSE_USES.weather,
                changes: 0,
                hears,
                deliver: (cell, packet) => {
                  if (!hears(cell)) return false;
                  published.push(`${recipient.name} ${packet().toString()}`);
                  return true;
                },
              };
            }),
        listening: () => true,
        left: () => undefined,
      },
      packet: (purpose, name, payload) => Buffer.from(`${purpose}/${name} ${payload}`),
      counted: (_purpose, count) => void counts.push(count),
      now: () => Date.UTC(2026, 2, 7, 12),
    },
    accounting,
  );
  return Object.assign(self, { topics, accounting, opened, added, published, counts });
}

describe("the weather of a crowd", () => {
  it("is told as the contract says, and no other field, even when a record holds one", async () => {
    const { topics, published, counts } = setUp();
    const one = telling();
    const leaking = { ...one, record: { ...one.record, canary: "canary" } };
    expect((await topics.announce([leaking]))()).toBe(1);
    expect(published).toEqual([
      `sky weather/${CELL} {"cell":"${CELL}","center":{"lat":12.9,"lon":77.6},"at":300000,"status":{"temperature":21.5},"subjects":"5+"}`,
    ]);
    expect(counts).toEqual([1]);
  });

  it("is on the account of everyone in it before it goes, and counted for each of them", async () => {
    const { topics, accounting, opened, added, published } = setUp();
    const deliver = await topics.announce([telling(), telling("other" as CellId, ["a", "f"])]);
    expect(opened.toSorted()).toEqual(["a", "b", "c", "d", "e", "f"].map((subject) => `${subject} sky`));
    expect(published).toEqual([]);
    expect(deliver()).toBe(2);
    await accounting.flush();
    expect(added.toSorted()).toEqual(["a sky 2", ...["b", "c", "d", "e", "f"].map((subject) => `${subject} sky 1`)]);
  });

  it("goes to no one while the account cannot be written", async () => {
    const test = setUp();
    test.onOpen = async () => {
      throw new GatewayError("REDIS_UNAVAILABLE", "test");
    };
    await expect(test.topics.announce([telling()])).rejects.toThrow("REDIS_UNAVAILABLE");
    expect(test.published).toEqual([]);
  });

  it("goes to a service that hears the cell, and not to one that began to listen after the account was written", async () => {
    const test = setUp({ all: undefined, one: "another", late: undefined });
    test.listening = ["all", "one"];
    const deliver = await test.topics.announce([telling()]);
    expect(test.opened.every((line) => line.endsWith(" all"))).toBe(true);
    test.listening = ["all", "one", "late"];
    expect(deliver()).toBe(1);
    expect(test.published.map((line) => line.split(" ")[0])).toEqual(["all"]);
    test.listening = [];
    expect((await test.topics.announce([telling()]))()).toBe(0);
  });
});
