/** A4 and A14: names of different outputs for the same devices, over a day, by time and family. */
import { assign } from "../measure/assignment.ts";
import type { PacketArrival } from "../recording/format.ts";
import type { View } from "../recording/view.ts";
import type { Attack, Found } from "./attack.ts";
import { Coincidences, momentsOf, type Sighting } from "./times.ts";

interface Seen extends Sighting {
  readonly family: string | undefined;
}

const OTHER_FAMILY = -10;

export const sceneAndNetwork: Attack = {
  name: "A4",
  what: "names of scene and network services, over a day",
  goal: 0.08,
  run: (view) => join(view, packets(view, view.processed("scene")), packets(view, view.processed("network"))),
};

/** Only what happens at a moment: a report every two hours has no event that a scene would be about. */
const EVENT_FIELDS = ["lock_state", "occupancy", "open", "action", "power_on"];

export const rowsAndScenes: Attack = {
  name: "A14",
  what: "stored names and names of scene services, by events over a day",
  goal: 0.1,
  run(view) {
    const rows = view
      .measured("device_status")
      .filter(({ at, fields }) => within(view, at) && EVENT_FIELDS.some((field) => field in fields))
      .flatMap(({ tags: { device: name, model: family }, time: told, n, at }) =>
        name === undefined || view.ownerOf(name) === undefined ? [] : [{ name, family, told, n, at }],
      );
    const scenes = packets(
      view,
      view.processed("scene").filter(({ payload }) => {
        const { status } = payload as { status?: object };
        return status !== undefined && EVENT_FIELDS.some((field) => field in status);
      }),
    );
    return join(view, rows, scenes);
  },
};

function packets(view: View, arrived: readonly PacketArrival[]): Seen[] {
  return arrived.flatMap(({ payload, n, at }) => {
    const { device: name, model: family, at: told } = payload as { device: string; model?: string; at: number };
    return within(view, at) && view.ownerOf(name) !== undefined ? [{ name, family, told, n, at }] : [];
  });
}

function within({ firstDay }: View, at: number): boolean {
  return at >= firstDay.from && at < firstDay.to;
}

function join(view: View, left: readonly Seen[], right: readonly Seen[]): Found {
  const [families, otherFamilies] = [familiesOf(left), familiesOf(right)];
  const coincidences = new Coincidences(momentsOf(left), momentsOf(right));
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
