/** What was started is stopped again, the last first: at the end, or when something after it could not be started. */
import type { Pipeline } from "./pipeline.ts";

interface Stoppable {
  stop(): Promise<void>;
}

export class Stopping {
  static async all(start: (stopping: Stopping) => Promise<Omit<Pipeline, "stop">>): Promise<Pipeline> {
    const stopping = new Stopping();
    try {
      return { ...(await start(stopping)), stop: () => stopping.stop() };
    } catch (error) {
      await stopping.stop();
      throw error;
    }
  }

  readonly #started: Stoppable[] = [];

  add<T extends Stoppable>(started: T): T {
    this.#started.push(started);
    return started;
  }

  async stop(): Promise<void> {
    for (const started of this.#started.splice(0).reverse()) await started.stop();
  }
}
