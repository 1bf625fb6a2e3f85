import { describe, expect, it } from "vitest";
import { DeviceId } from "../../model/ids.ts";
import { deviceMayReceive, publishTopics } from "./topics.ts";

const id = DeviceId("hub-1") as DeviceId;

describe("topics of a device", () => {
  it("are exactly the five of the contract", () => {
    expect([...publishTopics(id).keys()]).toEqual(
      ["telemetry", "model", "ip", "location", "status"].map((part) => `devices/hub-1/${part}`),
    );
  });

  it("lets it subscribe to its own commands and notices and to nothing else", () => {
    for (const filter of ["devices/hub-1/commands/#", "devices/hub-1/commands/light", "devices/hub-1/notices"]) {
      expect(deviceMayReceive(id, filter)).toBe(true);
    }
    for (const filter of [
      "#",
      "+/+/+",
      "devices/#",
      "devices/+/commands/#",
      "devices/hub-1/#",
      "devices/hub-1/telemetry",
      "devices/hub-10/notices",
      "devices/hub-1/notices/#",
      "$SYS/#",
      "processed/weather/#",
    ]) {
      expect(deviceMayReceive(id, filter), filter).toBe(false);
    }
  });
});
