import { describe, expect, it } from "vitest";
import { connectionLimits, requireConnections } from "./open-files.ts";

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max processes             96375                96375                processes
Max open files            20000                20000                files
Max locked memory         8388608              8388608              bytes
`;

describe("connectionLimits", () => {
  it("reads the limits of a process and the range of ports", () => {
    expect(connectionLimits(LIMITS, "32768\t60999\n")).toEqual({ openFiles: 20_000, localPorts: 28_232 });
  });

  it("takes no limit for one that is never met", () => {
    const unlimited = LIMITS.replaceAll("20000", "unlimited");
    expect(connectionLimits(unlimited, "1024 65535").openFiles).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("requireConnections", () => {
  const limits = { openFiles: 20_000, localPorts: 28_232 };

  it("lets pass what the machine can hold", () => {
    expect(() => requireConnections(19_744, limits)).not.toThrow();
  });

  it("says which limit of open files would do, and how many devices would", () => {
    expect(() => requireConnections(20_000, limits)).toThrow(
      '20,000 connections need 20256 open files in one process, and the limit is 20000: raise it ("ulimit -n 20256", ' +
        "and the hard limit with it) or take 19,744 at the most",
    );
  });

  it("says when ports run out first", () => {
    expect(() => requireConnections(30_000, { ...limits, openFiles: 1e6 })).toThrow("take 28,232 at the most");
  });
});
