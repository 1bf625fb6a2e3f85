/** What a gateway reports to the others with its heartbeat, and how that is read. */
import type { KeyReport } from "./live-keys.ts";

export interface GatewayReport extends KeyReport {
  /** Of what it stores; versions of before there was a number tell none. */
  readonly schema?: number | undefined;
  /** The head of its erasure journal: run, number, MAC of the last line. */
  readonly journal?: readonly [string, number, string] | undefined;
  /** What it says of itself to those who look at all gateways: of another version, anything. */
  readonly notice?: object | undefined;
}

/** Only gateways write it; an unreadable report stands for a gateway of which nothing is known. */
export function parseReport(text: string): GatewayReport {
  try {
    const report = JSON.parse(text) as Partial<GatewayReport> | null;
    const { queue, masters } = report ?? {};
    if (typeof queue === "object" && queue !== null && Array.isArray(masters)) return report as GatewayReport;
  } catch {
    // As one that says something else.
  }
  return { queue: {}, sealing: [], masters: [], wrapping: "" };
}
