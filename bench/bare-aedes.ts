/**
 * The yardstick: Aedes with its defaults and nothing behind it, acknowledging the same load from
 * memory. Every figure of the gateway is quoted as a multiple of this one, measured in the same run.
 */
import { createServer } from "node:net";
import { Aedes } from "aedes";
import { answer } from "./child.ts";

export type BareAedesCommands = typeof commands;

const commands = {
  /** Returns the port. */
  async listen(): Promise<number> {
    const broker = await Aedes.createBroker();
    const server = createServer(broker.handle);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 4096, resolve));
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  },
};

answer(commands);
