/**
 * The audit log for a backup: the seal and exactly the lines it covers, however many are appended meanwhile. Read at
 * two different times they would not match, and nothing could be appended after a restore.
 */
import type { Redis } from "ioredis";
import type { AuditProblem } from "../../model/audit.ts";
import { GatewayError } from "../../model/errors.ts";
import type { Keyspace } from "../../platform/keyspace.ts";
import { execAll } from "../../platform/redis-values.ts";
import { ChainCheck, EMPTY_LOG, openSeal } from "../audit/chain.ts";
import type { SharedLine } from "./archive.ts";

const PAGE = 500;
const MAX_ATTEMPTS = 5;

export interface AuditCut {
  /** The pages; a later page with `first` makes the earlier pages of its name void. */
  pages(): AsyncGenerator<Omit<SharedLine, "is">>;
  /** The problem found in the log while reading; ask after the last page. */
  readonly problem: AuditProblem | undefined;
}

/** `auditKeys`: the log is verified while it is read, so that the backup reports a problem. */
export function auditCut(redis: Redis, keyspace: Keyspace, auditKeys: readonly Buffer[]): AuditCut {
  let problem: AuditProblem | undefined;
  return {
    async *pages() {
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
        const begun = redis.multi().get(keyspace.auditSeal).llen(keyspace.auditLines).lindex(keyspace.auditLines, 0);
        const [seal, length, oldest] = (await execAll(begun)) as [string | null, number, string | null];
        const verifier = new CutVerifier(seal, length, auditKeys);
        if (seal === null && length === 0) return;
        yield { name: "auditSeal", kind: "string", first: true, items: [seal ?? ""] };
        yield { name: "auditLines", kind: "list", first: true, items: [] };
        for (let at = 0; at < length; at += PAGE) {
          const items = await redis.lrange(keyspace.auditLines, at, Math.min(at + PAGE, length) - 1);
          for (const line of items) verifier.follow(line);
          yield { name: "auditLines", kind: "list", first: false, items };
        }
        problem = verifier.end();
        // A log that was trimmed at its beginning during the read is read again.
        if (length === 0 || (await redis.lindex(keyspace.auditLines, 0)) === oldest) return;
      }
      throw new GatewayError("CONSENT_CONFLICT", "reading the audit log");
    },
    get problem() {
      return problem;
    },
  };
}

class CutVerifier {
  readonly #state;
  readonly #chain: ChainCheck | undefined;
  #problem: AuditProblem | undefined;

  constructor(seal: string | null, length: number, auditKeys: readonly Buffer[]) {
    this.#state = seal === null && length === 0 ? EMPTY_LOG : openSeal(seal ?? "", auditKeys);
    this.#chain = this.#state && new ChainCheck(this.#state, auditKeys);
  }

  follow(line: string): void {
    this.#problem ??= this.#chain?.follow(line)?.problem;
  }

  end(): AuditProblem | undefined {
    if (this.#state === undefined) return "seal-broken";
    return this.#problem ?? this.#chain?.end(this.#state)?.problem;
  }
}
