/** `privacy/erased/<purpose>`: names that this service was given and must forget, and the answer that it has. */
import { BoundedMap } from "./bounded-map.ts";
import { ForgetMessage, read } from "./messages.ts";
import type { Send, Service } from "./service.ts";

const MAX_DIGESTS = 1_000;
const ANSWER_EXPIRES_S = 60;

export class Forgetting {
  readonly #service: Pick<Service, "purpose" | "forget">;
  /** Digest → its parts that have come. */
  readonly #parts = new BoundedMap<string, Set<number>>(MAX_DIGESTS);
  digests = 0;

  constructor(service: Pick<Service, "purpose" | "forget">) {
    this.#service = service;
  }

  /** Weather services know no device, so they are told none. */
  get topic(): string | undefined {
    const { purpose } = this.#service;
    return purpose === "weather" ? undefined : `privacy/erased/${purpose}`;
  }

  /** False when it could not be read. Answers when all parts were dealt with; who does not answer is told again. */
  heard(payload: Buffer, send: Send): boolean {
    const message = read(ForgetMessage, payload);
    if (message === undefined) return false;
    const { id, part, parts, pseudonyms } = message;
    this.#service.forget(pseudonyms);
    const come = this.#parts.get(id) ?? new Set<number>();
    this.#parts.set(id, come.add(part));
    if (come.size < parts) return true;
    this.#parts.delete(id);
    this.digests += 1;
    void send(`${this.topic}/ack`, { id }, ANSWER_EXPIRES_S);
    return true;
  }
}
