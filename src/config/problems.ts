/**
 * What is wrong with a configuration: which option, why, and where it was given. The words are ours alone: a name of our schema,
 * a bound, a choice. The value that was given is never among them, because it could be a secret.
 */
import { GatewayError } from "../model/errors.ts";

export interface ConfigProblem {
  /** `mqtt.tcp.port`, or the name of a variable. */
  readonly option: string;
  readonly reason: string;
  /** The reason as one word, for the log; absent where `reason` is one. */
  readonly code?: string | undefined;
  /** `at config.yaml:7` or `in CONSENTRY_MQTT_TCP_PORT`; absent for a default, and for what is missing altogether. */
  readonly place?: string | undefined;
}

/** More are counted only: a file of a mebibyte may hold a hundred thousand unknown options. */
const MOST_TOLD = 100;

/** CONFIG_INVALID with every problem there is. */
export class ConfigFault extends GatewayError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[], options?: { cause?: unknown }) {
    super("CONFIG_INVALID", inWords(problems).join("; "), options);
    this.problems = problems;
  }

  /** The same, with places for what was found later than the options were read. */
  placedBy(placeOf: (option: string) => string | undefined): ConfigFault {
    return new ConfigFault(this.problems.map((one) => ({ ...one, place: one.place ?? placeOf(one.option) })));
  }
}

/** One line for each. */
export function inWords(problems: readonly ConfigProblem[]): string[] {
  const lines = problems
    .slice(0, MOST_TOLD)
    .map(({ option, reason, place }) => `${option}: ${reason}${place === undefined ? "" : ` ${place}`}`);
  return problems.length > MOST_TOLD ? [...lines, `and ${problems.length - MOST_TOLD} more`] : lines;
}
