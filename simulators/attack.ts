/** What an attack is, and publishing on behalf of an attacker: one connection, one message, and what became of both. */
import type { ServicePurpose } from "../src/model/purposes.ts";
import { connectMqtt, disconnectMqtt } from "../tools/wire/connection.ts";
import type { Expectation } from "./expectation.ts";
import type { SimulatedDevice } from "./population.ts";
import type { SentLog, SentMessage } from "./sent-log.ts";

export interface AttackContext {
  readonly url: string;
  /** Has a valid credential and full consent: what is refused is refused for what it does. */
  readonly attacker: SimulatedDevice;
  /** Another person, whose data the attacker abuses. Never connects itself. */
  readonly victim: SimulatedDevice;
  readonly log: SentLog;
  /** Purposes that a service of this run is subscribed to. */
  readonly listening: ReadonlySet<ServicePurpose>;
}

/**
 * `acknowledged`: PUBACK; the log says what must have become of the message. `denied`: SUBACK 128.
 * `closed`: the connection was cut. `rejected`: CONNACK with an error, or cut before it.
 * `failed`, `silent`, `granted` and `accepted` are failures of the gateway or of the attack.
 */
export type AttackOutcome =
  | "acknowledged"
  | "closed"
  | "rejected"
  | "denied"
  | "granted"
  | "accepted"
  | "silent"
  | "failed";

export interface Attack {
  readonly name: string;
  /** Any of these is a success for the gateway. */
  readonly allowed: readonly AttackOutcome[];
  run(context: AttackContext): Promise<AttackOutcome>;
}

const ANSWER_MS = 5_000;

/**
 * Publishes once with QoS 1 and waits for the PUBACK or the end of the connection. A stored message's
 * `"seq":0` becomes its number. `undefined` as expectation: must not even be counted as received.
 */
export async function publishOnce(
  { url, attacker, log, listening }: AttackContext,
  topic: string,
  template: string,
  expectation: Expectation | undefined,
  options: { retain?: boolean; clientId?: string } = {},
): Promise<AttackOutcome> {
  const seq = log.nextSeq();
  const payload = template.replace('"seq":0', `"seq":${seq}`);
  const client = await connectMqtt(url, {
    clientId: options.clientId ?? attacker.id,
    username: attacker.id,
    password: attacker.token,
    clean: true,
  });
  const sentAt = Date.now();
  const publishedAt = performance.now();
  const outcome = await new Promise<AttackOutcome>((resolve) => {
    const timer = setTimeout(() => resolve("silent"), ANSWER_MS);
    const settle = (answer: AttackOutcome) => {
      clearTimeout(timer);
      resolve(answer);
    };
    client.once("close", () => settle("closed"));
    client.publish(topic, payload, { qos: 1, retain: options.retain ?? false }, (error) => {
      if (!error) settle("acknowledged");
    });
  });
  await disconnectMqtt(client);
  if (outcome === "acknowledged" && expectation !== undefined) {
    const message: SentMessage = {
      seq,
      standing: "hostile",
      part: "telemetry",
      qos: 1,
      topic,
      payload,
      traceable: template.includes('"seq":0'),
      expectation: amongListening(expectation, listening),
      sentAt,
    };
    log.add(message);
    log.acknowledged(message, performance.now() - publishedAt);
  } else {
    log.uncertain += 1;
  }
  return outcome;
}

/** Nothing is forwarded to a purpose for which no one listens. */
export function amongListening(expectation: Expectation, listening: ReadonlySet<ServicePurpose>): Expectation {
  if (!("forwarded" in expectation)) return expectation;
  return { ...expectation, forwarded: expectation.forwarded.filter((purpose) => listening.has(purpose)) };
}
