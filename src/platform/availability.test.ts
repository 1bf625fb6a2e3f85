import { expect, it, vi } from "vitest";
import { Availability } from "./availability.ts";

it("says that it stops as long as a balancer needs to see it, and only when it was available", async () => {
  vi.useFakeTimers();
  try {
    const one = new Availability(5_000);
    expect(one.state).toBe("starting");
    await one.stop();
    expect(one.state).toBe("stopping");

    const other = new Availability(5_000);
    other.start();
    expect(other.state).toBe("available");
    let stopped = false;
    const stopping = other.stop().then(() => {
      stopped = true;
    });
    expect(other.state).toBe("stopping");
    await vi.advanceTimersByTimeAsync(4_999);
    expect(stopped).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await stopping;
    expect(stopped).toBe(true);
    await other.stop();
  } finally {
    vi.useRealTimers();
  }
});
