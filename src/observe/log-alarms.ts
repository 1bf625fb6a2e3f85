/**
 * Lines of the log that an operator has to see, as a closed table: what a rule of Prometheus can only see when it is
 * counted. The lines themselves stay where they are written; a test compares the phrases with the source.
 */
import type { ErrorCode } from "../model/errors.ts";
import type { Log, LogFields } from "../model/log.ts";

/** A line is known by its code, whatever it says, or by its phrase. */
interface LogSign {
  readonly code?: ErrorCode;
  readonly event?: string;
}

export const LOG_ALARMS = {
  "dialect-unknown": { code: "DIALECT_UNKNOWN" },
  "subject-key-unreadable": { code: "SUBJECT_KEY_UNREADABLE" },
  "ledger-broken": { code: "LEDGER_BROKEN" },
  "token-unreadable": { code: "TOKEN_UNREADABLE" },
  "service-unreadable": { code: "SERVICE_UNREADABLE" },
  "export-aborted": { event: "export aborted" },
  "batch-retried": { event: "batch failed, will be retried" },
  "erasure-waiting": { event: "erasure waiting, will continue" },
  "clock-differs": { event: "clock differs from that of Redis" },
  "clock-behind": { event: "clock is behind an earlier reading" },
} as const satisfies Readonly<Record<string, LogSign>>;
export type LogAlarm = keyof typeof LOG_ALARMS;

/** The same log; every warning and error that has a row of the table is counted too. */
export function countingAlarms(log: Log, count: (alarm: LogAlarm) => void): Log {
  const look = (event: string, fields: LogFields | undefined): void => {
    for (const alarm of alarmsOf(event, fields)) count(alarm);
  };
  return {
    info: (event, fields) => log.info(event, fields),
    warn: (event, fields) => {
      look(event, fields);
      log.warn(event, fields);
    },
    error: (event, fields) => {
      look(event, fields);
      log.error(event, fields);
    },
  };
}

function alarmsOf(event: string, fields: LogFields | undefined): LogAlarm[] {
  return (Object.entries(LOG_ALARMS) as [LogAlarm, LogSign][])
    .filter(([, sign]) => sign.event === event || (sign.code !== undefined && sign.code === fields?.code))
    .map(([alarm]) => alarm);
}
