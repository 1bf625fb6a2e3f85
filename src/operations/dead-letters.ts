/**
 * What an operator can do with dead letters: look at them without content, put them back into the queue, delete them. What a legal
 * hold covers stays as it is: it is neither put back, where it would be refused and lost, nor deleted.
 */
import type { AuditActName } from "../model/audit.ts";
import type { Guard, Spared } from "../model/letters.ts";
import { type DeadLetter, type DeadLetterShape, type DeadLetters, subjectsOf } from "../queue/dead-letters.ts";
import type { Producer } from "../queue/producer.ts";

export interface DeadLetterPorts {
  readonly letters: Pick<DeadLetters, "list" | "get" | "shapes" | "claim" | "remove">;
  readonly producer: Pick<Producer, "add">;
  readonly held: () => Promise<Spared>;
  readonly guard: Guard;
  /** Writes the lines in the audit log: the intended number, and the number reached. */
  perform(act: AuditActName, count: number, work: () => Promise<number>): Promise<unknown>;
}

/** How many were put back or deleted, and how many a legal hold covers. */
export interface LettersDone {
  readonly done: number;
  readonly held: number;
}

const AT_A_TIME = 100;

export class DeadLetterActs {
  readonly #ports: DeadLetterPorts;

  constructor(ports: DeadLetterPorts) {
    this.#ports = ports;
  }

  /** Oldest first. */
  async list(): Promise<readonly DeadLetter[]> {
    return (await this.#all()).sort((left, right) => left.at - right.at);
  }

  /** Names and types of fields, never values: there are none of one that does not open. */
  async inspect(id: string): Promise<{ letter: DeadLetter; shapes: readonly DeadLetterShape[] } | undefined> {
    const { letters } = this.#ports;
    const letter = await letters.get(id);
    return letter && { letter, shapes: letter.reason === "unopenable" ? [] : letters.shapes(letter) };
  }

  /** Consent is checked and everything is de-identified again. */
  replay(id: string): Promise<LettersDone> {
    const { letters, producer } = this.#ports;
    return this.#each("dead-letters-replayed", id, async ({ id: one }) => {
      // A concurrent replay finds it claimed; what no key can open is of no use in the queue.
      const letter = await letters.claim(one);
      if (letter?.sealed === undefined) return false;
      // First into the queue, then removed here: if interrupted in between it is processed twice, with the same result.
      await producer.add(letter.sealed, letter.messages);
      await letters.remove(letter);
      return true;
    });
  }

  purge(id: string): Promise<LettersDone> {
    return this.#each("dead-letters-purged", id, (letter) => this.#ports.letters.remove(letter));
  }

  /** In groups, reading the holds again for each: meanwhile placing a hold on these subjects is not answered. */
  async #each(act: AuditActName, id: string, work: (letter: DeadLetter) => Promise<boolean>): Promise<LettersDone> {
    const { held, guard, perform } = this.#ports;
    const selected = await this.#select(id);
    const spared = await held();
    const count = selected.filter((letter) => !spared(letter)).length;
    if (count === 0) return { done: 0, held: selected.length };
    let [done, left] = [0, 0];
    await perform(act, count, async () => {
      for (let at = 0; at < selected.length; at += AT_A_TIME) {
        const some = selected.slice(at, at + AT_A_TIME);
        await guard(subjectsOf(some), async () => {
          const now = await held();
          for (const letter of some) {
            if (now(letter)) left += 1;
            else done += Number(await work(letter));
          }
        });
      }
      return done;
    });
    return { done, held: left };
  }

  async #select(id: string): Promise<readonly DeadLetter[]> {
    if (id === "all") return this.#all();
    const letter = await this.#ports.letters.get(id);
    return letter === undefined ? [] : [letter];
  }

  async #all(): Promise<DeadLetter[]> {
    const all: DeadLetter[] = [];
    for await (const letter of this.#ports.letters.list()) all.push(letter);
    return all;
  }
}
