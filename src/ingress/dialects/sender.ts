/**
 * A connection that speaks a dialect: what it calls itself, and the devices behind it. What they are called rests as a keyed hash
 * only, so a level of a topic is hashed before it is compared; what was found is remembered for the session.
 */
import type { Dialect } from "../../dialects/compile.ts";
import type { Sender } from "../../dialects/read.ts";
import { covers } from "../../dialects/topic.ts";
import type { DeviceCommand } from "../../model/command.ts";
import type { AliasMac, DeviceId, DeviceKey, DeviceRef, SubjectTag } from "../../model/ids.ts";
import type { TokenBucket } from "../../platform/rate.ts";
import type { Heard } from "../admission/last-heard.ts";
import { type Publisher, publisherOf } from "../admission/publisher.ts";

/** A device behind a hub. */
export interface Child {
  readonly alias: AliasMac;
  readonly key: DeviceKey;
  /** `undefined` while nothing of it may be taken: it is bound to no one, or not to the subject of the hub. */
  readonly subjectTag: SubjectTag | undefined;
  /** No other gateway has told a difference of its counters since this one did. */
  readonly holds: boolean;
}

const SELF = "{self}";
const CHILD = "{child}";

export interface SenderPorts {
  aliasMac(connection: DeviceKey, alias: string): AliasMac;
  /** Rejects when Redis does not answer. */
  children(hub: DeviceKey): Promise<readonly Child[]>;
  /** The rate of a device, across its connections. */
  bucket(device: DeviceKey): TokenBucket;
  /** When it was heard last, across its connections. */
  heard(device: DeviceRef): Heard;
}

/** A command in the words of a family. */
export interface WrittenCommand {
  /** With a `+` for a name that only the device knows. */
  readonly topic: string;
  readonly payload: string;
}

export class DialectSender implements Sender {
  readonly dialect: Dialect;
  readonly own: Publisher;
  readonly #alias: AliasMac | undefined;
  readonly #ports: SenderPorts;
  /** What it is called, once it has said so, and the last level that was not it. */
  #self: string | undefined;
  #notSelf: string | undefined;
  #children: ReadonlyMap<AliasMac, Publisher> = new Map();
  #underWay: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #byKey: ReadonlyMap<DeviceKey, Publisher> = new Map();
  readonly #byAlias = new Map<string, Publisher>();

  constructor(
    dialect: Dialect,
    { id, alias, own }: { readonly id: DeviceId; readonly alias: AliasMac | undefined; readonly own: Publisher },
    ports: SenderPorts,
  ) {
    this.dialect = dialect;
    this.own = own;
    this.#alias = alias;
    this.#self = alias === undefined ? id : undefined;
    this.#ports = ports;
  }

  /**
   * Reads which devices are behind it, at the login and whenever that has changed; one reading after the other, the next one for
   * all changes that came meanwhile. Rejects when Redis does not answer.
   */
  load(): Promise<void> {
    if (!this.dialect.hub) return Promise.resolve();
    this.#next ??= this.#underWay
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        this.#underWay = this.#read();
        return this.#underWay;
      });
    return this.#next;
  }

  async #read(): Promise<void> {
    const before = this.#byKey;
    const children = new Map<AliasMac, Publisher>();
    for (const { alias, key, subjectTag, holds } of await this.#ports.children(this.own.key)) {
      const known = before.get(key);
      const same = known?.ref?.subjectTag === subjectTag;
      children.set(alias, same && known !== undefined ? known : this.#publisherOf(key, subjectTag, holds));
    }
    this.#children = children;
    this.#byKey = new Map([...children.values()].map((publisher) => [publisher.key, publisher]));
    this.#byAlias.clear();
  }

  /** A topic filter that its firmware needs granted to start, or one that asks for less. */
  asksFor(filter: string): boolean {
    return this.dialect.subscriptions.some((granted) => covers(granted, filter, (word) => this.isSelf(word)));
  }

  isSelf(word: string): boolean {
    if (word === this.#self) return true;
    if (this.#alias === undefined || this.#self !== undefined || word === this.#notSelf) return false;
    const is = this.#ports.aliasMac(this.own.key, word) === this.#alias;
    if (is) this.#self = word;
    else this.#notSelf = word;
    return is;
  }

  get children(): Iterable<Publisher> {
    return this.#byKey.values();
  }

  hasChild(alias: string): boolean {
    return this.child(alias) !== undefined;
  }

  child(alias: string): Publisher | undefined {
    if (this.#children.size === 0) return undefined;
    const known = this.#byAlias.get(alias);
    if (known !== undefined) return known;
    const child = this.#children.get(this.#ports.aliasMac(this.own.key, alias));
    if (child !== undefined) this.#byAlias.set(alias, child);
    return child;
  }

  /** Whether it is this device of this subject, or such a device is behind it. */
  speaksFor({ deviceKey, subjectTag }: DeviceRef): boolean {
    const speaker = deviceKey === this.own.key ? this.own : this.#byKey.get(deviceKey);
    return speaker?.ref?.subjectTag === subjectTag;
  }

  /** Where a forecast for it goes; `undefined` when nowhere. */
  weatherTopic(device: DeviceKey): string | undefined {
    return this.#topicOf(device, this.dialect.notices.weather);
  }

  #topicOf(device: DeviceKey, topic: string | undefined): string | undefined {
    const ofChild = topic?.includes(CHILD) === true;
    if (topic === undefined || ofChild !== (device !== this.own.key)) return undefined;
    const alias = ofChild ? this.aliasOf(device) : this.#self;
    return alias === undefined ? undefined : topic.replace(ofChild ? CHILD : SELF, () => alias);
  }

  /** How its firmware may take a command, best first; nothing before the device has said what it is called. */
  written(device: DeviceKey, { name, value }: DeviceCommand): readonly WrittenCommand[] {
    const ofChild = device !== this.own.key;
    const alias = ofChild ? this.aliasOf(device) : this.#self;
    if (alias === undefined) return [];
    return (this.dialect.commands.get(name) ?? []).flatMap((way) => {
      const payload = way.ofChild === ofChild ? way.payload(value, alias) : undefined;
      // Of a device behind the hub the topic may name the hub, and the payload the device.
      const topic = way.topic(alias, this.#self);
      return topic === undefined || payload === undefined ? [] : [{ topic, payload }];
    });
  }

  /** What the hub has called it in this session; `undefined` before that. */
  aliasOf(child: DeviceKey): string | undefined {
    for (const [alias, { key }] of this.#byAlias) if (key === child) return alias;
    return undefined;
  }

  #publisherOf(key: DeviceKey, subjectTag: SubjectTag | undefined, holds: boolean): Publisher {
    const ref = subjectTag && { deviceKey: key, subjectTag };
    const bucket = this.#ports.bucket(key);
    const heard = ref && this.#ports.heard(ref);
    return publisherOf(undefined, { key, ref, hub: this.own.ref, bucket, holds, heard }, this.own.connection);
  }
}
