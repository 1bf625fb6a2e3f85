/** The gateway's own books, read from its Prometheus metrics. */

import { REFUSAL_REASONS, type Refusal } from "../../src/model/outcome.ts";
import { SERVICE_PURPOSES, type ServicePurpose } from "../../src/model/purposes.ts";

export interface GatewayBooks {
  readonly received: number;
  readonly admitted: number;
  readonly recovered: number;
  /** Settled by another gateway on the same Redis. */
  readonly handedOver: number;
  readonly stored: number;
  readonly forwardedOnly: number;
  readonly deadLettered: number;
  /** As the gateway says; the difference of the others, if it counts well. */
  readonly inFlight: number;
  /** Messages in the durable queue, those of an earlier process included; a reading, not a count. */
  readonly backlog: number;
  readonly refused: Readonly<Partial<Record<Refusal, number>>>;
  readonly forwarded: Readonly<Record<ServicePurpose, number>>;
}

/** Throws when the text does not hold a counter that must be there. */
export function readBooks(metricsText: string): GatewayBooks {
  const samples = parseSamples(metricsText);
  const total = (name: string) => sum(samples, `consentry_${name}`);
  const refused = REFUSAL_REASONS.map(
    (reason) => [reason, labelled(samples, "messages_refused_total", "reason", reason)] as const,
  );
  const forwardedTo = (purpose: ServicePurpose) => labelled(samples, "forwarded_total", "purpose", purpose);
  return {
    received: total("messages_received_total"),
    admitted: total("messages_admitted_total"),
    recovered: total("messages_recovered_total"),
    handedOver: total("messages_handed_over_total"),
    stored: total("messages_stored_total"),
    forwardedOnly: total("messages_forwarded_only_total"),
    deadLettered: total("messages_dead_lettered_total"),
    inFlight: total("messages_in_flight"),
    backlog: total("backlog_messages"),
    refused: Object.fromEntries(refused.filter(([, count]) => count > 0)),
    forwarded: Object.fromEntries(SERVICE_PURPOSES.map((purpose) => [purpose, forwardedTo(purpose)])) as Record<
      ServicePurpose,
      number
    >,
  };
}

/** What happened between two readings of the same gateway process. */
export function booksBetween(before: GatewayBooks, after: GatewayBooks): GatewayBooks {
  const reasons = Object.keys(after.refused) as Refusal[];
  const refused = reasons.map(
    (reason) => [reason, (after.refused[reason] ?? 0) - (before.refused[reason] ?? 0)] as const,
  );
  return {
    received: after.received - before.received,
    admitted: after.admitted - before.admitted,
    recovered: after.recovered - before.recovered,
    handedOver: after.handedOver - before.handedOver,
    stored: after.stored - before.stored,
    forwardedOnly: after.forwardedOnly - before.forwardedOnly,
    deadLettered: after.deadLettered - before.deadLettered,
    inFlight: after.inFlight,
    backlog: after.backlog,
    refused: Object.fromEntries(refused.filter(([, count]) => count > 0)),
    forwarded: {
      weather: after.forwarded.weather - before.forwarded.weather,
      scene: after.forwarded.scene - before.forwarded.scene,
      network: after.forwarded.network - before.forwarded.network,
    },
  };
}

export function refusedTotal(books: GatewayBooks): number {
  return Object.values(books.refused).reduce((sum, count) => sum + count, 0);
}

/** received + recovered = stored + forwarded only + refused + dead-lettered + handed over + in flight. */
export function booksBalance(books: GatewayBooks): boolean {
  const taken = books.received + books.recovered;
  const done = books.stored + books.forwardedOnly + refusedTotal(books) + books.deadLettered + books.handedOver;
  return taken === done + books.inFlight;
}

interface Sample {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
}

function parseSamples(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(\{[^}]*\})? (\S+)/.exec(line);
    if (match?.[1] !== undefined) samples.push({ name: match[1], labels: match[2] ?? "", value: Number(match[3]) });
  }
  return samples;
}

function sum(samples: readonly Sample[], name: string): number {
  const matching = samples.filter((sample) => sample.name === name);
  if (matching.length === 0) throw new Error(`the metrics hold no ${name}`);
  return matching.reduce((total, { value }) => total + value, 0);
}

/** 0 when absent: a label value appears with its first count. */
function labelled(samples: readonly Sample[], name: string, label: string, value: string): number {
  const wanted = `${label}="${value}"`;
  const matching = samples.filter((sample) => sample.name === `consentry_${name}` && sample.labels.includes(wanted));
  return matching.reduce((total, sample) => total + sample.value, 0);
}
