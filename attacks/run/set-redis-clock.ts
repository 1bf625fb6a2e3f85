/**
 * What a gateway with a set clock is told that the clock of Redis says: by TIME, and in scripts that count steps or days by it.
 * Leases and other things that end within seconds keep the real clock, which does not jump over them.
 */
import { Redis } from "ioredis";

const TIME = 'redis.call("TIME")';
/** Comes as one more argument, after all others. */
const SET_TIME = "{math.floor(ARGV[#ARGV] / 1000), ARGV[#ARGV] % 1000 * 1000}";
/** By the names of the scripts. */
const COUNTS_STEPS = /Step|Forecast/;

type Commands = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** For all connections of this process. */
export function setRedisClock(now: () => number): void {
  Redis.prototype.time = (() => {
    const at = now();
    return Promise.resolve([Math.floor(at / 1_000), (at % 1_000) * 1_000]);
  }) as unknown as Redis["time"];

  const define = Redis.prototype.defineCommand;
  Redis.prototype.defineCommand = function (name, definition) {
    if (!COUNTS_STEPS.test(name) || !definition.lua.includes(TIME)) return define.call(this, name, definition);
    define.call(this, name, { ...definition, lua: definition.lua.replaceAll(TIME, SET_TIME) });
    const commands = this as unknown as Commands;
    const command = commands[name]?.bind(this);
    if (command !== undefined) commands[name] = (...args) => command(...args, now());
  };
}
