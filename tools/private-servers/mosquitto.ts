/** A private Mosquitto, as Debian installs it, for tests and for the bench. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { launch, type PrivateServer } from "./private-server.ts";
import { takesConnections } from "./takes-connections.ts";

/** Anyone may log in. `lines` are added to its configuration. */
export async function startMosquitto(
  binary: string,
  dir: string,
  lines: readonly string[] = [],
): Promise<PrivateServer> {
  const file = join(dir, "mosquitto.conf");
  const configuration = (port: number) => [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    "user root",
    "max_keepalive 65535",
    ...lines,
    "",
  ];
  return await launch(
    {
      name: "mosquitto",
      binary,
      url: (port) => `mqtt://127.0.0.1:${port}`,
      args: () => ["-c", file],
      prepare: (port) => writeFile(file, configuration(port).join("\n")),
      ready: takesConnections,
    },
    { dir, say: () => {} },
  );
}
