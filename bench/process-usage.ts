/** What a process has cost so far, as the kernel counts it: all threads, user and system time. */
import { readFileSync } from "node:fs";

/** Linux reports times in ticks of 1/100 s to user space on every architecture. */
const TICK_US = 10_000;

/** CPU time in microseconds since the process started; its children are not included. */
export function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the command in parentheses and may contain spaces: count from its end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** As `ioCounters` reads it. */
export function ioOf(pid: number): string {
  return readFileSync(`/proc/${pid}/io`, "utf8");
}

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? 0) * 1024;
}

/** CPU time in microseconds that all processes of the machine have used since it started; interrupts left out. */
export function machineCpuUs(): number {
  const [user = 0, nice = 0, system = 0] = readFileSync("/proc/stat", "utf8").split(/\s+/).slice(1, 4).map(Number);
  return (user + nice + system) * TICK_US;
}
