/**
 * Whether the gateway takes new work: not yet, now, or not any more. The last part to start and the first to stop, so that
 * readiness falls before any listener closes, and a balancer has had the time to look.
 */
export class Availability {
  readonly #announceMs: number;
  #state: "starting" | "available" | "stopping" = "starting";

  /** `announceMs`: how long `stop` says that it stops before the next part does. */
  constructor(announceMs: number) {
    this.#announceMs = announceMs;
  }

  get state(): "starting" | "available" | "stopping" {
    return this.#state;
  }

  start(): void {
    this.#state = "available";
  }

  async stop(): Promise<void> {
    const was = this.#state;
    this.#state = "stopping";
    if (was !== "available" || this.#announceMs === 0) return;
    await new Promise((resolve) => setTimeout(resolve, this.#announceMs));
  }
}
