/**
 * Notes what messages say of devices in their sealed records: when it resolves, each record in Redis says what the rules make of all
 * that was said, on whatever gateway. What was noted last is remembered, so that saying the same again costs nothing.
 */
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, DeviceRef } from "../model/ids.ts";
import { boundedCache } from "./bounded-cache.ts";
import { fieldOf, type Replacement, type SealedRecords } from "./sealed-records.ts";

export interface NotingOptions {
  /** Devices of which it is remembered what was noted. */
  readonly maxDevices: number;
  /** By how much a device's clock may be ahead of the gateway's. */
  readonly aheadMs: number;
  readonly now: () => number;
}

export interface NotingClock {
  /** Unix ms. */
  readonly now: number;
  readonly aheadMs: number;
}

/** What one message says of a device, found to be consented to at a state of the subject's ledger. */
export interface Noted {
  readonly device: DeviceRef;
  readonly wrappedSubjectKey: string;
  readonly revision: number;
}

export interface NotingRules<Said extends Noted, Content> {
  /** The same record when what is said changes nothing. */
  readonly noted: (known: Content | undefined, said: Said, clock: NotingClock) => Content;
  /** Whether it need not be noted, with what was noted last. */
  readonly isKnown: (known: Content, said: Said, clock: NotingClock) => boolean;
}

interface Remembered<Content> {
  readonly wrappedSubjectKey: string;
  readonly revision: number;
  readonly content: Content;
}

type NotingStore<Content> = Pick<SealedRecords<Content>, "read" | "open" | "replace">;

const MAX_ATTEMPTS = 8;

export class RecordNoting<Said extends Noted, Content> {
  readonly #store: NotingStore<Content>;
  readonly #options: NotingOptions;
  readonly #rules: NotingRules<Said, Content>;
  readonly #known;

  constructor(store: NotingStore<Content>, options: NotingOptions, rules: NotingRules<Said, Content>) {
    this.#store = store;
    this.#options = options;
    this.#rules = rules;
    this.#known = boundedCache<DeviceKey, Remembered<Content>>(options.maxDevices);
  }

  /** Throws REDIS_UNAVAILABLE, CONSENT_CONFLICT, SUBJECT_KEY_UNREADABLE. Safe to repeat. */
  async note(all: readonly Said[]): Promise<void> {
    const clock = this.#clock();
    let open: (readonly Said[])[] = byDevice(all.filter((said) => !this.#isKnown(said, clock)));
    for (let attempt = 0; open.length > 0; attempt += 1) {
      if (attempt === MAX_ATTEMPTS) throw new GatewayError("CONSENT_CONFLICT", "noting records");
      open = await this.#attempt(open);
    }
  }

  /** Drops what is remembered of these devices; erasure calls it. */
  forget(devices: Iterable<DeviceKey>): void {
    for (const device of devices) this.#known.delete(device);
  }

  /** Those that another gateway, or the step that tells the records, changed meanwhile. */
  async #attempt(devices: readonly (readonly Said[])[]): Promise<(readonly Said[])[]> {
    const firsts = devices.map(([first]) => first as Said);
    const texts = await this.#store.read(firsts.map(({ device }) => device));
    const clock = this.#clock();
    const changed: (readonly Said[])[] = [];
    const contents: Content[] = [];
    const replacements: Replacement<Content>[] = [];
    for (const [index, all] of devices.entries()) {
      const last = all.at(-1) as Said;
      const { device, wrappedSubjectKey } = last;
      const was = texts[index] ?? "";
      const known = was === "" ? undefined : this.#store.open({ device, sealed: was }, wrappedSubjectKey);
      let content = known;
      for (const said of all) content = this.#rules.noted(content, said, clock);
      if (content === undefined) continue;
      if (content === known) {
        this.#remember(last, known);
        continue;
      }
      changed.push(all);
      contents.push(content);
      replacements.push({ device, was, record: { wrappedSubjectKey, content } });
    }
    const done = await this.#store.replace(replacements);
    return changed.filter((all, index) => {
      if (done[index] === true) this.#remember(all.at(-1) as Said, contents[index] as Content);
      return done[index] !== true;
    });
  }

  #clock(): NotingClock {
    return { now: this.#options.now(), aheadMs: this.#options.aheadMs };
  }

  #isKnown(said: Said, clock: NotingClock): boolean {
    const known = this.#known.get(said.device.deviceKey);
    // Any change of the ledger may have taken the record away.
    if (known?.wrappedSubjectKey !== said.wrappedSubjectKey || known.revision !== said.revision) return false;
    return this.#rules.isKnown(known.content, said, clock);
  }

  #remember({ device, wrappedSubjectKey, revision }: Said, content: Content): void {
    this.#known.set(device.deviceKey, { wrappedSubjectKey, revision, content });
  }
}

/** In the order in which it came. */
function byDevice<Said extends Noted>(all: readonly Said[]): Said[][] {
  const devices = new Map<string, Said[]>();
  for (const said of all) {
    const field = fieldOf(said.device);
    const others = devices.get(field);
    if (others === undefined) devices.set(field, [said]);
    else others.push(said);
  }
  return [...devices.values()];
}
