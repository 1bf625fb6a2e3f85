import { expect, test } from "vitest";
import { GatewayError } from "../model/errors.ts";
import { connectRedis, orRedisUnavailable, redisErrorCode } from "./redis.ts";

function replyError(message: string): Error {
  return Object.assign(new Error(message), {
    name: "ReplyError",
    command: { name: "set", args: ["canary-key", "canary"] },
  });
}

test("an error is reduced to a code without any part of the command", () => {
  expect(redisErrorCode(replyError("OOM command not allowed"))).toBe("OOM");
  expect(redisErrorCode(replyError("READONLY You can't write"))).toBe("READONLY");
  expect(redisErrorCode(replyError("canary text"))).toBe("UNKNOWN");
  expect(redisErrorCode(Object.assign(new Error("connect"), { code: "ECONNREFUSED" }))).toBe("ECONNREFUSED");
  expect(redisErrorCode(new Error("Command timed out"))).toBe("TIMEOUT");
  expect(redisErrorCode("canary")).toBe("UNKNOWN");
});

test("the error thrown to the caller contains neither the message nor the arguments", async () => {
  const thrown = await orRedisUnavailable(() => Promise.reject(replyError("WRONGTYPE canary"))).catch((error) => error);
  expect(thrown).toBeInstanceOf(GatewayError);
  expect(thrown).toMatchObject({
    code: "REDIS_UNAVAILABLE",
    message: "REDIS_UNAVAILABLE: WRONGTYPE",
    cause: undefined,
  });
  expect(JSON.stringify({ ...thrown, message: thrown.message, stack: thrown.stack })).not.toContain("canary");
});

test.each(["store", "producer"] as const)("while Redis is away a %s command fails at once", async (role) => {
  const redis = connectRedis("redis://127.0.0.1:1", role);
  await expect(redis.connect()).rejects.toThrow();
  const error = await redis.get("key").catch((reason) => reason);
  expect(["NOT_CONNECTED", "ECONNREFUSED", "MAX_RETRIES"]).toContain(redisErrorCode(error));
  redis.disconnect();
});
