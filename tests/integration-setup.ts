/** Makes sure Redis and InfluxDB are installed once, before any integration test starts its own; a browser and VictoriaMetrics too, if they can be had. */
import { ensureBinaries, offerTestPrograms } from "../src/platform/service-binaries.ts";

export async function setup(): Promise<void> {
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  await ensureBinaries({ need: ["redis", "influx"], say });
  await offerTestPrograms({ browser: process.env.CHROMIUM_PATH }, say);
}
