/** An act of an operator over HTTP, with its lines in the audit log: one before it, without which it does not begin, and one after it. */
import type { AuditAct, AuditDetail } from "../model/audit.ts";
import type { TokenUse } from "../model/named-token.ts";
import { faultCode } from "../platform/fault-code.ts";

export interface OperatorAudit {
  append(act: AuditAct): Promise<number>;
  note(act: AuditAct): Promise<void>;
}

export interface OperatorAsks<Result> extends Pick<AuditAct, "act" | "device"> {
  /** Whose token; absent: that of the configuration. */
  readonly use: TokenUse | undefined;
  readonly detail?: AuditDetail;
  /** Of what came of it, for the line after it. */
  readonly told?: (result: Result) => AuditDetail;
  /** Whether that says that nothing was done. */
  readonly refused?: (result: Result) => boolean;
}

/** Throws what the log and `work` throw. */
export async function asOperator<Result>(
  audit: OperatorAudit,
  { act, device, use, detail, told, refused }: OperatorAsks<Result>,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  const line = { act, by: "operator", device } as const;
  const of = await audit.append({ ...line, outcome: "asked", detail: { ...detail, ...(use && { token: use.name }) } });
  try {
    const result = await work();
    await audit.note({ ...line, of, outcome: refused?.(result) ? "refused" : "done", detail: told?.(result) });
    return result;
  } catch (error) {
    await audit.note({ ...line, of, outcome: "failed", detail: { code: faultCode(error) } });
    throw error;
  }
}
