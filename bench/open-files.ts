/** Whether this machine lets a process hold as many connections as are asked for, said before the run instead of failing in it. */
import { readFileSync } from "node:fs";

/** Of the gateway, besides its devices: servers, listeners, provisioning, files and libraries. */
const OTHER_FILES = 256;

export interface ConnectionLimits {
  readonly openFiles: number;
  /** Outgoing connections of the loader to one address. */
  readonly localPorts: number;
}

export function requireConnections(wanted: number, limits: ConnectionLimits = ownLimits()): void {
  const { openFiles, localPorts } = limits;
  const files = wanted + OTHER_FILES;
  const most = Math.min(openFiles - OTHER_FILES, localPorts);
  const instead = `or take ${most.toLocaleString("en")} at the most`;
  const asked = `${wanted.toLocaleString("en")} connections`;
  if (files > openFiles) {
    throw new Error(
      `${asked} need ${files} open files in one process, and the limit is ${openFiles}: ` +
        `raise it ("ulimit -n ${files}", and the hard limit with it) ${instead}`,
    );
  }
  if (wanted > localPorts) {
    throw new Error(
      `${asked} need as many local ports, and there are ${localPorts}: ` +
        `raise them (sysctl net.ipv4.ip_local_port_range) ${instead}`,
    );
  }
}

function ownLimits(): ConnectionLimits {
  return connectionLimits(
    readFileSync("/proc/self/limits", "utf8"),
    readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8"),
  );
}

/** Node raises the soft limit to the hard one when it starts, so the first column is what its children get too. */
export function connectionLimits(limits: string, portRange: string): ConnectionLimits {
  const openFiles = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  const [first = 0, last = 0] = portRange.trim().split(/\s+/).map(Number);
  return {
    openFiles: openFiles === undefined || openFiles === "unlimited" ? Number.POSITIVE_INFINITY : Number(openFiles),
    localPorts: last - first + 1,
  };
}
