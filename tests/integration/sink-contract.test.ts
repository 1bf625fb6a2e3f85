/**
 * Every store passes the contract of `Sink`: an InfluxDB 1 for real; the routes of 2 and 3 before the same server, which
 * answers their statements; a VictoriaMetrics for real, which takes the writes of a 2 and can do nothing else.
 */
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { PrivateServer } from "../../tools/private-servers/private-server.ts";
import { startInflux } from "../../tools/private-servers/services.ts";
import { type InfluxLine, startLine, TOKEN } from "../fixtures/influx-lines.ts";
import { type ContractStore, sinkContract } from "../fixtures/sink-contract.ts";
import {
  FIELDS,
  query,
  quiet,
  sinkFor,
  startVictoriaMetrics,
  temporaryFolder,
  victoriaMetrics,
} from "./influx-fixture.ts";

const FORMER = [{ name: "former", kind: "number" }] as const;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let influx: PrivateServer;
let line: InfluxLine | undefined;

beforeAll(async () => {
  folder = await temporaryFolder();
  influx = await startInflux({ dir: `${folder.dir}/influx`, say: quiet });
});
afterAll(async () => {
  await influx.stop();
  await folder.remove();
});
/** A wildcard costs as much as all fields that anybody ever wrote. */
afterEach(() => {
  for (const statement of line?.statements ?? [])
    expect(statement.replace(/'(?:\\.|[^'\\])*'/g, "")).not.toContain("*");
});

async function lineOf(api: "v1" | "v2" | "v3"): Promise<ContractStore> {
  const database = `contract_${api}`;
  await query(influx.url, `CREATE DATABASE ${database}`);
  const started = await startLine(api, influx.url, database);
  line = started;
  const token = api === "v1" ? {} : { token: TOKEN };
  const options = { api, database, org: "an org", bucket: database, ...token } as const;
  const { sink } = sinkFor(started.url, { ...options, formerFields: async () => FORMER });
  const { sink: before } = sinkFor(started.url, { ...options, fields: [...FIELDS, ...FORMER] });
  return {
    sink,
    before,
    stop: async () => {
      expect(started.statements.length).toBeGreaterThan(0);
      line = undefined;
      await started.stop();
    },
  };
}

sinkContract("InfluxDB 1", { open: () => lineOf("v1"), rowDelete: "sync", reads: true });
sinkContract("the route of InfluxDB 2", { open: () => lineOf("v2"), rowDelete: "async", reads: true });
sinkContract("the route of InfluxDB 3", { open: () => lineOf("v3"), rowDelete: "none", reads: true });

if (victoriaMetrics === undefined) {
  process.stderr.write("sink-contract: no victoria-metrics on this machine (apt-get install victoria-metrics)\n");
} else {
  const open = async (): Promise<ContractStore> => {
    const server = await startVictoriaMetrics(victoriaMetrics ?? "", `${folder.dir}/victoria-metrics`);
    const { sink } = sinkFor(server.url, { api: "v2", org: "o", bucket: "b" });
    return { sink, before: sink, stop: () => server.stop() };
  };
  sinkContract("VictoriaMetrics", { open, rowDelete: "none", reads: false });
}
