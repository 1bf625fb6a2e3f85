/** Makes sure Redis and InfluxDB are installed once, before any integration test starts its own. */
import { ensureBinaries } from "../src/platform/service-binaries.ts";

export async function setup(): Promise<void> {
  await ensureBinaries({ need: ["redis", "influx"], say: (line) => process.stderr.write(`${line}\n`) });
}
