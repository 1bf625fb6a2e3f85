/**
 * The two loops while the world lives: the services of `examples/services` answer what they hear, lamps do what they are told and say so,
 * and devices hear of the weather. In this process, since the services go by the clock that is set.
 */
import { readFile } from "node:fs/promises";
import { readRules } from "../../examples/services/rules.ts";
import { SceneService } from "../../examples/services/scene.ts";
import type { Send, Service } from "../../examples/services/service.ts";
import { WeatherService } from "../../examples/services/weather.ts";
import { eachLimited, eventually } from "../../simulators/concurrency.ts";
import type { ServicePurpose } from "../../src/model/purposes.ts";
import type { RecordingWriter } from "../recording/files.ts";
import type { WorldDevice } from "../world/world.ts";
import { telemetry } from "./acts.ts";
import type { DeviceConnection } from "./device-connection.ts";
import type { Connections } from "./provision.ts";
import type { Stage } from "./stage.ts";

const RULES = new URL("rules.json", import.meta.url);
const EPOCH_DAYS = 7;
const FORECAST_HOURS = 6;
const AT_ONCE = 64;
const CLOSED_WITHIN_MS = 30_000;
const SECOND_MS = 1_000;
/** Between what a scene was about and what the lamp says of it. */
const LAMP_MS = 700;

export class Loops {
  /** Cells of which the weather service was told. */
  readonly toldCells = new Set<string>();
  /** Device → the cell of the last forecast that it got. */
  readonly forecastOf = new Map<string, string>();
  readonly #stage: Stage;
  readonly #services: Readonly<Partial<Record<ServicePurpose, { service: Service; publisher: DeviceConnection }>>>;
  /** Of commands that were sent: when that happened of which they are the answer. */
  readonly #causes = new Map<string, number>();
  readonly #pending = new Set<Promise<unknown>>();
  readonly #counts = { commands: 0, outcomes: 0, delivered: 0, carriedOut: 0, forecasts: 0 };
  /** Lamps that were switched on by a command. */
  readonly #on = new Set<WorldDevice>();
  #causeAt = 0;

  private constructor(stage: Stage, scene: DeviceConnection, weather: DeviceConnection, rules: string) {
    const now = () => stage.clock.now();
    this.#stage = stage;
    this.#services = {
      scene: {
        service: new SceneService({ rules: readRules(rules), place: undefined, epochDays: EPOCH_DAYS, now }),
        publisher: scene,
      },
      weather: { service: new WeatherService({ hours: FORECAST_HOURS }), publisher: weather },
    };
  }

  /** Resolves once lamps listen to commands, and all devices to the weather. */
  static async start(stage: Stage, connections: Connections, lamps: readonly WorldDevice[]): Promise<Loops> {
    const [scene, weather] = await Promise.all([stage.publisher("scene"), stage.publisher("weather")]);
    const loops = new Loops(stage, scene, weather, await readFile(RULES, "utf8"));
    await eachLimited(connections, AT_ONCE, async ([device, connection]) => {
      await connection.listen("notices/weather", (payload) => loops.#forecastHeard(device, payload));
    });
    await eachLimited(lamps, AT_ONCE, async (lamp) => {
      const connection = connections.get(lamp);
      await connection?.listen("commands/#", (payload) => loops.#commanded(lamp, connection, payload));
    });
    stage.onHeard = (service, topic, payload) => loops.#heard(service, topic, payload);
    return loops;
  }

  /** That devices got. */
  get forecasts(): number {
    return this.#counts.forecasts;
  }

  /** Publishes it as the weather service. */
  async forecast(cell: string, forecast: object): Promise<void> {
    await this.#services.weather?.publisher.publish(forecast, `weather/${cell}`);
  }

  /** Resolves once the pipeline rests and nothing follows from anything any more. */
  async settled(): Promise<void> {
    for (let before = -1; before !== this.#steps; ) {
      before = this.#steps;
      await this.#stage.settled();
      await Promise.all(this.#pending);
      if (!(await eventually(() => this.#isClosed, CLOSED_WITHIN_MS, 1)))
        throw new Error(`commands were lost: ${JSON.stringify(this.#counts)}`);
    }
  }

  /** Nothing is answered any more. */
  stop(recording: RecordingWriter): void {
    this.#stage.onHeard = undefined;
    for (const one of Object.values(this.#services)) one.publisher.close();
    const { commands, delivered, forecasts } = this.#counts;
    recording.truth({ about: "loops", commands, delivered, forecasts });
  }

  get #steps(): number {
    return Object.values(this.#counts).reduce((sum, count) => sum + count, 0);
  }

  get #isClosed(): boolean {
    const { commands, outcomes, delivered, carriedOut } = this.#counts;
    return outcomes === commands && carriedOut === delivered;
  }

  #heard(purpose: ServicePurpose, topic: string, payload: Buffer): void {
    const { service, publisher } = this.#services[purpose] ?? {};
    if (service === undefined || publisher === undefined || topic.startsWith("privacy/")) return;
    const said = JSON.parse(payload.toString()) as { cell?: string; at?: number; outcome?: string };
    if (said.cell !== undefined) this.toldCells.add(said.cell);
    if (said.outcome !== undefined) this.#counts.outcomes += 1;
    if (said.outcome === "delivered") this.#counts.delivered += 1;
    this.#causeAt = said.at ?? this.#stage.clock.now();
    if (!service.heard(topic, payload, this.#send(publisher)))
      throw new Error(`the ${purpose} service could not read what it heard`);
  }

  #send(publisher: DeviceConnection): Send {
    return async (topic, payload, expiresS) => {
      const { correlation } = payload as { correlation?: string };
      if (correlation !== undefined) {
        this.#counts.commands += 1;
        this.#causes.set(correlation, this.#causeAt);
      }
      const expiresAt = Math.trunc(this.#stage.clock.now()) + expiresS * SECOND_MS;
      await this.#following(publisher.publish(correlation === undefined ? payload : { ...payload, expiresAt }, topic));
      return true;
    };
  }

  /** A lamp says that it has done it within a second of what it was done for. */
  #commanded(lamp: WorldDevice, connection: DeviceConnection, payload: Buffer): void {
    const { value, correlation } = JSON.parse(payload.toString()) as { value: string; correlation: string };
    const cause = this.#causes.get(correlation) ?? this.#stage.clock.now();
    this.#causes.delete(correlation);
    this.#counts.carriedOut += 1;
    const isOn = value === "toggle" ? !this.#on.has(lamp) : value === "on";
    if (isOn) this.#on.add(lamp);
    else this.#on.delete(lamp);
    const status = isOn ? { power_on: true, brightness: lamp.brightness } : { power_on: false };
    const at = Math.min(Math.trunc(this.#stage.clock.now()), cause + LAMP_MS);
    void this.#following(connection.publish(telemetry(lamp, at, status).payload));
  }

  #forecastHeard({ id }: WorldDevice, payload: Buffer): void {
    this.#counts.forecasts += 1;
    this.forecastOf.set(id, (JSON.parse(payload.toString()) as { cell: string }).cell);
  }

  async #following(one: Promise<unknown>): Promise<void> {
    this.#pending.add(one);
    await one.finally(() => this.#pending.delete(one));
  }
}
