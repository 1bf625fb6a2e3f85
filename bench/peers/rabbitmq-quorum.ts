/**
 * RabbitMQ with its MQTT plugin: what a device publishes goes into a quorum queue, and is acknowledged when its log has been synced to disk. It
 * stands for the durable acknowledgement alone: no one takes from the queue, which drops the oldest.
 */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../tools/private-servers/free-port.ts";
import { launch } from "../../tools/private-servers/private-server.ts";
import { takesConnections } from "../../tools/private-servers/takes-connections.ts";
import { ANY_TOKEN, devicesNamed, type Pipeline } from "../pipeline.ts";
import { Stopping } from "../stopping.ts";

const run = promisify(execFile);
/** The one on PATH becomes another user and loses its environment. */
const SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const PLUGINS = "[rabbitmq_mqtt].\n";
const QUEUE = "telemetry";
const MOST_IN_QUEUE = 100_000;
const VHOST = "/";

export async function startRabbitmqQuorum(dir: string, devices: number): Promise<Pipeline> {
  const binary = SERVER;
  if (!existsSync(binary)) throw new Error("no rabbitmq-server on this machine (apt-get install rabbitmq-server)");
  const names = devicesNamed(devices, ANY_TOKEN);
  const folder = join(dir, "rabbitmq");
  const epmd = { ERL_EPMD_PORT: `${await freePort()}`, ERL_EPMD_ADDRESS: "127.0.0.1", HOME: folder };
  return await Stopping.all(async (stopping) => {
    stopping.add({ stop: async () => void (await run("epmd", ["-kill"], { env: { ...process.env, ...epmd } })) });
    const pidFile = join(folder, "node.pid");
    const server = stopping.add(
      await launch(
        {
          name: "rabbitmq",
          binary,
          url: (port) => `mqtt://127.0.0.1:${port}`,
          args: () => [],
          environment: {
            ...epmd,
            RABBITMQ_NODENAME: "bench@localhost",
            RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
            RABBITMQ_NODE_PORT: `${await freePort()}`,
            RABBITMQ_DIST_PORT: `${await freePort()}`,
            RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq.conf"),
            RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
            RABBITMQ_MNESIA_BASE: join(folder, "data"),
            RABBITMQ_LOG_BASE: join(folder, "log"),
            RABBITMQ_PID_FILE: pidFile,
          },
          prepare: (port) =>
            writeAll(folder, {
              plugins: PLUGINS,
              "definitions.json": JSON.stringify(definitions(names.map(({ id }) => id))),
              "rabbitmq.conf": configuration(port, join(folder, "definitions.json")),
            }),
          ready: takesConnections,
        },
        { dir: folder, say: () => {} },
      ),
    );
    const pid = Number(readFileSync(pidFile, "ascii"));
    return { port: server.port, pids: { rabbitmq: pid }, devices: names };
  });
}

function configuration(port: number, definitionsFile: string): string {
  return [
    `mqtt.listeners.tcp.1 = 127.0.0.1:${port}`,
    "mqtt.exchange = amq.topic",
    `mqtt.vhost = ${VHOST}`,
    `load_definitions = ${definitionsFile}`,
    "",
  ].join("\n");
}

function definitions(users: readonly string[]): object {
  const everything = { configure: ".*", write: ".*", read: ".*" };
  const hash = passwordHash(ANY_TOKEN);
  return {
    vhosts: [{ name: VHOST }],
    users: users.map((name) => ({
      name,
      password_hash: hash,
      hashing_algorithm: "rabbit_password_hashing_sha256",
      tags: [],
    })),
    permissions: users.map((user) => ({ user, vhost: VHOST, ...everything })),
    queues: [
      {
        name: QUEUE,
        vhost: VHOST,
        durable: true,
        auto_delete: false,
        arguments: { "x-queue-type": "quorum", "x-max-length": MOST_IN_QUEUE },
      },
    ],
    bindings: [
      {
        source: "amq.topic",
        vhost: VHOST,
        destination: QUEUE,
        destination_type: "queue",
        routing_key: "devices.*.telemetry",
        arguments: {},
      },
    ],
  };
}

/** As RabbitMQ stores one: four bytes of salt before the digest. */
function passwordHash(password: string): string {
  const salt = randomBytes(4);
  const digest = createHash("sha256").update(salt).update(password).digest();
  return Buffer.concat([salt, digest]).toString("base64");
}

async function writeAll(dir: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text, { mode: 0o600 });
}
