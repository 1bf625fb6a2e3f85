/** What the machine refuses at start, a port or a file, as a fault that names the listener and the option, and an errno, no more. */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { isIPv6 } from "node:net";
import { GatewayError } from "../model/errors.ts";

/** Above any certificate chain, policy or table of densities; a mistyped path may lead to anything. */
const MAX_FILE_BYTES = 4_194_304;

/** Throws `CONFIG_INVALID` when the file that an option names can't be read, or there is nothing in it. */
export function readOptionFile(option: string, file: string): Buffer {
  const stat = found(option, file);
  // A directory says so when it is read; what is a pipe or a device may never answer.
  if (!stat.isFile() && !stat.isDirectory()) throw optionUnusable(option, "not-a-file");
  if (stat.size > MAX_FILE_BYTES) throw optionUnusable(option, "file-too-large");
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    throw optionUnusable(option, error);
  }
  if (content.length === 0) throw optionUnusable(option, "empty");
  return content;
}

/** Throws `CONFIG_INVALID` unless a file or a directory, whichever it must be, can be written where an option says, or made there. */
export function requireWritable(option: string, path: string, kind: "file" | "directory"): void {
  const stat = found(option, path, "may-be-absent");
  if (stat === undefined) return;
  if (kind === "file" && !stat.isFile()) throw optionUnusable(option, stat.isDirectory() ? "EISDIR" : "not-a-file");
  if (kind === "directory" && !stat.isDirectory()) throw optionUnusable(option, "ENOTDIR");
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw optionUnusable(option, error);
  }
}

function found(option: string, path: string): ReturnType<typeof statSync> & object;
function found(option: string, path: string, absent: "may-be-absent"): ReturnType<typeof statSync>;
function found(option: string, path: string, absent?: "may-be-absent"): ReturnType<typeof statSync> {
  try {
    return statSync(path);
  } catch (error) {
    if (absent !== undefined && codeOf(error) === "ENOENT") return undefined;
    throw optionUnusable(option, error);
  }
}

/** `reason`: what was thrown, or a code of ours. */
export function optionUnusable(option: string, reason: unknown): GatewayError {
  return new GatewayError("CONFIG_INVALID", `${option}: ${codeOf(reason)}`, { cause: reason });
}

/** Where a listener was to listen, and the option that says so: `http` for `http.host` and `http.port`. */
export interface Place {
  readonly host: string;
  readonly port: number;
  readonly option: string;
}

/** A port that is taken or not ours to take; any other errno is about the address. */
const ABOUT_THE_PORT = new Set(["EADDRINUSE", "EACCES"]);

export function listenFailed(listener: string, error: unknown, { host, port, option }: Place): GatewayError {
  const code = codeOf(error);
  const address = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const named = `${option}.${ABOUT_THE_PORT.has(code) ? "port" : "host"}`;
  return new GatewayError("LISTEN_FAILED", `${listener}: ${code} ${address} (${named})`, { cause: error });
}

function codeOf(reason: unknown): string {
  if (typeof reason === "string") return reason;
  return reason instanceof Error && "code" in reason ? String(reason.code) : "FAULT";
}
