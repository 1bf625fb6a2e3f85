/** Where nothing is traced: a step is a call. */
import type { Traced } from "../model/trace.ts";

export const UNTRACED: Traced = { step: (_name, run) => run() };
