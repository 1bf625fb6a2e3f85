import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CircuitBreaker } from "./circuit-breaker.ts";

function breakerAt(options = { failures: 3, openMs: 100, maxOpenMs: 1000 }) {
  const clock = { ms: 5_000 };
  return { clock, breaker: new CircuitBreaker(options, () => clock.ms) };
}

describe("CircuitBreaker", () => {
  it("opens after enough failures in a row, and a success between them resets the count", () => {
    const { breaker } = breakerAt();
    breaker.failed();
    breaker.failed();
    breaker.passed();
    breaker.failed();
    breaker.failed();
    expect(breaker.state).toBe("closed");
    expect(breaker.enter()).toBe(0);
    breaker.failed();
    expect(breaker.state).toBe("open");
    expect(breaker.enter()).toBe(100);
  });

  it("lets one attempt decide: a failure doubles the pause up to the longest, a success closes it", () => {
    const { breaker, clock } = breakerAt();
    for (let i = 0; i < 3; i += 1) breaker.failed();
    const pauses = [];
    for (let i = 0; i < 6; i += 1) {
      clock.ms += breaker.enter();
      expect(breaker.state).toBe("half-open");
      breaker.failed();
      pauses.push(breaker.enter());
    }
    expect(pauses).toEqual([200, 400, 800, 1000, 1000, 1000]);
    clock.ms += 1000;
    breaker.passed();
    expect(breaker.state).toBe("closed");
    for (let i = 0; i < 3; i += 1) breaker.failed();
    expect(breaker.enter()).toBe(100);
  });

  it("admits no other caller while one attempt decides, unless that one never reports its result", () => {
    const { breaker, clock } = breakerAt();
    for (let i = 0; i < 3; i += 1) breaker.failed();
    clock.ms += 100;
    expect([breaker.enter(), breaker.enter() > 0, breaker.enter() > 0]).toEqual([0, true, true]);
    breaker.failed();
    expect(breaker.enter()).toBe(200);
    clock.ms += 200;
    expect([breaker.enter(), breaker.enter() > 0]).toEqual([0, true]);
    clock.ms += 2_000;
    expect([breaker.enter(), breaker.enter() > 0]).toEqual([0, true]);
    breaker.passed();
    expect([breaker.enter(), breaker.enter()]).toEqual([0, 0]);
  });

  it("follows Retry-After at the first failure, but not for longer than ten minutes", () => {
    const { breaker, clock } = breakerAt();
    breaker.failed(5_000);
    expect(breaker.state).toBe("open");
    expect(breaker.enter()).toBe(5_000);
    clock.ms += 5_000;
    breaker.failed(86_400_000);
    expect(breaker.enter()).toBe(600_000);
  });

  it("does not shorten or double its pause for late failures of attempts made before it opened", () => {
    const { breaker, clock } = breakerAt();
    for (let i = 0; i < 3; i += 1) breaker.failed();
    clock.ms += 40;
    breaker.failed();
    breaker.failed(10);
    expect(breaker.enter()).toBe(60);
    breaker.failed(90);
    expect(breaker.enter()).toBe(90);
  });

  it("never asks for more than its longest pause unless the server did", () => {
    const step = fc.oneof(fc.constant("passed"), fc.constant("failed"), fc.nat(2000));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const { breaker, clock } = breakerAt();
        for (const one of steps) {
          if (one === "passed") breaker.passed();
          else if (one === "failed") breaker.failed();
          else if (typeof one === "number") clock.ms += one;
          const { state } = breaker;
          const waitMs = breaker.enter();
          expect(waitMs).toBeLessThanOrEqual(1000);
          if (state !== "half-open") expect(state === "open").toBe(waitMs > 0);
        }
      }),
    );
  });
});
