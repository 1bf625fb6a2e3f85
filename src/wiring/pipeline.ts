/** Wires what a batch meets after the queue: the worker that takes it, and the pipeline that processes it. */
import type { Deidentifier } from "../deidentify/deidentify.ts";
import { allOf, type CheckConsent } from "../model/consent.ts";
import type { TracePort } from "../model/console.ts";
import { SERVICE_PURPOSES, type ServicePurpose } from "../model/purposes.ts";
import type { Traces } from "../observe/traces/traces.ts";
import { Pipeline, type PipelinePorts } from "../pipeline/pipeline.ts";
import type { Samples } from "../pipeline/samples.ts";
import type { Part } from "../platform/lifecycle.ts";
import { asTakenToday } from "../queue/former-batch.ts";
import { BatchWorker } from "../queue/worker.ts";
import type { Base } from "./base.ts";
import type { Crowds } from "./crowds.ts";
import type { Current } from "./current.ts";
import type { Network } from "./network.ts";
import type { Outlets } from "./outlets.ts";
import type { Places } from "./places.ts";
import type { Queue } from "./queue.ts";
import type { Store } from "./store.ts";

export interface PipelineDeps extends Pick<PipelinePorts, "addressable" | "commands" | "leases"> {
  readonly queue: Queue;
  readonly checkConsent: CheckConsent;
  readonly deidentifier: Deidentifier;
  readonly store: Store;
  readonly places: Pick<Places, "note">;
  readonly network: Pick<Network, "note">;
  readonly current: Pick<Current, "noteScenes" | "keeps">;
  readonly crowds: Crowds;
  readonly outlets: Outlets;
  readonly samples: Samples;
  readonly traces: Traces | undefined;
  readonly followed: TracePort;
  /** The pipeline is stuck: a supervisor must restart the process. */
  readonly fatal: (error: Error) => void;
}

const MAX_MESSAGES_PER_PASS = 4_000;
/**
 * Of a batch, renewed while it is at work: when its gateway was killed, another takes it up within this and a second or two more. Twice a lease
 * at least, so that of a gateway that stood still the lease has ended when another one begins.
 */
const SHORTEST_LOCK_MS = 4_000;

export function createPipeline({ config, redis, keyspace, metrics, log, vocabulary }: Base, deps: PipelineDeps): Part {
  const { queue, leases, deidentifier, store, outlets, current, traces } = deps;
  const isWanted = (purpose: ServicePurpose): boolean => outlets.live[purpose].listening() || current.keeps(purpose);
  const pipeline = new Pipeline({
    leases,
    checkConsent: deps.checkConsent,
    deidentify: (message, grants, wrappedKey, homes) => deidentifier.deidentify(message, grants, wrappedKey, homes),
    wanted: () => allOf(["analytics", ...SERVICE_PURPOSES.filter(isWanted)]),
    store: store.write,
    askStore: (signal) => store.reached.use(() => store.sink.ask(signal)),
    removeStored: async (records, signal) =>
      (await store.reached.use(() => store.sink.remove(records, signal))) !== "unsupported",
    inDoubtGraceMs: config.sinks.influx.timeoutMs,
    notePlaces: (places) => deps.places.note(places),
    noteNetwork: (said) => deps.network.note(said),
    noteScenes: current.noteScenes,
    count: (seen) => deps.crowds.count(seen),
    gather: (readings) => deps.crowds.gather(readings),
    sink: "influx",
    scene: outlets.live.scene,
    tellsHomes: (policyVersion) => outlets.tellsHomes(policyVersion),
    addressable: deps.addressable,
    commands: deps.commands,
    deadLetter: (reason, messages) => queue.deadLetters.add(reason, messages),
    breaker: store.breaker,
    samples: deps.samples,
    followed: deps.followed,
    books: metrics,
    log,
  });
  const worker = new BatchWorker(
    redis.worker,
    keyspace,
    {
      ...config.queue,
      passesInFlight: config.queue.workerConcurrency,
      maxMessagesPerPass: MAX_MESSAGES_PER_PASS,
      restMs: config.queue.passEveryMs,
      lockMs: Math.max(SHORTEST_LOCK_MS, 2 * config.consent.leaseMs),
    },
    queue,
    {
      process: (messages, stop, ofBatches, places) => {
        if (traces === undefined) return pipeline.process(messages, stop, ofBatches);
        return traces.pass(places, queue.known.origin, messages.length, (trace) =>
          pipeline.process(messages, stop, ofBatches, trace),
        );
      },
      setAside: (reason, messages, stop) => pipeline.setAside(reason, messages, stop),
      deadLettered: (reason, count) => metrics.deadLettered(reason, count),
      asTakenToday: (messages) => asTakenToday(messages, vocabulary),
      waitingOnPurpose: () => pipeline.waiting || queue.writable.refusal !== undefined,
      waitingJobs: () => (queue.backlog.current ? queue.backlog.depth.waitingJobs : undefined),
      stalled: deps.fatal,
      log,
    },
  );
  return {
    name: "worker",
    start: () => worker.start(),
    stop: async () => {
      await worker.stop();
      await pipeline.left();
    },
  };
}
