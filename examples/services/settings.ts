/** The options of the three programs, each in its range. */
import { parseArgs } from "node:util";

export const USAGE = `usage: npm run service -- weather|scene|network --broker URL --name NAME --token-file FILE [options]
  --broker URL          mqtts://host:8883; mqtt:// on this machine alone
  --name NAME           of the service, as the gateway knows it
  --token-file FILE     its token, mode 0600
  --ca FILE             certificate of the CA, PEM: this one and no other
  --instances N         connections that share what is told, 1 to 64; 1 unless given
  --group NAME          whom they share it with; the name of the service unless given
  --for SECONDS         ends by itself; otherwise at SIGINT or SIGTERM
  --longest-pause S     between two attempts to connect, 60 unless given
  --epoch-days N        deidentify.epochDays of the gateway, 7 unless given
  --json                what happened, as one object in the last line; other lines go to stderr
weather
  --hours N             of a forecast, 1 to 48; 24 unless given
  --coarse N            also for all cells of this resolution, 0 to 2, once an hour; none unless given
scene
  --rules FILE          such as examples/services/rules.example.json
  --lat N --lon N       where the sun is asked for
network
  --silent-after S      a name that was not told for so long is silent, 10800 unless given
  --check-every S       60 unless given
  --fewest N            names of a prefix, below which nothing is said of the line; 5 unless given
  --share N             of them that are silent when a line is out, 0.6 unless given`;

/** What is wrong with the options; the usage is the answer. */
export class WrongUsage extends Error {}

export type Settings = ReturnType<typeof settingsOf>;

const PROGRAMS = ["weather", "scene", "network"] as const;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

export function settingsOf(args: readonly string[]) {
  const { values, positionals } = parsed(args);
  const program = PROGRAMS.find((one) => one === positionals[0]);
  if (program === undefined || positionals.length > 1) throw new WrongUsage("one of weather, scene, network is needed");
  const needed = (name: "broker" | "name" | "token-file"): string => {
    const value = values[name];
    if (value === undefined || value === "") throw new WrongUsage(`--${name} is missing`);
    return value;
  };
  const number = (name: keyof typeof values, usual: number, [least, most]: readonly [number, number]): number =>
    numberOf(name, values[name] ?? usual, [least, most]);
  const group = values.group ?? needed("name");
  if (!/^[^/+#]{1,64}$/.test(group)) throw new WrongUsage("--group is one level of a topic, without + and #");
  return {
    program,
    broker: brokerOf(needed("broker")),
    name: needed("name"),
    group,
    tokenFile: needed("token-file"),
    caFile: values.ca,
    instances: number("instances", 1, [1, 64]),
    forMs: values.for === undefined ? undefined : number("for", 0, [0.001, 1e9]) * 1_000,
    longestPauseMs: number("longest-pause", 60, [0.01, 3_600]) * 1_000,
    epochDays: number("epoch-days", 7, [1, 366]),
    json: values.json === true,
    hours: number("hours", 24, [1, 48]),
    coarse: values.coarse === undefined ? undefined : number("coarse", 0, [0, 2]),
    rulesFile: values.rules,
    place:
      values.lat === undefined && values.lon === undefined
        ? undefined
        : { lat: number("lat", Number.NaN, [-90, 90]), lon: number("lon", Number.NaN, [-180, 180]) },
    silentAfterMs: number("silent-after", 10_800, [0.1, 604_800]) * 1_000,
    checkEveryMs: number("check-every", 60, [0.1, 86_400]) * 1_000,
    fewestOfPrefix: number("fewest", 5, [3, 100_000]),
    shareOfPrefix: number("share", 0.6, [0.1, 1]),
  };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...{ broker: text, name: text, "token-file": text, ca: text, group: text, rules: text },
        ...{ instances: text, for: text, "longest-pause": text, "epoch-days": text, hours: text, lat: text, lon: text },
        ...{ "silent-after": text, "check-every": text, fewest: text, share: text },
        coarse: text,
        json: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new WrongUsage((error as Error).message);
  }
}

const WHOLE = new Set(["instances", "epoch-days", "hours", "coarse", "fewest"]);

function numberOf(name: string, text: unknown, [least, most]: readonly [number, number]): number {
  const value = typeof text === "string" && text.trim() === "" ? Number.NaN : Number(text);
  // "not (in the range)" is also true of what is no number.
  const isGood = value >= least && value <= most && (!WHOLE.has(name) || Number.isInteger(value));
  if (!isGood) throw new WrongUsage(`--${name} is a number from ${least} to ${most}`);
  return value;
}

function brokerOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["mqtt:", "mqtts:"].includes(url.protocol))
    throw new WrongUsage("--broker is mqtts://host:port, or mqtt:// on this machine");
  if (url.username !== "" || url.password !== "")
    throw new WrongUsage("the token stands in --token-file, not in --broker");
  if (url.protocol === "mqtt:" && !LOOPBACK.test(url.hostname))
    throw new WrongUsage("mqtt:// would send the token in the clear: mqtts:// beyond this machine");
  return text;
}
