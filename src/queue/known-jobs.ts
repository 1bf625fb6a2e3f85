/**
 * Which jobs this process has counted as admitted. A job that turns up without being known was
 * admitted by an earlier run, or by a write whose confirmation was lost or came too late: the books
 * take it up as recovered, so that they balance whatever happened.
 */
type State =
  /** About to be written: Redis may have it, the producer has not heard so. */
  | "announced"
  /** The worker has it before the producer heard of it. */
  | "taken"
  /** The worker is done with it before the producer heard of it. */
  | "done"
  | "confirmed";

export class KnownJobs {
  readonly #states = new Map<string, State>();
  readonly #recovered: (id: string) => void;

  constructor(recovered: (id: string) => void) {
    this.#recovered = recovered;
  }

  announce(id: string): void {
    this.#states.set(id, "announced");
  }

  confirm(id: string): void {
    if (this.#states.get(id) === "done") this.#states.delete(id);
    else this.#states.set(id, "confirmed");
  }

  /** The write failed or came too late, and its messages were counted as refused. */
  disown(id: string): void {
    const state = this.#states.get(id);
    this.#states.delete(id);
    if (state === "taken" || state === "done") this.#recovered(id);
  }

  take(id: string): void {
    const state = this.#states.get(id);
    if (state === undefined) this.#recovered(id);
    else if (state === "announced") this.#states.set(id, "taken");
  }

  finish(id: string): void {
    const state = this.#states.get(id);
    if (state === "confirmed") this.#states.delete(id);
    else if (state !== undefined) this.#states.set(id, "done");
  }
}
