/** Makes sure Redis and InfluxDB are installed once, before any integration test starts its own; what else some of them use, if it can be had. */
import { ensureBinaries, offerTestTools } from "../tools/private-servers/service-binaries.ts";

export async function setup(): Promise<void> {
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  await ensureBinaries({ need: ["redis", "influx"], say });
  await offerTestTools(process.env.CHROMIUM_PATH, say);
}
