/**
 * Three services to begin with: copy what is near to yours. Each hears what its purpose is told over MQTT 5, shared among its instances,
 * answers, forgets names when it is told to, and prints no payload and no name. docs/services.md says what a service has to keep to.
 */
import "./no-debug-output.ts";
import { readFileSync } from "node:fs";
import { readToken } from "./connection.ts";
import { Instances } from "./instances.ts";
import { NetworkService } from "./network.ts";
import { readRules } from "./rules.ts";
import { SceneService } from "./scene.ts";
import type { Service } from "./service.ts";
import { type Settings, settingsOf, USAGE, WrongUsage } from "./settings.ts";
import { WeatherService } from "./weather.ts";

function serviceOf(settings: Settings): Service {
  const { program, rulesFile, place, epochDays } = settings;
  if (program === "weather") return new WeatherService(settings);
  if (program === "network") return new NetworkService(settings);
  if (rulesFile === undefined) throw new WrongUsage("--rules is missing");
  return new SceneService({ rules: readRules(readFileSync(rulesFile, "utf8")), place, epochDays });
}

async function run(settings: Settings): Promise<void> {
  const { program, name, json, forMs } = settings;
  const say = (line: string): void => void (json ? process.stderr : process.stdout).write(`${program}: ${line}\n`);
  const service = serviceOf(settings);
  readToken(settings.tokenFile);
  const instances = new Instances(settings, service, say);
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopping.abort());
  const timer = forMs === undefined ? undefined : setTimeout(() => stopping.abort(), forMs);
  const began = performance.now();
  say(service.about);
  await instances.run(stopping.signal);
  clearTimeout(timer);
  const seconds = Math.round((performance.now() - began) / 1_000);
  const summary = { service: program, name, seconds, ...instances.summary() };
  if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else for (const [what, value] of Object.entries(summary)) say(`${what} ${JSON.stringify(value)}`);
}

try {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) process.stdout.write(`${USAGE}\n`);
  else await run(settingsOf(args));
} catch (error) {
  const isUsage = error instanceof WrongUsage;
  process.stderr.write(`${error instanceof Error ? error.message : error}\n${isUsage ? `${USAGE}\n` : ""}`);
  process.exitCode = isUsage ? 2 : 1;
}
