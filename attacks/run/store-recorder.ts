/** A way to InfluxDB that keeps the lines of every write in the order in which they came, and changes nothing. */
import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";

export class StoreRecorder {
  readonly #store: URL;
  readonly #wrote: (body: string) => void;
  readonly #agent = new Agent({ keepAlive: true });
  #server: Server | undefined;

  /** `wrote` is called before the store has answered. */
  constructor(storeUrl: string, wrote: (body: string) => void) {
    this.#store = new URL(storeUrl);
    this.#wrote = wrote;
  }

  /** Resolves with the address to give to the gateway. */
  async start(): Promise<string> {
    const server = createServer((incoming, outgoing) => this.#pass(incoming, outgoing));
    this.#server = server;
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return `http://127.0.0.1:${address.port}`;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
    this.#agent.destroy();
  }

  #pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("error", () => outgoing.destroy());
    incoming.on("end", () => {
      const body = Buffer.concat(chunks);
      const { url = "/", method, headers } = incoming;
      if (/^\/(?:api\/v2\/)?write\b/.test(url)) this.#wrote(body.toString());
      const { hostname, port } = this.#store;
      const onward = request({ hostname, port, path: url, method, headers, agent: this.#agent }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on("error", () => outgoing.destroy());
      onward.end(body);
    });
  }
}
