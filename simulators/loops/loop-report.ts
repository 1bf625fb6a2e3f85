/** What the two loops have shown: what devices got, held against what the services say of themselves and against who was asked. */
import { getResolution } from "h3-js";
import { isAsked, isIn } from "../crowd-check.ts";
import type { LoopLog, Switching, ToldForecast } from "../loop-log.ts";
import { percentile } from "../sent-log.ts";

export interface LoopReport {
  readonly weather: {
    /** Of which a forecast reached a device. */
    readonly cells: number;
    readonly forecastsDelivered: number;
    readonly devicesReached: number;
  };
  readonly scene: { readonly rulesFired: number; readonly commandsDelivered: number; readonly medianMs: number };
  /** Cells of crowds, of which the service was told. */
  readonly toldCells: number;
  readonly forecast: ToldForecast | undefined;
  readonly switching: Switching | undefined;
  /** Sentences. */
  readonly problems: readonly string[];
}

/** What the programs say when they end. */
export interface Accounts {
  readonly weather: Readonly<Record<string, unknown>>;
  readonly scene: Readonly<Record<string, unknown>>;
}

export function loopReport(log: LoopLog, { weather, scene }: Accounts): LoopReport {
  const { forecasts, switchings } = log;
  const told = forecasts.map((forecast) => ({ ...forecast, cell: cellOf(forecast) }));
  const { delivered = 0 } = scene.outcomes as { readonly delivered?: number };
  const finest = told.toSorted((one, other) => getResolution(other.cell) - getResolution(one.cell));
  return {
    weather: {
      cells: new Set(told.map(({ cell }) => cell)).size,
      forecastsDelivered: told.length,
      devicesReached: new Set(told.map(({ device }) => device.id)).size,
    },
    scene: {
      rulesFired: Number(scene.commands),
      commandsDelivered: delivered,
      medianMs:
        percentile(
          switchings.map(({ ms }) => ms),
          0.5,
        ) || 0,
    },
    toldCells: Number(weather.cells),
    forecast: finest[0],
    switching: switchings[0],
    problems: [...forecastProblems(told), ...commandProblems(log, { weather, scene }, delivered)],
  };
}

function forecastProblems(told: readonly (ToldForecast & { readonly cell: string })[]): string[] {
  const strangers = told.filter(({ device }) => !isAsked(device.household)).length;
  const elsewhere = told.filter(({ device, cell }) => !device.profile.moving && !isIn(device.household, cell)).length;
  return [
    ...(strangers > 0 ? [`${strangers} forecasts reached devices of people who did not agree to any`] : []),
    ...(elsewhere > 0 ? [`${elsewhere} forecasts reached devices that are not below their cells`] : []),
  ];
}

/** What is handed to a hub at the moment in which it loses its power is delivered, and never heard. */
const ON_THE_LINE = 1;

function commandProblems({ commands, carriedOut }: LoopLog, { weather, scene }: Accounts, delivered: number): string[] {
  const unreadable = Number(weather.unreadable) + Number(scene.unreadable);
  return [
    ...(commands > delivered || delivered - commands > ON_THE_LINE
      ? [`the scene service was told of ${delivered} commands that arrived, devices got ${commands}`]
      : []),
    ...(carriedOut < commands ? [`${commands - carriedOut} commands were not carried out`] : []),
    ...(unreadable > 0 ? [`services could not read ${unreadable} packets`] : []),
  ];
}

function cellOf({ payload }: ToldForecast): string {
  return (JSON.parse(payload) as { cell: string }).cell;
}
