/** Fails when an upgrade of Aedes or mqtt-packet takes away a private member that the ingress leans on. */

import { readFileSync } from "node:fs";
import { createServer, connect as dial } from "node:net";
import { Aedes, type Client } from "aedes";
import mqttPacket from "mqtt-packet";
import { describe, expect, it } from "vitest";
import { type BrokerInternals, internals } from "./aedes-internals.ts";

async function withClient(check: (client: Client, broker: Aedes) => void): Promise<void> {
  const broker = await Aedes.createBroker();
  const server = createServer((socket) => broker.handle(socket, { connDetails: { ipAddress: "address" } } as never));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const socket = dial(typeof address === "object" && address !== null ? address.port : 0, "127.0.0.1");
  try {
    const ready = new Promise<Client>((resolve) => broker.once("clientReady", resolve));
    socket.write(
      mqttPacket.generate({
        cmd: "connect",
        clientId: "device",
        protocolId: "MQTT",
        protocolVersion: 4,
        clean: true,
        keepalive: 0,
      }),
    );
    check(await ready, broker);
  } finally {
    socket.destroy();
    server.close();
    await new Promise<void>((resolve) => broker.close(resolve));
  }
}

describe("what the ingress relies on inside Aedes", () => {
  it("is still there", async () => {
    await withClient((client, broker) => {
      const inside = internals(client);
      expect(typeof inside.pause).toBe("function");
      expect(typeof inside.resume).toBe("function");
      expect(typeof inside._parsingBatch).toBe("number");
      expect(typeof inside._parser._parseLength).toBe("function");
      expect(typeof inside._nextBatch).toBe("function");
      expect(client.conn.listeners("readable")).toContain(inside._nextBatch);
      expect(typeof inside._parser._parseHeader).toBe("function");
      expect(typeof inside._parser._parseConnect).toBe("function");
      expect(typeof inside._parser._parseString).toBe("function");
      expect(typeof inside._parser._pos).toBe("number");
      expect(inside._parser._stateCounter).toBe(0);
      expect(inside._parser.settings).toMatchObject({ cmd: "connect" });
      expect(inside._parser.listeners("packet")).toHaveLength(1);
      expect(inside._parser._list.getBuffers()).toEqual([]);
      expect(typeof inside._parser.packet.length).toBe("number");
      expect(inside._authorized).toBe(true);
      expect(inside._disconnected).toBe(false);
      expect(inside.connDetails?.ipAddress).toBe("address");
      const table = broker as unknown as BrokerInternals;
      expect(table.clients.device).toBe(client);
      table.unregisterClient(client);
      expect(table.clients.device).toBeUndefined();
      table.registerClient(client);
      expect(table.clients.device).toBe(client);
    });
  });

  it("is pinned to exact versions", () => {
    const { dependencies } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
    expect([dependencies.aedes, dependencies["mqtt-packet"]]).toEqual(["1.2.0", "9.0.2"]);
  });
});
