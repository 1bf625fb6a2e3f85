import { expect, test } from "vitest";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import { LastHeard } from "./last-heard.ts";

const device = (deviceKey: string, subjectTag = "anna") => ({
  deviceKey: deviceKey as DeviceKey,
  subjectTag: subjectTag as SubjectTag,
});

test("a device is told to the person who had it, and to no later owner", () => {
  const heard = new LastHeard(10);
  heard.of(device("lamp")).at = 5;
  expect(heard.at(device("lamp"))).toBe(5);
  expect(heard.at(device("lamp", "ben"))).toBeUndefined();
  heard.of(device("lamp", "ben"));
  expect(heard.at(device("lamp", "ben"))).toBeUndefined();
});

test("no more devices are remembered than may be, and looking adds none", () => {
  const heard = new LastHeard(2);
  for (const name of ["a", "b", "c"]) heard.of(device(name)).at = 1;
  heard.at(device("d"));
  expect(["a", "b", "c", "d"].map((name) => heard.at(device(name)))).toEqual([undefined, 1, 1, undefined]);
});
