/**
 * The judgement: every row that was read from the store, in the end or on the way, and every packet that a service got,
 * held against what its person allowed. No tolerance: what cannot be told to be allowed is a violation.
 */
import { grantsOf } from "../../src/model/consent.ts";
import { CATEGORIES, type Category, type Purpose, type ServicePurpose } from "../../src/model/purposes.ts";
import { Complaints, type Violation, type ViolationKind } from "./complaints.ts";
import type { Heard } from "./listeners.ts";
import { numbersInMiddle } from "./middle.ts";
import type { SentMessages } from "./sent-messages.ts";
import type { Snapshots } from "./snapshots.ts";
import type { LocationRow, StatusRow, StoredView } from "./store-view.ts";
import { phaseOfModel, type Stay, type Telltale } from "./telltale.ts";
import { endOf, isErased, mayAppear, type Phase, type Timeline } from "./timeline.ts";
import { stayOf, type Use, usesOf } from "./uses.ts";

/** What is known of the run while it runs. */
export interface Ground {
  readonly timeline: Timeline;
  readonly sent: SentMessages;
  readonly telltale: Pick<Telltale, "stayIn" | "staysBelow">;
  readonly snapshots: Pick<Snapshots, "hadRow" | "hadCell">;
  readonly ownerOf: (name: string) => number | undefined;
  /** The person whose device it is. */
  readonly personOf: (device: number) => number | undefined;
}

/** In the end, when nothing was in progress any more. */
export interface Outcome {
  readonly stored: StoredView;
  readonly heard: readonly Heard[];
  /** Devices whose people never changed anything. */
  readonly steady: ReadonlySet<number>;
}

export interface Verdict {
  readonly storedAfterWithdrawal: number;
  readonly rowsAfterErasure: number;
  readonly forwardedAfterWithdrawal: number;
  /** Acknowledged messages of people who never changed anything that have no row. */
  readonly lost: number;
  /** The same of people who did, where consent held from before the message to the end. */
  readonly lostWhereConsentHeld: number;
  /** Packets between an answer and what the connection answered right after it: handed over before or after, which cannot be told. */
  readonly forwardedAtTheAnswer: number;
  readonly checkedRows: CheckedRows;
  readonly checkedPackets: CheckedPackets;
  readonly violations: readonly Violation[];
}

/** Rows that differ, each held against what was allowed each time it was read; stray rows are not among them. */
export type CheckedRows = Readonly<Record<"device_status" | "device_location", number>>;
/** Packets that could be told; stray ones are not among them. */
export type CheckedPackets = Readonly<Record<ServicePurpose, number>>;

/** Whatever is configured. */
const LEAST_PEOPLE = 5;

interface CrowdPacket {
  readonly cell: string;
  readonly center: unknown;
  readonly at: number;
  readonly status: { readonly w: number };
  readonly subjects: string;
}

const BITS: ReadonlyMap<string, number> = new Map(
  (["analytics", "weather", "scene", "network"] as const).flatMap((purpose) =>
    CATEGORIES.map((category) => [`${purpose}.${category}`, grantsOf({ [purpose]: [category] })] as const),
  ),
);

/** What a reading of a crowd is of. */
const CROWD = grantsOf({ weather: ["location", "status"] });

export class Judge {
  readonly #ground: Ground;
  readonly #complaints = new Complaints();
  /** Rows that were judged, and those of them that were found fault with: most are read more than once. */
  readonly #checked = { device_status: new Set<string>(), device_location: new Set<string>() };
  readonly #faulty = new Set<string>();
  readonly #packets: Record<ServicePurpose, number> = { weather: 0, scene: 0, network: 0 };
  #atTheAnswer = 0;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** What the store holds at this moment, all of it or a part; a snapshot of what may stay must have been taken before. */
  rows({ statuses, locations }: StoredView): void {
    for (const row of statuses) this.#status(row);
    for (const row of locations) this.#location(row);
  }

  #status({ device, n, model }: StatusRow): void {
    const { sent, snapshots, ownerOf } = this.#ground;
    const stay = stayOf(n, sent);
    const row = `${device} ${n}`;
    if (stay === undefined || ownerOf(device) !== stay.device || strayModel(model, stay)) {
      return void this.#fault(row, "stray row", "analytics.status");
    }
    this.#checked.device_status.add(row);
    const had = (end: number, withModel: boolean) => snapshots.hadRow(stay.device, end, n, withModel);
    this.#row(row, { stay, purpose: "analytics", category: "status" }, (end) => had(end, false));
    if (model !== undefined) this.#row(row, { stay, purpose: "analytics", category: "model" }, (end) => had(end, true));
  }

  #location({ device, cell }: LocationRow): void {
    const { telltale, snapshots, ownerOf } = this.#ground;
    const stay = telltale.stayIn(cell);
    const row = `${device} ${cell}`;
    if (stay === undefined || ownerOf(device) !== stay.device) {
      return void this.#fault(row, "stray row", "analytics.location");
    }
    this.#checked.device_location.add(row);
    const use: Use = { stay, purpose: "analytics", category: "location" };
    this.#row(row, use, (end) => snapshots.hadCell(stay.device, end, cell));
  }

  #packet(heard: Heard): void {
    if (heard.purpose === "weather") return void this.#crowd(heard);
    const uses = usesOf(heard.purpose, heard.payload, this.#ground);
    if (uses === undefined) return void this.#complaints.add("stray packet", heard.purpose);
    this.#packets[heard.purpose] += 1;
    for (const { stay, purpose, category } of uses) {
      const bits = bitsOf(purpose, category);
      const phases = this.#phasesOf(stay.device);
      if (!mayAppear(phases, stay.phase, heard.passed, bits)) {
        return void this.#forwarded(stay, `${purpose}.${category}`, bits, heard.at);
      }
      if (!mayAppear(phases, stay.phase, heard.known, bits)) return void this.#countAtTheAnswer();
    }
  }

  /**
   * The weather of a crowd must be of a crowd: enough people below the cell who allowed it without a break up to the packet. And whose
   * value is in its middle, alone or as one of two, must have allowed it as well.
   */
  #crowd({ payload, at, passed, known }: Heard): void {
    const { telltale, personOf } = this.#ground;
    const packet = JSON.parse(payload.toString("utf8")) as CrowdPacket;
    const stays = telltale.staysBelow(packet.cell);
    const shown = this.#shownBy(packet, stays);
    if (shown === undefined) return void this.#complaints.add("stray packet", "weather");
    this.#packets.weather += 1;
    const allows = ({ device, phase }: Stay, event: number) => mayAppear(this.#phasesOf(device), phase, event, CROWD);
    const enough = (event: number) =>
      new Set(stays.filter((stay) => allows(stay, event)).map(({ device }) => personOf(device))).size >= LEAST_PEOPLE;
    const withdrawn = shown.find((stay) => !allows(stay, passed));
    if (withdrawn !== undefined) return void this.#forwarded(withdrawn, "weather.crowd", CROWD, at);
    if (!enough(passed)) return void this.#complaints.add("forwarded", "weather.crowd");
    if (!enough(known) || shown.some((stay) => !allows(stay, known))) this.#countAtTheAnswer();
  }

  /** `undefined` when it is no packet that a crowd of messages below its cell can have become. */
  #shownBy({ cell, center, at, status, subjects, ...others }: CrowdPacket, below: readonly Stay[]): Stay[] | undefined {
    const { w, ...more } = status;
    if (center === undefined || at === undefined || subjects !== "5+") return undefined;
    if (Object.keys(others).length + Object.keys(more).length > 0) return undefined;
    const stays = (numbersInMiddle(w) ?? []).map((n) => stayOf(n, this.#ground.sent));
    const there = stays.filter(
      (stay) => stay !== undefined && below.some(({ device, phase }) => device === stay.device && phase === stay.phase),
    );
    return there.length === 2 ? (there as Stay[]) : undefined;
  }

  /** To be called once. */
  verdict(outcome: Outcome): Verdict {
    this.rows(outcome.stored);
    for (const packet of outcome.heard) this.#packet(packet);
    const complaints = this.#complaints;
    return {
      storedAfterWithdrawal: complaints.count("stored") + complaints.count("stray row"),
      rowsAfterErasure: complaints.count("not erased"),
      forwardedAfterWithdrawal: complaints.count("forwarded") + complaints.count("stray packet"),
      ...this.#lost(outcome),
      forwardedAtTheAnswer: this.#atTheAnswer,
      checkedRows: {
        device_status: this.#checked.device_status.size,
        device_location: this.#checked.device_location.size,
      },
      checkedPackets: this.#packets,
      violations: complaints.list(),
    };
  }

  #forwarded(stay: Stay, what: string, bits: number, at: number): void {
    const phases = this.#phasesOf(stay.device);
    const end = endOf(phases, stay.phase, bits) ?? stay.phase;
    this.#complaints.add("forwarded", what, end - stay.phase, at - (phases[end]?.at ?? at));
  }

  #countAtTheAnswer(): void {
    this.#atTheAnswer += 1;
  }

  /** A row may stay that was there when its use ended. */
  #row(row: string, { stay, purpose, category }: Use, wasThere: (end: number) => boolean): void {
    const phases = this.#phasesOf(stay.device);
    const what = `${purpose}.${category}`;
    if (isErased(phases, stay.phase)) return void this.#fault(row, "not erased", what);
    const end = endOf(phases, stay.phase, bitsOf(purpose, category));
    if (end === undefined) return;
    if (end === stay.phase || !wasThere(end)) this.#fault(row, "stored", what, end - stay.phase);
  }

  /** Once for each row, however often it is read. */
  #fault(row: string, kind: ViolationKind, what: string, phasesApart?: number): void {
    const key = `${row} ${kind} ${what}`;
    if (this.#faulty.has(key)) return;
    this.#faulty.add(key);
    this.#complaints.add(kind, what, phasesApart);
  }

  #lost({ stored, steady }: Outcome): Pick<Verdict, "lost" | "lostWhereConsentHeld"> {
    const { sent } = this.#ground;
    const there = new Set(stored.statuses.map(({ n }) => n));
    const status = bitsOf("analytics", "status");
    let lost = 0;
    let lostWhereConsentHeld = 0;
    for (let n = 0; n < sent.count; n += 1) {
      if (there.has(n) || !sent.isOwed(n)) continue;
      if (endOf(this.#phasesOf(sent.deviceOf(n)), sent.phaseOf(n), status) !== undefined) continue;
      if (steady.has(sent.deviceOf(n))) lost += 1;
      else lostWhereConsentHeld += 1;
    }
    return { lost, lostWhereConsentHeld };
  }

  #phasesOf(device: number): readonly Phase[] {
    return this.#ground.timeline.devices[device]?.phases ?? [];
  }
}

function strayModel(model: string | undefined, stay: Stay): boolean {
  return model !== undefined && phaseOfModel(model) !== stay.phase;
}

function bitsOf(purpose: Purpose, category: Category): number {
  return BITS.get(`${purpose}.${category}`) ?? 0;
}
