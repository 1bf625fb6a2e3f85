/** What gateways tell each other over Redis: a device's session has ended, a policy was published. */
import type { DeviceKey } from "../model/ids.ts";
import type { Part } from "../platform/lifecycle.ts";
import type { Base } from "./base.ts";

export interface EventPorts {
  readonly sessionEnded: (device: DeviceKey) => void;
  readonly policyPublished: (version: number) => void;
}

export function createEvents({ redis, keys }: Base, ports: EventPorts): Part {
  return {
    name: "events",
    start: async () => {
      redis.events.on("message", (channel: string, message: string) => {
        if (channel === keys.sessionEnd) ports.sessionEnded(message as DeviceKey);
        else ports.policyPublished(Number(message));
      });
      await redis.events.subscribe(keys.sessionEnd, keys.policyPublished);
    },
    stop: () => undefined,
  };
}
