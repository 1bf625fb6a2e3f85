/** How the devices of a subject reach the gateway, for that subject to see. Of a device that is another's by now nothing is said. */
import type { Redis } from "ioredis";
import type { DeviceConnection } from "../model/device-connection.ts";
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { Keyspace } from "../platform/keyspace.ts";
import { orRedisUnavailable } from "../platform/redis.ts";
import { execEach } from "../platform/redis-values.ts";
import type { Hubs } from "./hubs.ts";

const FIELDS = ["tag", "dialect", "presence", "hub", "hubTenure", "tenure"] as const;
type Fields = Partial<Record<(typeof FIELDS)[number], string>>;

export class DeviceConnections {
  readonly #redis: Redis;
  readonly #keyspace: Keyspace;
  readonly #hubs: Pick<Hubs, "load">;

  constructor(redis: Redis, keyspace: Keyspace, hubs: Pick<Hubs, "load">) {
    this.#redis = redis;
    this.#keyspace = keyspace;
    this.#hubs = hubs;
  }

  /** Only of those about which there is anything to say. Throws `REDIS_UNAVAILABLE`. */
  async of(tag: SubjectTag, devices: readonly DeviceKey[]): Promise<ReadonlyMap<DeviceKey, DeviceConnection>> {
    const own = (await this.#read(devices)).map((fields) => (fields.tag === tag ? fields : {}));
    const hubs = await this.#read(own.flatMap(({ hub }) => (hub ? [hub as DeviceKey] : [])));
    const found = new Map<DeviceKey, DeviceConnection>();
    for (const [index, device] of devices.entries()) {
      const { dialect, presence, hub, hubTenure, tenure } = own[index] ?? {};
      const at = hub === undefined ? undefined : hubs.shift();
      const otherSubject = at?.tag !== tag;
      const count = tenure === undefined ? undefined : await this.#count(tag, device);
      const connection: DeviceConnection = {
        ...(dialect !== undefined && { dialect }),
        ...(presence === "1" && { presence: true }),
        ...(at !== undefined &&
          at.tenure !== undefined &&
          at.tenure === hubTenure && { behind: { ...(!otherSubject && { hub }), otherSubject } }),
        ...(count !== undefined && { hub: count }),
      };
      if (Object.keys(connection).length > 0) found.set(device, connection);
    }
    return found;
  }

  async #count(tag: SubjectTag, hub: DeviceKey): Promise<DeviceConnection["hub"]> {
    const heard = (await this.#hubs.load(hub)).filter(({ subjectTag }) => subjectTag !== undefined);
    const otherSubjects = heard.filter(({ subjectTag }) => subjectTag !== tag).length;
    return heard.length === 0 ? undefined : { children: heard.length, otherSubjects };
  }

  async #read(devices: readonly DeviceKey[]): Promise<Fields[]> {
    const asked = this.#redis.pipeline();
    for (const device of devices) asked.hmget(this.#keyspace.credential(device), ...FIELDS);
    const replies = (await orRedisUnavailable(() => execEach(asked))) as ((string | null)[] | undefined)[];
    return replies.map((values) =>
      Object.fromEntries(FIELDS.flatMap((field, index) => (values?.[index] ? [[field, values[index]]] : []))),
    );
  }
}
