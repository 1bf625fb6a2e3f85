/**
 * Prints where a V8 CPU profile spent its time, four ways: by function, by file or package, and charged to the function and
 * to the room of our own that was running or had called out.
 * `node --import tsx bench/top-functions.ts data/profile/<name>/<file>.cpuprofile [--rows 40] [--skip 8]`;
 * `--skip` leaves out the first seconds, in which a gateway starts and is provisioned.
 */
import { readFileSync } from "node:fs";
import { dirname } from "node:path/posix";
import { parseArgs } from "node:util";

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
}
interface ProfileNode {
  readonly id: number;
  readonly callFrame: CallFrame;
  readonly children?: readonly number[];
}
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds between each sample and the one before. */
  readonly timeDeltas: readonly number[];
}

const OWN = /^(?:src|bench)\//;
const NOT_OWN = "outside of our own code";

function report(profile: CpuProfile, skipUs: number, rows: number): void {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)),
  );
  const owner = (id: number): CallFrame | undefined => {
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = nodes.get(at)?.callFrame;
      if (frame !== undefined && OWN.test(placeOf(frame))) return frame;
    }
    return undefined;
  };
  const byFunction = new Sums();
  const byFile = new Sums();
  const byOwner = new Sums();
  const byRoom = new Sums();
  let elapsedUs = 0;
  profile.samples.forEach((id, index) => {
    const us = Math.max(0, profile.timeDeltas[index] ?? 0);
    elapsedUs += us;
    const frame = nodes.get(id)?.callFrame;
    if (elapsedUs < skipUs || frame === undefined || frame.functionName === "(idle)") return;
    byFunction.add(nameOf(frame), us);
    byFile.add(packageOf(frame), us);
    const own = owner(id);
    byOwner.add(own ? nameOf(own) : NOT_OWN, us);
    byRoom.add(own ? dirname(placeOf(own)) : NOT_OWN, us);
  });
  byFunction.print("self time by function", rows);
  byFile.print("self time by file or package", rows);
  byOwner.print("charged to our own functions", rows);
  byRoom.print("charged to our own rooms", rows);
}

class Sums {
  readonly #us = new Map<string, number>();
  #totalUs = 0;

  add(name: string, us: number): void {
    this.#us.set(name, (this.#us.get(name) ?? 0) + us);
    this.#totalUs += us;
  }

  print(title: string, rows: number): void {
    process.stdout.write(`\n${title} (${Math.round(this.#totalUs / 1000)} ms busy)\n`);
    const sorted = [...this.#us].sort(([, a], [, b]) => b - a).slice(0, rows);
    for (const [name, us] of sorted) {
      process.stdout.write(`${((us / this.#totalUs) * 100).toFixed(1).padStart(6)} %  ${name}\n`);
    }
  }
}

function nameOf(frame: CallFrame): string {
  return `${frame.functionName || "(anonymous)"}  ${placeOf(frame)}`;
}

function placeOf({ url }: CallFrame): string {
  return url
    .replace(/^file:\/\//, "")
    .replace(`${process.cwd()}/`, "")
    .replace(/\?.*$/, "");
}

function packageOf(frame: CallFrame): string {
  const place = placeOf(frame);
  return /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(place)?.[1] ?? (place || frame.functionName);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: "string", default: "40" }, skip: { type: "string", default: "0" } },
});
const [file] = positionals;
if (file === undefined) throw new Error("give the path of a .cpuprofile");
report(JSON.parse(readFileSync(file, "utf8")) as CpuProfile, Number(values.skip) * 1e6, Number(values.rows));
