/**
 * Looks at the gateway every few seconds: into the ring of the last hour, at the alarms, and, for those who look on, one frame, written
 * out once however many they are.
 */
import { MINUTE_MS } from "../../model/durations.ts";
import { Alarms } from "../../observe/alarms.ts";
import { History } from "../../observe/history.ts";
import { Periodic } from "../../platform/periodic.ts";
import type { EventStream } from "../event-stream.ts";
import { type Asked, frameOf, type Looked, readingOf } from "./frame.ts";
import type { ConsolePorts } from "./ports.ts";
import type { ConsoleSession } from "./sessions.ts";
import { frame, overview, type StreamEnd } from "./shapes.ts";

export interface SamplerOptions {
  readonly everyMs: number;
  readonly hourMs: number;
  /** In all, of one token, and of one session. */
  readonly mostStreams: number;
  readonly mostOfToken: number;
  readonly mostOfSession: number;
}

export class Sampler {
  readonly #options: SamplerOptions;
  readonly #ports: ConsolePorts;
  readonly #history: History;
  readonly #alarms: Alarms;
  /** With the session it belongs to. */
  readonly #streams = new Map<EventStream, ConsoleSession>();
  #looked: Looked | undefined;
  /** Of the look at the erasures: each reads all of them. */
  #askedAt = Number.NEGATIVE_INFINITY;
  #asked: Asked = { coverage: undefined, erasures: [] };
  /** Of this look, once someone has asked for it. */
  #frame: Promise<string> | undefined;
  #overview: Promise<string> | undefined;
  readonly #periodic: Periodic;

  constructor(options: SamplerOptions, ports: ConsolePorts) {
    this.#options = options;
    this.#ports = ports;
    this.#history = new History(options.everyMs, options.hourMs);
    this.#alarms = new Alarms(ports.metrics);
    this.#periodic = new Periodic([{ name: "console", everyMs: options.everyMs, run: () => this.#look() }], ports.log);
  }

  async start(): Promise<void> {
    await this.#look();
    this.#periodic.start();
  }

  stop(): void {
    this.#periodic.stop();
    for (const stream of [...this.#streams.keys()]) this.end(stream, "stopping");
  }

  /** As JSON; the same text until the next look. */
  overview(): Promise<string> {
    this.#overview ??= this.#written().then((now) => {
      const history = overview.shape.history.parse(this.#history.columns());
      return `{"history":${JSON.stringify(history)},"frame":${now}}`;
    });
    return this.#overview;
  }

  mayWatch(session: ConsoleSession): boolean {
    const { mostStreams, mostOfToken, mostOfSession } = this.#options;
    const all = [...this.#streams.values()];
    const ofToken = all.filter(({ use }) => use?.name === session.use?.name);
    const own = ofToken.filter(({ id }) => id === session.id);
    return all.length < mostStreams && ofToken.length < mostOfToken && own.length < mostOfSession;
  }

  /** Gets the frame of now, and each from now on. */
  watch(stream: EventStream, session: ConsoleSession): void {
    this.#streams.set(stream, session);
    // What fails here fails at the next look as well, and is said there.
    this.#written().then(
      (text) => this.#streams.has(stream) && stream.send("frame", text),
      () => undefined,
    );
  }

  end(stream: EventStream, why: StreamEnd["why"]): void {
    if (this.#streams.delete(stream)) stream.end("end", JSON.stringify({ why } satisfies StreamEnd));
  }

  /** Its connection is gone. */
  gone(stream: EventStream): void {
    this.#streams.delete(stream);
  }

  async #look(): Promise<void> {
    const { metrics } = this.#ports;
    await metrics.refresh();
    const [at, elapsed] = [Date.now(), performance.now()];
    const sample = this.#history.add(readingOf(this.#ports, at, elapsed));
    this.#looked = { sample, alarms: this.#alarms.look(at, elapsed) };
    this.#frame = undefined;
    this.#overview = undefined;
    if (this.#streams.size === 0) return;
    const text = await this.#written();
    for (const stream of this.#streams.keys()) stream.send("frame", text);
  }

  #written(): Promise<string> {
    this.#frame ??= this.#make();
    return this.#frame;
  }

  async #make(): Promise<string> {
    const { erasures } = this.#ports;
    const before = this.#asked;
    const due = performance.now() - this.#askedAt >= MINUTE_MS;
    if (due) this.#askedAt = performance.now();
    const [coverage, open] = await Promise.all([
      this.#ports.coverage().catch(() => before.coverage),
      due ? erasures.open().catch(() => before.erasures) : before.erasures,
    ]);
    this.#asked = { coverage, erasures: open };
    if (this.#looked === undefined) throw new Error("looked at before the first look");
    // By the schema: what is not in it does not leave.
    return JSON.stringify(frame.parse(frameOf(this.#ports, this.#looked, this.#asked, Date.now())));
  }
}
