/** A4 and A14: names of different outputs for the same devices, over a day, by time, family and what was said. */

import { StatusFilter } from "../../src/deidentify/status.ts";
import type { StatusFields } from "../../src/model/deidentified.ts";
import { Vocabulary } from "../../src/vocabulary/vocabulary.ts";
import { assign } from "../measure/assignment.ts";
import type { PacketArrival } from "../recording/format.ts";
import type { View } from "../recording/view.ts";
import { type Attack, type Found, grouped } from "./attack.ts";
import { Coincidences, EVERYTHING, momentsOf, type Seeing, type Sighting } from "./times.ts";

interface Seen extends Sighting {
  readonly family: string | undefined;
}

const DAY_MS = 86_400_000;
const OTHER_FAMILY = -10;

export const sceneAndNetwork: Attack = {
  name: "A4",
  what: "names of scene and network services, over a day",
  goal: 0.08,
  run: (view) => join(view, packets(view, view.processed("scene")), packets(view, view.processed("network"))),
};

/** Only what happens at a moment: a report every two hours has no event that a scene would be about. */
const EVENT_FIELDS = ["lock_state", "occupancy", "open", "action", "power_on"];

interface Reader extends Pick<Seeing, "arrivals"> {
  /** Also reports, and what they say; else events alone. */
  readonly values: boolean;
}

/** Who reads the store when the day is over. */
const READERS: Readonly<Record<string, Reader>> = {
  "events, as stored": { arrivals: false, values: false },
  "and all that was said": { arrivals: false, values: true },
};
/** Who watches rows in transit into the store: told, and not counted, for nothing is done against it. */
const WATCHER: Reader = { arrivals: true, values: true };

export const rowsAndScenes: Attack = {
  name: "A14",
  what: "stored names and names of scene services, by what is stored of a day's events",
  goal: 0.1,
  run(view) {
    const detail: Record<string, number> = {};
    let best: Found | undefined;
    for (const [name, reader] of Object.entries(READERS)) {
      const found = storedAndTold(view, reader);
      detail[name] = found.hits / Math.max(1, found.trials);
      if (best === undefined || found.hits > best.hits) best = found;
    }
    const watched = storedAndTold(view, WATCHER);
    detail["not counted: who watches rows arrive"] = watched.hits / Math.max(1, watched.trials);
    return { ...(best ?? { hits: 0, trials: 0, control: 1 }), detail };
  },
};

/** Each stored name for as long as it lasts in that day, family by family. */
function storedAndTold(view: View, reader: Reader): Found {
  const { from, to } = view.firstDay;
  const lastsMs = Math.min(view.storedNameMs, DAY_MS);
  const seeing = { toldStepMs: view.run.storedStepMs ?? 1, arrivals: reader.arrivals };
  const sum = { hits: 0, trials: 0, families: 0 };
  for (let begin = from; begin < to; begin += lastsMs) {
    const rows = grouped(rowsOf(view, begin, begin + lastsMs, reader), ({ family }) => family ?? "");
    const scenes = grouped(scenesOf(view, begin, begin + lastsMs, reader), ({ family }) => family ?? "");
    for (const [family, left] of rows) {
      const found = join(view, left, scenes.get(family) ?? [], seeing);
      sum.hits += found.hits;
      sum.trials += found.trials;
      sum.families += 1;
    }
  }
  // A guess within the family is right once for each family.
  return { hits: sum.hits, trials: sum.trials, control: Math.min(1, sum.families / Math.max(1, sum.trials)) };
}

/** Of the names under which something has happened. */
function rowsOf(view: View, from: number, to: number, { values }: Reader): Seen[] {
  const names = [...view.storedUnder(from - ((from - view.run.startsAt) % view.storedNameMs))];
  return names.flatMap(([name, all]) => {
    const rows = all.filter(({ time }) => time >= from && time < to);
    const events = rows.filter(({ fields }) => isEvent(fields));
    if (events.length === 0) return [];
    const family = rows.find(({ tags }) => tags.model !== undefined)?.tags.model;
    return (values ? rows : events).map(({ time: told, n, at, fields }) => {
      return { name, family, told, n, at, said: [wordsOf(values ? fields : eventsOf(fields))] };
    });
  });
}

const stored = new StatusFilter(new Vocabulary([], "classes").properties);

/** What is stored is made of what a scene gets, by a table that everyone has. */
function scenesOf(view: View, from: number, to: number, { values }: Reader): Seen[] {
  return view.processed("scene").flatMap(({ payload, n, at }) => {
    const { device: name, model: family, at: told, status } = payload as ScenePayload;
    if (status === undefined || told < from || told >= to || view.ownerOf(name) === undefined) return [];
    if (!values && !isEvent(status)) return [];
    const said = values ? [wordsOf(status), wordsOf(stored.forAnalytics(status) ?? {})] : [wordsOf(eventsOf(status))];
    return [{ name, family, told, n, at, said: [...new Set(said)] }];
  });
}

interface ScenePayload {
  readonly device: string;
  readonly model?: string;
  readonly at: number;
  readonly status?: StatusFields;
}

function isEvent(fields: object): boolean {
  return EVENT_FIELDS.some((field) => field in fields);
}

function eventsOf(fields: StatusFields): StatusFields {
  return Object.fromEntries(Object.entries(fields).filter(([field]) => EVENT_FIELDS.includes(field)));
}

function wordsOf(fields: StatusFields): string {
  return JSON.stringify(Object.entries(fields).sort(([one], [other]) => (one < other ? -1 : 1)));
}

function packets(view: View, arrived: readonly PacketArrival[]): Seen[] {
  return arrived.flatMap(({ payload, n, at }) => {
    const { device: name, model: family, at: told } = payload as { device: string; model?: string; at: number };
    return within(view, at) && view.ownerOf(name) !== undefined ? [{ name, family, told, n, at }] : [];
  });
}

function within({ firstDay }: View, at: number): boolean {
  return at >= firstDay.from && at < firstDay.to;
}

function join(view: View, left: readonly Seen[], right: readonly Seen[], seeing: Seeing = EVERYTHING): Found {
  const [families, otherFamilies] = [familiesOf(left), familiesOf(right)];
  const coincidences = new Coincidences(momentsOf(left, seeing), momentsOf(right, seeing));
  const [names, others] = [[...families.keys()], coincidences.names];
  const score = (one: number, other: number) => {
    const [name, candidate] = [names[one] ?? "", others[other] ?? ""];
    const family = families.get(name) === otherFamilies.get(candidate) ? 0 : OTHER_FAMILY;
    return family + (coincidences.scores(name)[other] ?? 0);
  };
  const partners = assign(names.length, others.length, score, view.random);
  // Those that can be found at all.
  const owners = new Set(others.map((name) => view.ownerOf(name)?.device));
  const trials = names.filter((name) => owners.has(view.ownerOf(name)?.device));
  const hits = names.filter((name, index) => {
    const partner = others[partners[index] ?? -1];
    return partner !== undefined && view.ownerOf(name)?.device === view.ownerOf(partner)?.device;
  }).length;
  // A guess within the family is right once for each family.
  const control = Math.min(1, new Set(otherFamilies.values()).size / Math.max(1, names.length));
  return { hits, trials: trials.length, control };
}

function familiesOf(seen: readonly Seen[]): Map<string, string | undefined> {
  const families = new Map<string, string | undefined>();
  for (const { name, family } of seen) if (family !== undefined || !families.has(name)) families.set(name, family);
  return families;
}
