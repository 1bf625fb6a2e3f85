/** Wires the queue: sealing and durability of batches, the size of the backlog, and the dead letters. */
import type { TellDamage } from "../model/damage.ts";
import { type Part, partOf } from "../platform/lifecycle.ts";
import { Periodic } from "../platform/periodic.ts";
import { Backlog } from "../queue/backlog.ts";
import { DeadLetters } from "../queue/dead-letters.ts";
import { checkDurability, type Durability } from "../queue/durability.ts";
import { Envelope, type QueueKeys } from "../queue/envelope.ts";
import { HandedOver } from "../queue/handed-over.ts";
import { jobSize } from "../queue/job.ts";
import { KnownJobs } from "../queue/known-jobs.ts";
import { Producer } from "../queue/producer.ts";
import { Writable } from "../queue/writable.ts";
import type { Base } from "./base.ts";

/** What a benchmark may replace; the product itself never does. */
export interface QueueOverrides {
  readonly envelope?: Pick<Envelope, "seal" | "open">;
}

export interface Queue {
  readonly envelope: Pick<Envelope, "seal" | "open">;
  readonly known: KnownJobs;
  readonly handedOver: HandedOver;
  readonly producer: Producer;
  readonly writable: Writable;
  /** Refuses to start on a Redis that rejects writes; start right after the connections. */
  readonly writablePart: Part;
  readonly deadLetters: DeadLetters;
  readonly backlog: Backlog;
  /** What a PUBACK guarantees; known once its part has started. */
  durability(): Durability | undefined;
  /** Refuses to start with less durability than configured; start right after Redis. */
  readonly durabilityPart: Part;
  readonly parts: readonly Part[];
}

const BACKLOG_POLL_MS = 500;
const EVERY_MS = 1_000;
const PROBE_MS = 1_000;

export function createQueue(base: Base, sealing: QueueKeys, damaged: TellDamage, overrides: QueueOverrides): Queue {
  const { config, redis, keyspace, metrics, log } = base;
  const envelope = overrides.envelope ?? new Envelope(sealing);
  const known = new KnownJobs({
    recovered: (id) => metrics.recovered(jobSize(id).messages),
    handedOver: (id) => metrics.handedOver(jobSize(id).messages),
  });
  const handedOver = new HandedOver(redis.store, keyspace, known);
  const producer = new Producer(redis.producer, keyspace, envelope, known);
  const writable = new Writable(PROBE_MS, { producer, log });
  const deadLetters = new DeadLetters(redis.store, keyspace, envelope, {
    maxBytes: config.queue.deadLetterBytes,
    damaged,
  });
  const backlog = new Backlog(
    redis.store,
    keyspace,
    { maxBytes: config.queue.backlogBytes, pollMs: BACKLOG_POLL_MS },
    log,
  );
  const measure = async (): Promise<void> => {
    const { count, bytes } = await deadLetters.measure();
    metrics.gauge("deadLetters", count);
    metrics.gauge("deadLetterBytes", bytes);
  };
  const periodic = new Periodic(
    [
      { name: "dead letter count", everyMs: EVERY_MS, run: measure },
      { name: "handed over", everyMs: EVERY_MS, run: () => handedOver.take() },
      {
        name: "backlog age",
        everyMs: EVERY_MS,
        run: async () => {
          const oldestAt = (await backlog.oldestAt()) ?? Date.now();
          metrics.gauge("backlogOldest", Math.max(0, Date.now() - oldestAt) / 1_000);
        },
      },
    ],
    log,
  );

  // From memory alone: the metrics are needed most when Redis hangs.
  metrics.beforeScrape(() => {
    metrics.gauge("backlogMessages", backlog.depth.messages);
    metrics.gauge("backlogBytes", backlog.depth.bytes);
    metrics.gauge("redisNotWritable", writable.refusal === undefined ? 0 : 1);
  });

  let durability: Durability | undefined;
  return {
    envelope,
    known,
    handedOver,
    producer,
    writable,
    writablePart: partOf("writable", writable),
    deadLetters,
    backlog,
    durability: () => durability,
    durabilityPart: {
      name: "durability",
      start: async () => {
        durability = await checkDurability(redis.store, config.queue.requireDurability);
      },
      stop: () => undefined,
    },
    parts: [
      partOf("dead letters", periodic),
      partOf("backlog", backlog),
      { name: "handed over", start: () => handedOver.take(), stop: () => handedOver.stop() },
      partOf("producer", producer),
    ],
  };
}
