/** What gateways tell each other over Redis: a session has ended, a hub has other children, a record has changed, a policy was published, a service or a named token has changed, a forecast is kept. */
import type { DeviceKey, SubjectTag } from "../model/ids.ts";
import type { Part } from "../platform/lifecycle.ts";
import type { Base } from "./base.ts";

export interface EventPorts {
  readonly sessionEnded: (device: DeviceKey) => void;
  readonly childrenChanged: (hub: DeviceKey) => void;
  /** Messages sent meanwhile were lost. */
  readonly missed: () => void;
  readonly recordChanged: (concerned: SubjectTag | DeviceKey) => void;
  readonly policyPublished: (version: number) => void;
  readonly servicesChanged: () => void;
  readonly tokensChanged: () => void;
  readonly forecastKept: (cell: string) => void;
}

export function createEvents({ redis, keyspace }: Base, ports: EventPorts): Part {
  return {
    name: "events",
    start: async () => {
      redis.events.on("message", (channel: string, message: string) => {
        if (channel === keyspace.sessionEnd) ports.sessionEnded(message as DeviceKey);
        else if (channel === keyspace.childrenChanged) ports.childrenChanged(message as DeviceKey);
        else if (channel === keyspace.recordChanged) ports.recordChanged(message as SubjectTag | DeviceKey);
        else if (channel === keyspace.servicesChanged) ports.servicesChanged();
        else if (channel === keyspace.tokensChanged) ports.tokensChanged();
        else if (channel === keyspace.forecastKept) ports.forecastKept(message);
        else ports.policyPublished(Number(message));
      });
      const { sessionEnd, childrenChanged, recordChanged, policyPublished } = keyspace;
      const { servicesChanged, tokensChanged, forecastKept } = keyspace;
      const ofRecords = [sessionEnd, childrenChanged, recordChanged, policyPublished];
      const channels = [...ofRecords, servicesChanged, tokensChanged, forecastKept];
      const listen = () => redis.events.subscribe(...channels);
      await listen();
      redis.events.on("ready", () => {
        listen()
          .catch(() => undefined)
          .then(ports.missed);
      });
    },
    stop: () => undefined,
  };
}
