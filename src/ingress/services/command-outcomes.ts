/**
 * `commands/<pseudonym>/<name>/outcome`: what became of a command, for the connections of the service that sent it and no others.
 * Live, like all that services hear: nothing is kept for one that is away.
 */
import type { ToldOutcome } from "../../model/outcome.ts";
import type { ServiceConnection } from "./connection.ts";
import { type Command, outcomeTopic, type ServiceFilter } from "./topics.ts";

type OutcomeFilter = Extract<ServiceFilter, { kind: "outcome" }>;

interface Listening extends OutcomeFilter {
  readonly qos: 0 | 1;
}

export class CommandOutcomes {
  readonly #byService = new Map<string, Map<ServiceConnection, Map<string, Listening>>>();

  subscribe(session: ServiceConnection, text: string, filter: OutcomeFilter, qos: number): void {
    const connections = this.#byService.get(session.name) ?? new Map<ServiceConnection, Map<string, Listening>>();
    const filters = connections.get(session) ?? new Map<string, Listening>();
    filters.set(text, { ...filter, qos: qos > 0 ? 1 : 0 });
    this.#byService.set(session.name, connections.set(session, filters));
  }

  unsubscribe(session: ServiceConnection, text: string): void {
    this.#byService.get(session.name)?.get(session)?.delete(text);
  }

  closed(session: ServiceConnection): void {
    const connections = this.#byService.get(session.name);
    connections?.delete(session);
    if (connections?.size === 0) this.#byService.delete(session.name);
  }

  tell(service: string, command: Command, outcome: ToldOutcome, correlation: string | undefined): void {
    const payload = JSON.stringify({ outcome, correlation });
    for (const [session, filters] of this.#byService.get(service) ?? []) {
      // It may have lost the purpose meanwhile.
      if (session.client.closed || !session.purposes.has("scene")) continue;
      const heard = [...filters.values()].filter((filter) => fits(filter, command));
      const [first, ...others] = heard;
      if (first === undefined) continue;
      session.send(outcomeTopic(command), payload, others.some(({ qos }) => qos === 1) ? 1 : first.qos);
    }
  }
}

function fits({ pseudonym, name }: OutcomeFilter, command: Command): boolean {
  return (pseudonym ?? command.pseudonym) === command.pseudonym && (name ?? command.name) === command.name;
}
