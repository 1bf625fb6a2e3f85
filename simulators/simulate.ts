/** `npm run simulate`: the simulated fleet against any broker, reconciled with whatever can be asked about it. */
import "../src/platform/no-debug-output.ts";
import { readFile } from "node:fs/promises";
import { Command, InvalidArgumentError } from "commander";
import { SERVICE_PURPOSES, type ServicePurpose } from "../src/model/purposes.ts";
import { AccountService } from "../tools/stack/account-service.ts";
import { refusedTotal } from "../tools/stack/books.ts";
import type { ServiceCredential } from "../tools/wire/service-subscriber.ts";
import { dialectJson, dialectLines } from "./dialect-report.ts";
import { isSimulated, SIMULATED_DIALECTS, type SimulatedDialect } from "./firmware/firmwares.ts";
import { whole } from "./program.ts";
import { count, showProgress } from "./progress.ts";
import { Simulation, type SimulationReport } from "./simulation.ts";

interface SimulateFlags {
  readonly url: string;
  readonly api?: string;
  readonly apiTokenFile?: string;
  readonly influx?: string;
  readonly database: string;
  readonly service: Partial<Record<ServicePurpose, ServiceCredential>>;
  readonly devices: number;
  readonly rate: number;
  readonly duration: number;
  readonly seed: number;
  readonly dialects: readonly SimulatedDialect[];
  readonly hostile: boolean;
  readonly json: boolean;
}

const command = new Command("simulate")
  .description("Publishes as a fleet of smart homes, and says at the end whether everything adds up.")
  .option("--url <url>", "MQTT broker", "mqtt://127.0.0.1:1883")
  .option(
    "--api <url>",
    "HTTP interface of the gateway; without it devices are not provisioned and only acknowledgements are compared",
  )
  .option("--api-token-file <file>", "file that holds the bearer token of the HTTP interface")
  .option("--influx <url>", "InfluxDB 1.x in which stored rows are counted")
  .option("--database <name>", "database in it", "consentry")
  .option(
    "--service <purpose=name:file>",
    "a service to subscribe as, its token in the file; may be repeated",
    service,
    {},
  )
  .option("--devices <count>", "simulated devices", whole(1), 200)
  .option("--rate <per second>", "messages per second, over all devices", whole(1), 500)
  .option("--duration <seconds>", "how long they publish", whole(1), 30)
  .option("--seed <number>", "same seed, same fleet", whole(1), 1)
  .option(
    "--dialects <names>",
    `beside them, for each of these one home of every kind, whose devices speak it: ${SIMULATED_DIALECTS.join(",")}`,
    dialectNames,
    [],
  )
  .option("--hostile", "attack the gateway while the fleet publishes", false)
  .option("--json", "result as one JSON object on the last line; everything else goes to stderr", false)
  .parse();
const flags = command.opts<SimulateFlags>();

async function simulate(signal: AbortSignal): Promise<SimulationReport> {
  const out = flags.json ? process.stderr : process.stdout;
  const simulation = new Simulation({
    mqttUrl: flags.url,
    api: await accountService(),
    influx: flags.influx === undefined ? undefined : { url: flags.influx.replace(/\/$/, ""), database: flags.database },
    services: await withTokens(flags.service),
    devices: flags.devices,
    rate: flags.rate,
    durationMs: flags.duration * 1000,
    seed: flags.seed,
    dialects: flags.dialects,
    hostile: flags.hostile && flags.api !== undefined,
    withdrawAfterMs: flags.duration * 500,
    // Runs that share a store must not share numbers.
    firstSeq: Date.now() * 100,
  });
  try {
    await simulation.prepare();
    out.write(
      `  ${simulation.population.devices.length + simulation.population.dialectHomes.length} devices connected\n`,
    );
    const stopProgress = showProgress(simulation.log, flags.duration * 1000, out);
    await simulation.run(signal).finally(stopProgress);
    const report = await simulation.report();
    out.write(`${textOf(report)}\n`);
    return report;
  } finally {
    await simulation.stop();
  }
}

async function accountService(): Promise<AccountService | undefined> {
  if (flags.api === undefined) return undefined;
  if (flags.apiTokenFile === undefined) return command.error("--api needs --api-token-file");
  const token = (await readFile(flags.apiTokenFile, "utf8")).trim();
  return new AccountService({ api: flags.api.replace(/\/$/, ""), token, timeoutMs: 15_000 });
}

/** In the flags the token of a service is still the name of its file. */
async function withTokens(services: SimulateFlags["service"]): Promise<SimulateFlags["service"]> {
  const read = SERVICE_PURPOSES.map(async (purpose) => {
    const credential = services[purpose];
    if (credential === undefined) return {};
    return { [purpose]: { name: credential.name, token: (await readFile(credential.token, "utf8")).trim() } };
  });
  return Object.assign({}, ...(await Promise.all(read)));
}

function textOf({ published, acknowledged, pubackMs, books, stored, dialects, problems }: SimulationReport): string {
  const lines = [
    `sent ${count(published)}, acknowledged ${count(acknowledged)} (PUBACK p50 ${pubackMs.p50} ms, p99 ${pubackMs.p99} ms)`,
  ];
  if (books !== undefined) {
    const { weather, scene, network } = books.forwarded;
    const reasons = Object.entries(books.refused).map(([reason, value]) => `${reason} ${count(value)}`);
    lines.push(
      `received ${count(books.received)}: stored ${count(books.stored)}, forwarded only ${count(books.forwardedOnly)}, refused ${count(refusedTotal(books))}, dead-lettered ${count(books.deadLettered)}, in flight ${count(books.inFlight)}`,
      `refused: ${reasons.join(", ") || "none"}`,
      `forwarded: weather ${count(weather)}, scene ${count(scene)}, network ${count(network)}`,
    );
  }
  if (stored !== undefined)
    lines.push(`rows in the store: ${count(stored.bySeq.size + stored.unnumbered.length)} of this run`);
  if (dialects !== undefined) {
    const { devices, pseudonyms, samples } = dialects;
    lines.push(`${count(devices)} devices that speak dialects, under ${count(pseudonyms)} pseudonyms`);
    lines.push(...dialectLines(samples));
  }
  if (problems.length > 0) lines.push("DOES NOT ADD UP:", ...problems.map((problem) => `  ${problem}`));
  else lines.push(books === undefined ? "Everything was acknowledged." : "Everything adds up.");
  return lines.join("\n");
}

function jsonOf({
  published,
  acknowledged,
  pubackMs,
  books,
  stored,
  arrived,
  dialects,
  problems,
}: SimulationReport): unknown {
  return {
    published,
    acknowledged,
    pubackMs,
    ...books,
    rows: stored && stored.bySeq.size + stored.unnumbered.length,
    dialects: dialects && dialectJson(dialects),
    arrived,
    problems,
    balanced: problems.length === 0,
  };
}

function dialectNames(text: string): readonly SimulatedDialect[] {
  const names = [...new Set(text.split(","))];
  if (!names.every(isSimulated)) throw new InvalidArgumentError(`some of ${SIMULATED_DIALECTS.join(",")} are needed.`);
  return names.filter(isSimulated);
}

function service(text: string, others: SimulateFlags["service"]): SimulateFlags["service"] {
  const [, purpose, name, token] = /^(\w+)=([^:]+):(.+)$/.exec(text) ?? [];
  if (!SERVICE_PURPOSES.some((known) => known === purpose) || name === undefined || token === undefined) {
    throw new InvalidArgumentError(
      `<purpose>=<name>:<token file> is needed, with one of ${SERVICE_PURPOSES.join(", ")}.`,
    );
  }
  return { ...others, [purpose as ServicePurpose]: { name, token } };
}

const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => (stopping.signal.aborted ? process.exit(130) : stopping.abort()));
}

try {
  const report = await simulate(stopping.signal);
  if (flags.json) process.stdout.write(`${JSON.stringify(jsonOf(report))}\n`);
  process.exitCode = report.problems.length === 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
