import { describe, expect, it } from "vitest";
import { readPublication } from "../src/dialects/read.ts";
import { dialectNamed } from "../tests/fixtures/dialects.ts";
import { TASMOTA, ZIGBEE2MQTT } from "./dialect-loads.ts";

describe.each([ZIGBEE2MQTT, TASMOTA])(
  "the load of $dialect",
  ({ dialect: name, children, alias, counted, messages }) => {
    const dialect = dialectNamed(name);
    const sender = { isSelf: (word: string) => word === alias(7), hasChild: (word: string) => children.includes(word) };

    it("is taken message by message, with whatever digits, and counted once", () => {
      for (const { topic, template } of messages(7)) {
        for (const digit of ["0", "9"]) {
          const read = readPublication(dialect, sender, topic, template.replaceAll("#", digit));
          expect(read, topic).toHaveLength(1);
          const [{ telemetry: { status = {} } = {} } = {}] = "refused" in read ? [] : read;
          expect(Object.keys(status).filter((property) => counted.includes(property))).toHaveLength(1);
        }
      }
    });
  },
);
