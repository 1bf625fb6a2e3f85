/** All that takes part in a race, in place and connected. */
import { INFLUX_DATABASE } from "../../tools/private-servers/services.ts";
import { eachLimited } from "../concurrency.ts";
import { Random } from "../random.ts";
import { type Arena, KEY_PREFIX } from "./arena.ts";
import { ChangesOfMind } from "./changes-of-mind.ts";
import { RaceFleet } from "./fleet.ts";
import { Listeners } from "./listeners.ts";
import { Names } from "./names.ts";
import { ALL_GRANTS, consentToEverything, makePeople, type RaceDevice, type RacePerson } from "./people.ts";
import { SentMessages } from "./sent-messages.ts";
import { Snapshots } from "./snapshots.ts";
import { StoreView } from "./store-view.ts";
import { Tally } from "./tally.ts";
import { Telltale } from "./telltale.ts";
import { Timeline } from "./timeline.ts";
import { Judge } from "./verdict.ts";

export interface Field {
  readonly people: readonly RacePerson[];
  readonly devices: readonly RaceDevice[];
  readonly timeline: Timeline;
  readonly sent: SentMessages;
  readonly telltale: Telltale;
  readonly judge: Judge;
  readonly tally: Tally;
  readonly names: Names;
  readonly store: StoreView;
  readonly listeners: Listeners;
  readonly fleet: RaceFleet;
  readonly minds: ChangesOfMind;
  /** For what happens on the field besides. */
  readonly random: Random;
}

export interface FieldOptions {
  readonly arena: Arena;
  readonly seed: number;
  readonly messages: number;
  readonly devices: number;
  /** Told of each part that has to be closed again, also when a later one fails. */
  closing(close: () => void): void;
}

const PEOPLE_AT_ONCE = 32;
/** More would be in each other's way. */
const PEOPLE_SHARE = 1 / 4;
const ERASURES_SHARE = 1 / 4;
const PROVISIONED_AT_ONCE = 16;

/** Every device is provisioned, consented for and connected; nothing is sent yet. */
export async function prepareField(options: FieldOptions): Promise<Field> {
  const { arena, messages, closing } = options;
  const random = new Random(options.seed);
  const { people, devices } = makePeople(random.fork("people"), options.devices);
  const names = new Names({ redisUrl: arena.redisUrl, keyPrefix: KEY_PREFIX, keysDir: arena.keysDir });
  closing(() => names.stop());
  await provision(arena, people, names);

  const timeline = new Timeline(devices.length, ALL_GRANTS);
  const [sent, telltale, snapshots, tally] = [new SentMessages(messages), new Telltale(), new Snapshots(), new Tally()];
  const store = new StoreView(arena.influxUrl, INFLUX_DATABASE);
  const listeners = new Listeners({ credentials: arena.config.services, event: () => timeline.event });
  closing(() => listeners.stop());
  for (const name of ["a", "b"] as const) await listeners.start(() => arena.mqttPort(name));

  const portOf = (device: number) => arena.mqttPort(device % 2 === 0 ? "a" : "b");
  const fleet = new RaceFleet({ devices, timeline, sent, telltale, random: random.fork("fleet"), portOf });
  closing(() => fleet.stop());
  await fleet.connect();

  const atOnce = Math.max(1, Math.min(PEOPLE_AT_ONCE, Math.floor(people.length * PEOPLE_SHARE)));
  const ownerOf = (name: string) => names.ownerOf(name);
  const persons = new Map(
    people.flatMap(({ devices: own }, person) => own.map(({ index }) => [index, person] as const)),
  );
  const judge = new Judge({ timeline, sent, telltale, snapshots, ownerOf, personOf: (device) => persons.get(device) });
  const parts = { people, timeline, fleet, listeners, names, store, judge, tally };
  const bounds = { concurrency: atOnce, erasures: Math.ceil(atOnce * ERASURES_SHARE) };
  const minds = new ChangesOfMind({ ...parts, ...bounds, snapshots, api: arena.api, random: random.fork("minds") });
  return { ...parts, devices, sent, telltale, minds, random: random.fork("course") };
}

async function provision({ api }: Arena, people: readonly RacePerson[], names: Names): Promise<void> {
  await eachLimited(people, PROVISIONED_AT_ONCE, async (person) => {
    for (const device of person.devices) {
      device.token = await api.issueToken(device.id);
      await api.bind(person.subject, device.id);
    }
    await api.consent(person.subject, consentToEverything());
  });
  await names.start();
  for (const person of people) person.names = await names.learn(person.subject, person.devices);
}
