/** What may be logged about any thrown value: a gateway code, a Redis code, or only that there was a fault. */
import { GatewayError } from "../model/errors.ts";
import { redisErrorCode } from "./redis.ts";

export function faultCode(error: unknown): string {
  if (error instanceof GatewayError) return error.code;
  const code = redisErrorCode(error);
  return code === "UNKNOWN" ? "FAULT" : code;
}
