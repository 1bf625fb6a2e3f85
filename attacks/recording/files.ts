/** Writes a recording as it grows, and reads one, also one that was made elsewhere. */
import { createReadStream, createWriteStream, type WriteStream } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  type Ack,
  FILES,
  FORMAT,
  type PacketArrival,
  type Recording,
  type RowArrival,
  type Run,
  type Truth,
} from "./format.ts";

const LINES = ["rows", "packets", "acks", "truth"] as const;
type Lines = (typeof LINES)[number];

export class RecordingWriter {
  readonly #dir: string;
  readonly #streams: Readonly<Record<Lines, WriteStream>>;
  #n = 0;
  /** The gateway still writes while it is stopped; that is no part of it. */
  #closed = false;
  #requests = 0;

  private constructor(dir: string) {
    this.#dir = dir;
    const stream = (name: Lines) => createWriteStream(join(dir, FILES[name]));
    this.#streams = { rows: stream("rows"), packets: stream("packets"), acks: stream("acks"), truth: stream("truth") };
  }

  /** What an earlier recording left in `dir` is removed, and nothing else. */
  static async open(dir: string): Promise<RecordingWriter> {
    await mkdir(dir, { recursive: true });
    await Promise.all(Object.values(FILES).map((file) => rm(join(dir, file), { force: true })));
    return new RecordingWriter(dir);
  }

  /** The body of one write to InfluxDB. */
  write(body: string, at: number): void {
    const request = ++this.#requests;
    for (const line of body.split("\n")) {
      if (line !== "") this.#line("rows", { n: ++this.#n, at: Math.floor(at), request, line } satisfies RowArrival);
    }
  }

  packet(packet: Omit<PacketArrival, "n">): void {
    this.#line("packets", { n: ++this.#n, ...packet, at: Math.floor(packet.at) } satisfies PacketArrival);
  }

  ack(ack: Ack): void {
    this.#line("acks", ack);
  }

  truth(truth: Truth): void {
    this.#line("truth", truth);
  }

  async close(run: Run, metrics: string): Promise<void> {
    this.#closed = true;
    await writeFile(join(this.#dir, FILES.metrics), metrics);
    await Promise.all(LINES.map((name) => new Promise<void>((resolve) => this.#streams[name].end(() => resolve()))));
    await writeFile(join(this.#dir, FILES.run), `${JSON.stringify(run)}\n`);
  }

  #line(name: Lines, value: unknown): void {
    if (this.#closed) return;
    this.#streams[name].write(`${JSON.stringify(value)}\n`);
  }
}

/** Throws when it is none, or of another format. */
export async function readRecording(dir: string): Promise<Recording> {
  const run = JSON.parse(await readFile(join(dir, FILES.run), "utf8")) as Run;
  if (run.format !== FORMAT) throw new Error(`a recording of format ${run.format}; this reads ${FORMAT}`);
  return {
    run,
    rows: await lines<RowArrival>(dir, "rows"),
    packets: await lines<PacketArrival>(dir, "packets"),
    acks: await lines<Ack>(dir, "acks"),
    truth: await lines<Truth>(dir, "truth"),
    metrics: await readFile(join(dir, FILES.metrics), "utf8"),
  };
}

async function lines<T>(dir: string, name: Lines): Promise<T[]> {
  const read: T[] = [];
  for await (const line of createInterface({ input: createReadStream(join(dir, FILES[name])) })) {
    if (line !== "") read.push(JSON.parse(line) as T);
  }
  return read;
}
