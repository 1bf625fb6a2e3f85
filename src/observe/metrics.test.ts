import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BY_CONSENT, DEAD_LETTER_REASONS, NOT_PERMITTED, REFUSAL_REASONS, type Refusal } from "../model/outcome.ts";
import { READINESS_REASONS } from "../model/readiness.ts";
import { EventLoopWatch } from "./event-loop.ts";
import type { MetricRow } from "./metric-row.ts";
import { METRICS } from "./metric-table.ts";
import { Metrics } from "./metrics.ts";
import { ProcessFigures } from "./process-figures.ts";
import { Refreshes } from "./refreshes.ts";
import { VERSION } from "./version.ts";

let metrics: Metrics;
beforeEach(async () => {
  metrics = new Metrics({ eventLoopDelayMs: 250 });
  await metrics.start();
});
afterEach(() => metrics.stop());

async function sample(series: string): Promise<number | undefined> {
  const line = (await metrics.text("full")).split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** One of everything that can be counted. */
function countEverything(): void {
  metrics.received(7);
  metrics.recovered(2);
  metrics.handedOver(1);
  metrics.admitted(5);
  for (const reason of REFUSAL_REASONS) metrics.refused(reason, 1);
  metrics.stored(3);
  metrics.forwardedOnly(1);
  metrics.deadLettered("poison", 1);
  metrics.forwarded("weather", 4);
  metrics.forwardDropped(1);
  metrics.connected("device", 1);
  metrics.loggedIn("5");
  metrics.connectionRefused("bad-credentials");
  metrics.securityEvent("foreign-topic");
  metrics.clockReplaced();
  metrics.command("delivered");
  metrics.networkNotice("away");
  metrics.batch(500);
  metrics.pubackSeconds(0.003, 500);
  metrics.sinkWrote("influx", 20);
  metrics.sinkFailed("influx", "SINK_DENIED");
  metrics.withdrawalAnswered(12);
  metrics.auditLate();
  metrics.notified(3);
  for (const name of [
    "pausedConnections",
    "backlogMessages",
    "backlogBytes",
    "deadLetters",
    "deadLetterBytes",
    "breakerOpen",
  ] as const) {
    metrics.gauge(name, 1);
  }
}

describe("the books", () => {
  it("balance: what came in is what went out and what is in flight", () => {
    let seed = 42;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % below;
    };
    let inFlight = 0;
    for (let turn = 0; turn < 500; turn += 1) {
      const incoming = 1 + random(20);
      if (random(2) === 0) metrics.received(incoming);
      else metrics.recovered(incoming);
      inFlight += incoming;
      const settled = random(inFlight + 1);
      const way = random(5);
      if (way === 0) metrics.stored(settled);
      else if (way === 1) metrics.forwardedOnly(settled);
      else if (way === 2) metrics.refused(REFUSAL_REASONS[random(REFUSAL_REASONS.length)] as Refusal, settled);
      else if (way === 3) metrics.handedOver(settled);
      else metrics.deadLettered("sink-rejected", settled);
      inFlight -= settled;
      expect(metrics.books().inFlight).toBe(inFlight);
    }
    const { received, recovered, handedOver, stored, forwardedOnly, refused, deadLettered } = metrics.books();
    const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0);
    const done = stored + forwardedOnly + sum(refused) + sum(deadLettered) + handedOver;
    expect(received + recovered).toBe(done + inFlight);
    expect(Object.keys(refused)).toEqual(REFUSAL_REASONS);
    expect(Object.keys(deadLettered)).toEqual(Object.keys(DEAD_LETTER_REASONS));
  });

  it("are a copy: a snapshot does not move", () => {
    const before = metrics.books();
    metrics.refused("over-rate", 3);
    expect(before.refused["over-rate"]).toBe(0);
    expect(metrics.books().refused["over-rate"]).toBe(3);
  });

  it("show what was counted, however often they are scraped", async () => {
    countEverything();
    for (let scrape = 0; scrape < 2; scrape += 1) {
      expect(await sample("consentry_messages_received_total")).toBe(7);
      expect(await sample('consentry_messages_refused_total{reason="over-rate"}')).toBe(1);
      expect(await sample('consentry_messages_dead_lettered_total{reason="poison"}')).toBe(1);
      expect(await sample("consentry_messages_in_flight")).toBe(8 - REFUSAL_REASONS.length - 5);
      expect(await sample('consentry_forwarded_total{purpose="weather"}')).toBe(4);
      expect(await sample('consentry_connections{kind="device"}')).toBe(1);
      expect(await sample('consentry_logins_total{version="5"}')).toBe(1);
      expect(await sample('consentry_sink_failures_total{sink="influx",code="SINK_DENIED"}')).toBe(1);
    }
  });
});

describe("the text", () => {
  it("has every row of the table, with every value of its labels, from the first scrape on", async () => {
    const text = await metrics.text("full");
    for (const row of Object.values(METRICS) as MetricRow[]) {
      expect(text).toContain(`# HELP ${row.name} `);
      expect(text).toContain(`# TYPE ${row.name} ${row.kind}\n`);
      for (const [label, values] of Object.entries(row.labels)) {
        // Stands for others in the open view alone.
        const told = values.filter((value) => value !== NOT_PERMITTED);
        for (const value of told) expect(text).toMatch(new RegExp(`^${row.name}\\w*\\{.*${label}="${value}"`, "m"));
      }
    }
    expect(text).toMatch(/^process_cpu_seconds_total \d/m);
    expect(text).toMatch(/^nodejs_heap_size_used_bytes \d/m);
  });

  it("tells nothing of consent and holds to those without the token, and counts as much", async () => {
    countEverything();
    metrics.erasuresOpen({ running: 1, held: 2 });
    metrics.gauge("holdsOpen", 1);
    const [open, full] = [await metrics.text("open"), await metrics.text("full")];
    const refused = (text: string) =>
      [...text.matchAll(/^consentry_messages_refused_total\{reason="([^"]+)"\} (\d+)$/gm)].map(
        ([, reason, count]) => [reason, Number(count)] as const,
      );
    const together = refused(full).filter(([reason = ""]) => BY_CONSENT.has(reason) || reason === "legal-hold");
    expect(together).toHaveLength(7);
    expect(new Map(refused(open)).get(NOT_PERMITTED)).toBe(7);
    expect(refused(open).filter(([reason = ""]) => reason.includes("consent") || reason.includes("hold"))).toEqual([]);
    const sum = (text: string) => refused(text).reduce((total, [, count]) => total + count, 0);
    expect(sum(open)).toBe(sum(full));
    expect(full).toContain("consentry_holds_open 1\n");
    expect(full).toContain('consentry_erasures_open{state="held"} 2\n');
    expect(open).toContain('consentry_erasures_open{state="running"} 3\n');
    expect(open).not.toMatch(/^(?:# \w+ )?consentry_hold|"held"/m);
    expect(open).toMatch(/^process_cpu_seconds_total \d/m);
  });

  it("has no label value outside the closed sets of the table", async () => {
    countEverything();
    const text = `${await metrics.text("full")}${await metrics.text("open")}`;
    const rows = Object.values(METRICS) as MetricRow[];
    let seen = 0;
    for (const [, name, labels] of text.matchAll(/^(consentry_\w+)\{(.*)\} /gm)) {
      const row = rows.find(
        (candidate) => name?.replace(/_bucket$|_sum$|_count$/, "") === candidate.name || name === candidate.name,
      );
      if (row === undefined) continue;
      for (const [, label, value] of (labels ?? "").matchAll(/(\w+)="([^"]*)"/g)) {
        seen += 1;
        const allowed = label === "le" ? [...(row.buckets ?? []).map(String), "+Inf"] : row.labels[label ?? ""];
        expect(allowed, `${name} ${label}`).toContain(value);
      }
    }
    expect(seen).toBeGreaterThan(50);
  });

  it("names metrics after the project, with the unit or `_total` at the end of a counter", () => {
    for (const row of Object.values(METRICS) as MetricRow[]) {
      expect(row.name).toMatch(/^consentry_[a-z_]+$/);
      expect(row.name.endsWith("_total")).toBe(row.kind === "counter");
      if (row.buckets !== undefined) expect([...row.buckets].sort((a, b) => a - b)).toEqual(row.buckets);
    }
  });

  it("cannot be given an id for a label", () => {
    const device = "hub-1" as string;
    // @ts-expect-error a label takes values of its closed set only
    metrics.forwarded(device, 0);
    // @ts-expect-error the same for the books
    metrics.refused(device, 0);
    // @ts-expect-error the same for connections
    metrics.connectionRefused(device);
    expect(metrics.books().received).toBe(0);
  });

  it("is refreshed first, and does not wait forever or fail with a refresh that does", async () => {
    metrics.beforeScrape(() => metrics.gauge("backlogBytes", 99));
    metrics.beforeScrape(() => {
      throw new Error("broken");
    });
    metrics.beforeScrapeCostly(() => Promise.reject(new Error("unreachable")));
    metrics.beforeScrapeCostly(() => new Promise(() => {}));
    expect(await sample("consentry_backlog_bytes")).toBe(99);
  });

  it("asks for what is costly once a second at most, however often it is scraped", async () => {
    const refreshes = new Refreshes();
    const asked = { cheap: 0, costly: 0 };
    refreshes.add(() => {
      asked.cheap += 1;
    });
    refreshes.addCostly(async () => {
      asked.costly += 1;
    });
    for (let now = 5_000; now < 7_000; now += 100) await refreshes.run(now);
    expect(asked).toEqual({ cheap: 20, costly: 2 });
  });

  it("lists open files, memory and the rest of the process once a second at most", async () => {
    const figures = new ProcessFigures();
    figures.start();
    const cpu = async (now: number) => /^process_cpu_seconds_total .*$/m.exec(await figures.text(now))?.[0];
    const first = await cpu(5_000);
    // Not a time: where others are at work, this process may have had nothing of it.
    const { user } = process.cpuUsage();
    while (process.cpuUsage().user - user < 30_000);
    expect(await cpu(5_999)).toBe(first);
    expect(await cpu(6_000)).not.toBe(first);
    figures.stop();
  });

  it("says for which reasons the gateway is not ready, one series a reason", async () => {
    metrics.notReady(["backlog-full"]);
    const text = await metrics.text("open");
    const told = [...text.matchAll(/^consentry_ready\{reason="([a-z-]+)"\} ([01])$/gm)].map(([, why, is]) => [why, is]);
    expect(told).toEqual(READINESS_REASONS.map((reason) => [reason, reason === "backlog-full" ? "0" : "1"]));
  });

  it("says which version runs on which Node.js", async () => {
    expect(await sample(`consentry_build_info{version="${VERSION}",node="${process.version}"}`)).toBe(1);
  });
});

describe("histograms", () => {
  it("count each message of a batch with the one observation of the batch", async () => {
    metrics.pubackSeconds(0.003, 100);
    metrics.pubackSeconds(0.02, 50);
    metrics.pubackSeconds(60, 1);
    expect(await sample('consentry_puback_seconds_bucket{le="0.002"}')).toBe(0);
    expect(await sample('consentry_puback_seconds_bucket{le="0.004"}')).toBe(100);
    expect(await sample('consentry_puback_seconds_bucket{le="0.025"}')).toBe(150);
    expect(await sample('consentry_puback_seconds_bucket{le="5"}')).toBe(150);
    expect(await sample('consentry_puback_seconds_bucket{le="+Inf"}')).toBe(151);
    expect(await sample("consentry_puback_seconds_count")).toBe(151);
    expect(await sample("consentry_puback_seconds_sum")).toBeCloseTo(61.3);
  });

  it("put a value on a bound into the bucket of that bound", async () => {
    metrics.batch(500);
    expect(await sample('consentry_batch_messages_bucket{le="200"}')).toBe(0);
    expect(await sample('consentry_batch_messages_bucket{le="500"}')).toBe(1);
    expect(await sample("consentry_batches_total")).toBe(1);
  });

  it("carry their labels", async () => {
    metrics.sinkWrote("influx", 20);
    expect(await sample('consentry_sink_write_seconds_bucket{sink="influx",le="0.025"}')).toBe(1);
    expect(await sample('consentry_sink_write_seconds_count{sink="influx"}')).toBe(1);
  });
});

describe("the event loop", () => {
  it("shows that it was blocked, wherever its windows end, and not the time it waited on purpose", async () => {
    const watch = new EventLoopWatch();
    const begun = performance.now();
    watch.start(100);
    try {
      // Where others are at work, a window may show that they were; one of many does not.
      await windows(watch, ({ p50 }) => watch.total.samples > 0 && p50 < 15);
      // Right behind the end of a window, where a histogram that is reset would miss it.
      const before = watch.total.ms;
      const until = performance.now() + BLOCK_MS;
      while (performance.now() < until);
      await windows(watch, ({ max }) => max >= BLOCK_MS / 2);
      expect(watch.delayMs.p99).toBeLessThanOrEqual(watch.delayMs.max);
      expect(watch.total.ms - before).toBeGreaterThan(BLOCK_MS / 2);
      // Counted twice, the block alone would be more than all the time there was.
      expect(watch.total.ms).toBeLessThan(performance.now() - begun);
    } finally {
      watch.stop();
    }
  });
});

const BLOCK_MS = 400;

/** Resolves once a window meets the condition; otherwise vitest's timeout ends the wait. */
async function windows(watch: EventLoopWatch, done: (delay: EventLoopWatch["delayMs"]) => boolean): Promise<void> {
  const before = watch.delayMs;
  while (watch.delayMs === before || !done(watch.delayMs)) await new Promise(setImmediate);
}
