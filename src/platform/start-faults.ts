/** What the machine refuses at start, a port or a file, as a fault that names only listener, option and errno. */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { isIPv6 } from "node:net";
import { GatewayError } from "../model/errors.ts";

/** Above any certificate chain, policy or density table; a mistyped path may lead to anything. */
const MAX_FILE_BYTES = 4_194_304;

/** Throws `CONFIG_INVALID` when the file named by an option cannot be read or is empty. */
export function readOptionFile(option: string, file: string): Buffer {
  const stat = found(option, file);
  // Reading a directory fails by itself; a pipe or a device may never answer.
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

/** Throws `CONFIG_INVALID` unless the file or directory named by an option can be written or created. */
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

/** `reason`: the thrown error, or a gateway code. */
export function optionUnusable(option: string, reason: unknown): GatewayError {
  return new GatewayError("CONFIG_INVALID", `${option}: ${codeOf(reason)}`, { cause: reason });
}

/** Where a listener was to listen, and the option for it: `http` for `http.host` and `http.port`. */
export interface Place {
  readonly host: string;
  readonly port: number;
  readonly option: string;
}

/** The port is in use or not permitted; any other errno concerns the address. */
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
