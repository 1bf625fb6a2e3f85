/**
 * For the CI of a service: fails when the service reads something that its purpose does not give, or reads it as another type.
 *
 *   node check.mjs wants.json https://gateway.example/docs/asyncapi.json
 *   node check.mjs wants.json path/to/docs/asyncapi.json
 *
 * `wants.json` names the purpose and every field that the service reads: {"purpose":"scene","reads":{"status.occupancy":"boolean"}}.
 * A field with "?" at its end is one that the service can do without; every other one has to be in each message, or, below
 * `status`, be one of those that may come. Exit code 0, 1 for a contract that does not hold, 2 for bad input.
 */
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

/** Every mismatch in plain words; empty when the service may rely on what it reads. */
export function mismatches({ purpose, reads }, document) {
  const schema = document?.components?.messages?.[purpose]?.payload;
  if (schema === undefined) return [`there is no purpose ${purpose}`];
  return Object.entries(reads).flatMap(([asked, type]) => {
    const needed = !asked.endsWith("?");
    const path = asked.replace(/\?$/, "").split(".");
    const found = fieldOf(schema, path);
    if (found === undefined) return [`${purpose} does not give ${path.join(".")}`];
    if (!typesOf(found.field).includes(type))
      return [`${path.join(".")} is ${typesOf(found.field).join(" or ")}, not ${type}`];
    return needed && !found.always && path[0] !== "status"
      ? [`${path.join(".")} may be missing: a person need not consent to it`]
      : [];
  });
}

function fieldOf(schema, path) {
  let field = schema;
  let always = true;
  for (const name of path) {
    if (!Object.hasOwn(field.properties ?? {}, name)) return undefined;
    always &&= (field.required ?? []).includes(name);
    field = field.properties[name];
  }
  return { field, always };
}

function typesOf({ type, enum: words, const: only }) {
  if (type === "integer") return ["number", "integer"];
  if (type !== undefined) return [type];
  return [...new Set((words ?? [only]).map((value) => typeof value))];
}

async function main([wants, source]) {
  if (wants === undefined || source === undefined)
    throw new Error("usage: check.mjs <wants.json> <asyncapi.json, file or URL>");
  const document = /^https?:/.test(source) ? await fetched(source) : JSON.parse(await readFile(source, "utf8"));
  const { purpose, reads } = JSON.parse(await readFile(wants, "utf8"));
  if (typeof purpose !== "string" || typeof reads !== "object" || reads === null)
    throw new Error(`${wants} needs "purpose" and "reads"`);
  const found = mismatches({ purpose, reads }, document);
  for (const one of found) console.error(`contract: ${one}`);
  if (found.length === 0) console.log(`contract holds: ${Object.keys(reads).length} fields of ${purpose}`);
  return found.length === 0 ? 0 : 1;
}

async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer.json();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  main(process.argv.slice(2)).then(
    (code) => {
      process.exitCode = code;
    },
    (error) => {
      console.error(`contract: ${error.message}`);
      process.exitCode = 2;
    },
  );
}
