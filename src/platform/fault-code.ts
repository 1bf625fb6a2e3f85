/** What may be logged of a fault, whatever was thrown: a code of ours, a code of Redis, or only that there was one. */
import { GatewayError } from "../model/errors.ts";
import { redisErrorCode } from "./redis.ts";

export function faultCode(error: unknown): string {
  if (error instanceof GatewayError) return error.code;
  const code = redisErrorCode(error);
  return code === "UNKNOWN" ? "FAULT" : code;
}
