/**
 * The only way to write a log line. Fields are an allow-list of codes, counts and durations,
 * so a log line has no place where a device, an address or a payload could stand.
 */
export interface LogFields {
  readonly code?: string;
  readonly reason?: string;
  readonly stage?: string;
  /** By its name in docs/configuration.md, never with its value. */
  readonly option?: string;
  readonly purpose?: string;
  readonly listener?: string;
  readonly sink?: string;
  readonly region?: string;
  readonly state?: string;
  readonly durability?: string;
  readonly version?: string;
  readonly signal?: string;
  readonly host?: string;
  readonly port?: number;
  readonly status?: number;
  /** Of the configuration file. */
  readonly line?: number;
  readonly count?: number;
  readonly bytes?: number;
  readonly attempt?: number;
  readonly durationMs?: number;
  readonly deadlineMs?: number;
}

export interface Log {
  /** `event` is a constant phrase from the source, never built from data. */
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}
