/** The unchanged client and sink on `/api/v2/write` of a real server: VictoriaMetrics, which takes the same requests. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { PrivateServer } from "../../tools/private-servers/private-server.ts";
import {
  AT,
  never,
  placed,
  record,
  sinkFor,
  startVictoriaMetrics,
  temporaryFolder,
  victoriaMetrics,
} from "./influx-fixture.ts";

if (victoriaMetrics === undefined) {
  process.stderr.write("influx-v2: skipped, no victoria-metrics on this machine (apt-get install victoria-metrics)\n");
}

describe.skipIf(victoriaMetrics === undefined)("InfluxSink on /api/v2/write", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let server: PrivateServer;

  beforeAll(async () => {
    folder = await temporaryFolder();
    server = await startVictoriaMetrics(victoriaMetrics ?? "", folder.dir);
  });

  afterAll(async () => {
    await server.stop();
    await folder.remove();
  });

  /** The server makes written points searchable a little later than it says. */
  const searchable = (look: () => Promise<void>) => vi.waitFor(look, { interval: 100, timeout: 120_000 });

  /** Values of a metric by device. */
  async function stored(metric: string): Promise<Record<string, number[]>> {
    await fetch(`${server.url}/internal/force_flush`);
    const body = new URLSearchParams({ "match[]": metric });
    const text = await (await fetch(`${server.url}/api/v1/export`, { method: "POST", body })).text();
    const series = text.split("\n").filter((line) => line !== "");
    return Object.fromEntries(
      series.map((line) => {
        const { metric: labels, values } = JSON.parse(line) as { metric: Record<string, string>; values: number[] };
        return [labels.device, values];
      }),
    );
  }

  it("stores numbers and places under their names and tags", async () => {
    const { sink } = sinkFor(server.url, { api: "v2", org: "an org", bucket: "a bucket", token: "unused" });
    await sink.start(never);
    const records = [record("a", 1, { temperature: 21.5 }), record("b", 2, { temperature: -3 })];
    expect(await sink.write(records, never)).toEqual({ rejected: [] });
    expect(await sink.writePlaces([placed("a", "8560145bfffffff")], never)).toEqual({ rejected: [] });
    await searchable(async () => {
      expect(await stored("device_status_temperature")).toEqual({ a: [21.5], b: [-3] });
      expect(await stored("device_location_resolution")).toEqual({ a: [5] });
    });
    await sink.stop();
  });

  it("cannot be given a forged line in a text, though this server ends lines at any line break", async () => {
    const { sink } = sinkFor(server.url, { api: "v2", org: "o", bucket: "b" });
    await sink.start(never);
    const forged = `\ndevice_status,device=forged temperature=99 ${AT}000000\n`;
    await sink.write([record("honest", 1, { note: forged, battery: 50 })], never);
    await searchable(async () => expect(await stored("device_status_battery")).toEqual({ honest: [50] }));
    expect(await stored("device_status_temperature")).not.toHaveProperty("forged");
    await sink.stop();
  });

  it("says that this server cannot delete rows", async () => {
    const { sink } = sinkFor(server.url, { api: "v2", org: "o", bucket: "b" });
    await sink.start(never);
    expect(await sink.rowDelete(never)).toBe("none");
    expect(await sink.remove([record("a", 1, { n: 1 })], never)).toBe("unsupported");
    await sink.stop();
  });

  it("does not take the answers of a server that knows no queries for an empty store", async () => {
    const { reading } = sinkFor(server.url, { api: "v2", org: "o", bucket: "b" }).sink;
    reading.start();
    await expect(reading.check(never)).rejects.toMatchObject({ code: "SINK_DENIED" });
    reading.stop();
  });

  it("is unavailable while the server is down", async () => {
    const { sink } = sinkFor(server.url, { api: "v2", org: "o", bucket: "b", startTimeoutMs: 300 });
    await sink.start(never);
    await server.kill("SIGKILL");
    await expect(sink.write([record("a", 9, { n: 1 })], never)).rejects.toMatchObject({ code: "SINK_UNAVAILABLE" });
    await expect(sinkFor(server.url, { api: "v2", startTimeoutMs: 300 }).sink.start(never)).rejects.toMatchObject({
      code: "SINK_UNAVAILABLE",
    });
    await server.start();
    await expect(sink.write([record("a", 9, { n: 1 })], never)).resolves.toEqual({ rejected: [] });
    await sink.stop();
  });
});
