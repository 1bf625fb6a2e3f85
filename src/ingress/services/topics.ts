/** The topics of services: what they may subscribe to, and what they publish. One purpose each, and no wider wildcards. */
import { SERVICE_PURPOSES, type ServicePurpose } from "../../model/purposes.ts";

export type ServiceFilter =
  | {
      readonly kind: "processed";
      readonly purpose: ServicePurpose;
      readonly name: string | undefined;
      /** With whom it is shared; absent: with no one. */
      readonly group?: string | undefined;
    }
  /** What is current, once; with whom it is shared makes no difference. */
  | { readonly kind: "current"; readonly purpose: ServicePurpose }
  | { readonly kind: "erased"; readonly purpose: ServicePurpose }
  | {
      readonly kind: "outcome";
      readonly purpose: "scene";
      /** `undefined`: any. */
      readonly pseudonym: string | undefined;
      readonly name: string | undefined;
    };

const PROCESSED = /^processed\/([a-z]+)\/([A-Za-z0-9_-]+|\+|#)$/;
const CURRENT = /^processed\/([a-z]+)\/\$current$/;
const ERASED = /^privacy\/erased\/([a-z]+)$/;
const OUTCOME = /^commands\/([A-Za-z0-9_-]{22}|\+)\/([A-Za-z0-9_-]{1,64}|\+)\/outcome$/;

/**
 * Reads a filter of a service: `processed/<purpose>/<name>`, with `+`, `#` or `$current` as the last level, `privacy/erased/<purpose>`,
 * or `commands/<pseudonym>/<name>/outcome`, with `+` for either. `undefined` for anything else, wider wildcards included.
 */
export function serviceFilter(filter: string): ServiceFilter | undefined {
  if (isShared(filter)) {
    const { group, rest } = SHARED.exec(filter)?.groups ?? {};
    const shared = group === undefined || isShared(rest ?? "") ? undefined : serviceFilter(rest ?? "");
    if (shared?.kind === "processed") return { ...shared, group };
    // What a service must forget, and what became of a command, is told to each of its connections that listens.
    return shared?.kind === "current" ? shared : undefined;
  }
  const processed = PROCESSED.exec(filter);
  if (processed !== null) {
    const purpose = servicePurpose(processed[1]);
    const name = processed[2];
    return purpose && { kind: "processed", purpose, name: name === "+" || name === "#" ? undefined : name };
  }
  const current = servicePurpose(CURRENT.exec(filter)?.[1]);
  if (current !== undefined) return { kind: "current", purpose: current };
  const outcome = OUTCOME.exec(filter);
  if (outcome !== null) {
    const [, pseudonym, name] = outcome.map((level) => (level === "+" ? undefined : level));
    return { kind: "outcome", purpose: "scene", pseudonym, name };
  }
  const purpose = servicePurpose(ERASED.exec(filter)?.[1]);
  return purpose && { kind: "erased", purpose };
}

/** `$share/<group>/<filter>` of MQTT 5, which services may use in MQTT 3.1.1 as well. */
export function isShared(filter: string): boolean {
  return filter.startsWith("$share/");
}

/** A group is a level without a wildcard, and there is a filter behind it [MQTT-4.8.2-1, MQTT-4.8.2-2]. */
const SHARED = /^\$share\/(?<group>[^/+#]+)\/(?<rest>.+)$/;

export function isWellShared(filter: string): boolean {
  return SHARED.test(filter);
}

const ERASED_ANSWER = /^privacy\/erased\/([a-z]+)\/ack$/;

/** The purpose of `privacy/erased/<purpose>/ack`, on which a service answers that it has forgotten. */
export function erasedAnswerTopic(topic: string): ServicePurpose | undefined {
  return servicePurpose(ERASED_ANSWER.exec(topic)?.[1]);
}

function servicePurpose(text: string | undefined): ServicePurpose | undefined {
  return SERVICE_PURPOSES.find((purpose) => purpose === text);
}

const FORECAST = /^weather\/([^/]+)$/;

/** What stands for the cell in `weather/<cell>`, on which a weather service publishes a forecast. */
export function forecastTopic(topic: string): string | undefined {
  return FORECAST.exec(topic)?.[1];
}

export interface Command {
  readonly pseudonym: string;
  readonly name: string;
}

const COMMAND = /^commands\/([A-Za-z0-9_-]{22})\/([A-Za-z0-9_-]{1,64})$/;

const NETWORK_NOTICE = /^network\/([A-Za-z0-9_-]{22})$/;

/** The pseudonym of `network/<networkPseudonym>`, on which a network service has something to tell to the device. */
export function networkNoticeTopic(topic: string): string | undefined {
  return NETWORK_NOTICE.exec(topic)?.[1];
}

/** `commands/<scenePseudonym>/<name>`, as a scene service publishes it. */
export function commandTopic(topic: string): Command | undefined {
  const match = COMMAND.exec(topic);
  return match?.[1] !== undefined && match[2] !== undefined ? { pseudonym: match[1], name: match[2] } : undefined;
}

/** Where the service that sent it hears what became of a command. */
export function outcomeTopic({ pseudonym, name }: Command): string {
  return `commands/${pseudonym}/${name}/outcome`;
}
