/** An application and its socket: made and opened by `start`, closed by `stop`. */
import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { GatewayError } from "../model/errors.ts";
import type { Log } from "../model/log.ts";
import { listenFailed } from "../platform/start-faults.ts";

export interface Place {
  /** In the log, and the section of its options in the configuration. */
  readonly name: "http" | "metrics" | "console";
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

const STOP_DEADLINE_MS = 5_000;

export class Listening {
  readonly #place: Place;
  readonly #create: () => Promise<FastifyInstance>;
  readonly #log: Log;
  #app: FastifyInstance | undefined;

  constructor(place: Place, create: () => Promise<FastifyInstance>, log: Log) {
    this.#place = place;
    this.#create = create;
    this.#log = log;
  }

  /** Listens once it resolves; an abort meanwhile leaves nothing open and throws `START_CANCELLED`. */
  async start(signal: AbortSignal): Promise<void> {
    const { name, host, port } = this.#place;
    const app = await this.#create();
    this.#app = app;
    await app.listen({ host, port }).catch((error) => {
      throw listenFailed(name, error, { host, port, option: name });
    });
    if (signal.aborted) {
      await this.stop();
      throw new GatewayError("START_CANCELLED", name);
    }
    this.#log.info("listening", { listener: name, host, port: this.port });
  }

  /** The port it listens on; 0 when it does not. */
  get port(): number {
    const address = this.#app?.server.address() as AddressInfo | null | undefined;
    return address?.port ?? 0;
  }

  /** Lets requests in progress finish, at most until the deadline; then cuts their connections. */
  async stop(): Promise<void> {
    const app = this.#app;
    this.#app = undefined;
    if (app === undefined) return;
    const deadline = setTimeout(() => app.server.closeAllConnections(), STOP_DEADLINE_MS);
    await app.close();
    clearTimeout(deadline);
  }
}
