/**
 * What is wrong with a request, field by field: names of the contract and codes. The one thing of the caller's own that an
 * answer repeats is a key that the contract does not have, and that only when it is a word; it is logged nowhere.
 */
import type { FastifySchema } from "fastify";
import { z } from "zod";
import type { FieldError } from "./problems.ts";

const MAX_FIELD_ERRORS = 16;
/** A mistyped name is a word, `deviceId` or `device_id`. With a digit, `@` or a dot a key could be a person's number or address. */
const WORD = /^[a-z]+(?:[A-Z][a-z]+|_[a-z]+)*$/;
const MAX_WORD = 32;

interface Fault {
  readonly validation: readonly {
    readonly instancePath: string;
    readonly keyword: string;
    readonly params?: Readonly<Record<string, unknown>>;
  }[];
  readonly validationContext?: string;
}

interface Checked {
  readonly body?: unknown;
  readonly query?: unknown;
  readonly routeOptions: { readonly schema?: FastifySchema };
}

/** At most 16; `path` begins with the part of the request: `body.devices.0`. */
export function fieldErrors(
  { validation, validationContext: part = "request" }: Fault,
  request: Checked,
): FieldError[] {
  const fields = namesOf(request.routeOptions.schema ?? {});
  const errors = validation.slice(0, MAX_FIELD_ERRORS).flatMap(({ instancePath, keyword, params }) => {
    const path = instancePath.split("/").filter((segment) => segment !== "");
    // A name that is not in our contract came with the request and could be anything.
    const shown = path.map((segment) => (fields.has(segment) || /^\d{1,4}$/.test(segment) ? segment : "*"));
    const at = (...names: string[]): FieldError => ({ path: [part, ...shown, ...names].join("."), code: keyword });
    const { keys } = params ?? {};
    if (keyword !== "unrecognized_keys" || !Array.isArray(keys)) return [at()];
    const sent = Object.keys(objectAt(part === "querystring" ? request.query : request.body, path));
    return keys.slice(0, MAX_FIELD_ERRORS).map((key) => at(shownKey(String(key), sent)));
  });
  return errors.slice(0, MAX_FIELD_ERRORS);
}

/** The key itself, or `#3` for the third of its object. */
function shownKey(key: string, sent: readonly string[]): string {
  return key.length <= MAX_WORD && WORD.test(key) ? key : `#${sent.indexOf(key) + 1}`;
}

function objectAt(root: unknown, path: readonly string[]): object {
  let found = root;
  for (const segment of path) found = (found as Record<string, unknown> | undefined)?.[segment];
  return typeof found === "object" && found !== null ? found : {};
}

function namesOf({ body, params, querystring, headers }: FastifySchema): ReadonlySet<string> {
  const names = new Set<string>();
  for (const part of [body, params, querystring, headers])
    if (part instanceof z.ZodType) collectNames(z.toJSONSchema(part, { io: "input", unrepresentable: "any" }), names);
  return names;
}

function collectNames(schema: unknown, into: Set<string>): void {
  if (typeof schema !== "object" || schema === null) return;
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === "properties") for (const name of Object.keys(value)) into.add(name);
    if (keyword === "propertyNames") for (const name of value.enum ?? []) into.add(String(name));
    collectNames(value, into);
  }
}
