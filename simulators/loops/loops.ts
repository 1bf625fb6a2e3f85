/** The two loops of a run, closed by the services of `examples/services`: forecasts come back to cells, commands to pseudonyms. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Stack } from "../../tools/stack/stack.ts";
import type { LoopLog } from "../loop-log.ts";
import { type LoopReport, loopReport } from "./loop-report.ts";
import { ServiceProgram } from "./service-program.ts";

const RULE = fileURLToPath(new URL("hall-rule.json", import.meta.url));
const ARGS = { weather: ["--hours", "6", "--coarse", "0"], scene: ["--rules", RULE] } as const;
/** Of what each is told: without it the scan would have looked at nothing. */
const HEARD = { weather: '"cell":"8', scene: '"device":"' } as const;

export class Loops {
  readonly #weather: ServiceProgram;
  readonly #scene: ServiceProgram;

  private constructor(weather: ServiceProgram, scene: ServiceProgram) {
    this.#weather = weather;
    this.#scene = scene;
  }

  /** Resolves once both listen. */
  static async start({ mqttUrl, config, dir }: Stack): Promise<Loops> {
    const start = (purpose: "weather" | "scene") =>
      ServiceProgram.start({
        purpose,
        mqttUrl,
        name: config.services[purpose].name,
        tokenFile: config.tokenFiles[purpose],
        args: ARGS[purpose],
        logDir: join(dir, "logs"),
      });
    const started = await Promise.allSettled([start("weather"), start("scene")]);
    const [weather, scene] = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    if (weather !== undefined && scene !== undefined) return new Loops(weather, scene);
    await weather?.stop();
    throw started.find((one) => one.status === "rejected")?.reason;
  }

  /** Ends both; afterwards they have their own accounts of the run. May be called twice. */
  async stop(): Promise<void> {
    await Promise.all([this.#weather.stop(), this.#scene.stop()]);
  }

  /** Once they have ended. */
  report(log: LoopLog): LoopReport {
    const report = loopReport(log, { weather: this.#weather.summary, scene: this.#scene.summary });
    const deaf = [this.#weather, this.#scene].filter((program) => !program.bytes.includes(HEARD[program.purpose]));
    const problems = deaf.map(({ purpose }) => `nothing that the ${purpose} service heard was recorded for the scan`);
    return { ...report, problems: [...report.problems, ...problems] };
  }

  /** What both received, sent and printed. */
  buffers(): Record<string, Buffer> {
    return {
      "all that the program of the weather service received, sent and printed": this.#weather.bytes,
      "all that the program of the scene service received, sent and printed": this.#scene.bytes,
    };
  }
}
