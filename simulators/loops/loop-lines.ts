/** The two loops as the demo prints them: for a person at a terminal, and for a program. */
import type { Switching, ToldForecast } from "../loop-log.ts";
import { count } from "../progress.ts";
import type { LoopReport } from "./loop-report.ts";

export function loopJson({ weather, scene }: LoopReport): Record<string, unknown> {
  return { weather, scene };
}

/** What they have not shown, one sentence each. */
export function loopShortcomings({ weather, scene }: LoopReport): string[] {
  const figures = Object.entries({ ...weather, ...scene });
  return figures.flatMap(([name, value]) => (value > 0 ? [] : [`the loops are not closed: ${name} is ${value}`]));
}

/** Label, figure, what it is; each followed by an example, raw on the terminal only, where the simulator's own data may be shown. */
export function loopRows({ weather, scene, toldCells, forecast, switching }: LoopReport) {
  return [
    {
      label: "Forecasts",
      value: weather.devicesReached,
      remark: `devices got one, of a service that knows none of them: it was told of crowds in ${count(toldCells)} cells, and forecasts the rest of the world coarsely`,
      example: forecast && forecastText(forecast),
    },
    {
      label: "Switchings",
      value: scene.commandsDelivered,
      remark: `times someone came and a rule switched the lamp on, ${scene.medianMs} ms later (median); the service knows pseudonyms alone`,
      example: switching && switchingText(switching),
    },
  ];
}

interface Notice {
  readonly cell: string;
  readonly hours: readonly { readonly temperature: number; readonly condition?: string }[];
}

function forecastText({ topic, payload }: ToldForecast): string {
  const { cell, hours } = JSON.parse(payload) as Notice;
  const said = hours.slice(0, 3).map(({ temperature, condition }) => `${temperature} °C ${condition ?? ""}`.trim());
  return `weather/${cell} → ${topic}  ${said.join(", ")}, … for ${hours.length} h`;
}

function switchingText({ cause, command, done }: Switching): string {
  return [
    `${cause.topic} ${part(cause.payload, "occupancy")}`,
    `${command.topic} ${command.payload}`,
    `${done.topic} ${part(done.payload, "state")}`,
  ].join(" → ");
}

function part(payload: string, name: string): string {
  const { [name]: value } = JSON.parse(payload) as Record<string, unknown>;
  return `{"${name}":${JSON.stringify(value)},…}`;
}
