/** What the machine refuses at start, a port or a file, as a fault that names the listener or the option and an errno, no more. */
import { readFileSync } from "node:fs";
import { GatewayError } from "../model/errors.ts";

/** Throws `CONFIG_INVALID` when the file that an option names can't be read. */
export function readOptionFile(option: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw optionUnusable(option, error);
  }
}

export function optionUnusable(option: string, error: unknown): GatewayError {
  return new GatewayError("CONFIG_INVALID", `${option}: ${codeOf(error)}`, { cause: error });
}

export function listenFailed(listener: string, error: unknown): GatewayError {
  return new GatewayError("LISTEN_FAILED", `${listener}: ${codeOf(error)}`, { cause: error });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "FAULT";
}
