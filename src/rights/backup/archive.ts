/** The two archives of a backup: their line types, their file names, and the key of each. */
import { hkdfSync } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { timestampMs } from "../../model/consent-record.ts";
import { GatewayError } from "../../model/errors.ts";
import type { DeviceKey, SubjectTag } from "../../model/ids.ts";
import { SCHEMA } from "../../model/schema.ts";
import { fingerprint } from "../../platform/keys/fingerprint.ts";
import { STORED_KINDS } from "../../platform/redis-values.ts";
import type { SealedHeader } from "../../platform/sealed-file/format.ts";
import { readSealedHeader, readSealedLines } from "../../platform/sealed-file/reader.ts";
import { SHARED_NAMES } from "./catalogue.ts";

export const ARCHIVE_KINDS = ["records", "subject-keys"] as const;
export type ArchiveKind = (typeof ARCHIVE_KINDS)[number];

const keyedHash = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
const tag = keyedHash as unknown as z.ZodType<SubjectTag, string>;
const device = keyedHash as unknown as z.ZodType<DeviceKey, string>;
const count = z.number().int().nonnegative();
const fields = z.record(z.string(), z.string());

const subjectLine = z.strictObject({
  is: z.literal("subject"),
  tag,
  /** Unix ms by the clock of Redis when this subject was read. */
  at: timestampMs,
  /** The subject hash without the wrapped key: head, fence and other fields. */
  fields: fields.and(z.object({ head: z.string(), fence: z.string() })),
  events: z.array(z.string()),
  /** Erasures of this subject by id, without the key. */
  erasures: z.record(z.string(), fields),
  /** Disclosures of the subject's data; archives older than this account have none. */
  disclosures: fields.default({}),
});
const credentialLine = z.strictObject({ is: z.literal("credential"), device, at: timestampMs, fields });
const sharedLine = z.strictObject({
  is: z.literal("shared"),
  name: z.enum(SHARED_NAMES as [string, ...string[]]),
  kind: z.enum(STORED_KINDS),
  /** Starts the value again: whatever came before under this name is void. */
  first: z.boolean(),
  /** Elements; alternating name and value for a hash, member and score for a sorted set. */
  items: z.array(z.string()),
});
/** An interrupted backup has no end line. */
const endLine = z.strictObject({ is: z.literal("end"), subjects: count, credentials: count, keys: count });
export const recordsLine = z.discriminatedUnion("is", [subjectLine, credentialLine, sharedLine, endLine]);
export type RecordsLine = z.infer<typeof recordsLine>;
export type SubjectLine = z.infer<typeof subjectLine>;
export type CredentialLine = z.infer<typeof credentialLine>;
export type SharedLine = z.infer<typeof sharedLine>;

/** `name`: "" for the current key, otherwise the erasure that still needs the key it will destroy. */
const keyLine = z.strictObject({ is: z.literal("key"), tag, name: z.string(), key: z.string() });
export const keysLine = z.discriminatedUnion("is", [keyLine, endLine]);
export type KeysLine = z.infer<typeof keysLine>;

/** Only the master key opens the archive of subject keys, so the holder of the backup key gains nothing from it. */
export function subjectArchiveKey(masterKey: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", masterKey, Buffer.alloc(0), "consentry subject key archive 1", 32));
}

export function archiveName(
  { createdAt, backup }: Pick<SealedHeader, "createdAt" | "backup">,
  kind: ArchiveKind,
): string {
  const time = new Date(createdAt).toISOString().replace(/[-:]|\.\d+/g, "");
  return `consentry-${time}-${backup}.${kind}`;
}

/** See sealed-writer.ts. */
const LEFTOVER = /^consentry-\d{8}T\d{6}Z-[0-9a-f]{16}\.(?:records|subject-keys)\.[0-9a-f]{8}\.part$/;
const LEFT_AFTER_MS = 10 * 60_000;
const NAME = /^consentry-(\d{8}T\d{6}Z)-[0-9a-f]{16}\.(records|subject-keys)$/;

/** Paths of this installation's archives of one kind in a directory, oldest first; other files are ignored. */
export async function archivesIn(dir: string, kind: ArchiveKind, installation: string): Promise<string[]> {
  const names = await readdir(dir).catch((): string[] => []);
  const files = names.filter((name) => NAME.exec(name)?.[2] === kind).map((name) => join(dir, name));
  const found = await Promise.all(
    files.map(async (file) => ({ file, header: await readSealedHeader(file).catch(() => undefined) })),
  );
  return found
    .flatMap(({ file, header }) => (header?.installation === installation ? [{ file, at: header.createdAt }] : []))
    .sort((left, right) => left.at - right.at)
    .map(({ file }) => file);
}

/** Removes unfinished archives of killed processes. A running writer touches its file more often than this limit. */
export async function removeLeftovers(dir: string, now = Date.now()): Promise<void> {
  for (const name of await readdir(dir).catch((): string[] => [])) {
    if (!LEFTOVER.test(name)) continue;
    const file = join(dir, name);
    const changedAt = await stat(file).then(
      ({ mtimeMs }) => mtimeMs,
      () => now,
    );
    if (now - changedAt > LEFT_AFTER_MS) await rm(file, { force: true });
  }
}

/** Number of archives of one kind in a directory that only this key opens. */
export async function archivesUnder(
  dir: string,
  kind: ArchiveKind,
  installation: string,
  key: Buffer,
): Promise<number> {
  const files = await archivesIn(dir, kind, installation);
  const headers = await Promise.all(files.map((file) => readSealedHeader(file)));
  return headers.filter(({ keyId }) => keyId === fingerprint(key)).length;
}

/** The header, verified to be of this kind and installation. Throws ARCHIVE_INVALID. */
export async function ownArchive(file: string, kind: ArchiveKind, installation: string): Promise<SealedHeader> {
  const header = await readSealedHeader(file);
  if (header.kind !== kind) throw new GatewayError("ARCHIVE_INVALID", "wrong-kind");
  if (header.installation !== installation) throw new GatewayError("ARCHIVE_INVALID", "foreign-installation");
  // An older one is read as it is: no archive ever held a message, and of what it holds nothing has changed its form.
  if (header.schema > SCHEMA) throw new GatewayError("ARCHIVE_INVALID", "newer-schema");
  return header;
}

/** All lines except the end line, which must be present, last and consistent. Throws ARCHIVE_INVALID. */
export async function* archiveLines<Line extends { is: string }>(
  file: string,
  key: Buffer,
  schema: z.ZodType<Line>,
): AsyncGenerator<Exclude<Line, { is: "end" }>> {
  const counts: Record<string, number> = {};
  let ended = false;
  for await (const text of readSealedLines(file, key)) {
    if (ended) throw new GatewayError("ARCHIVE_INVALID", "altered");
    const line = parse(text, schema);
    if (isEnd(line)) {
      const { subjects, credentials, keys } = line;
      const found = [counts.subject ?? 0, counts.credential ?? 0, counts.key ?? 0];
      if ([subjects, credentials, keys].some((wanted, index) => wanted !== found[index])) {
        throw new GatewayError("ARCHIVE_INVALID", "incomplete");
      }
      ended = true;
      continue;
    }
    counts[line.is] = (counts[line.is] ?? 0) + 1;
    yield line as Exclude<Line, { is: "end" }>;
  }
  if (!ended) throw new GatewayError("ARCHIVE_INVALID", "incomplete");
}

function parse<Line>(text: string, schema: z.ZodType<Line>): Line {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new GatewayError("ARCHIVE_INVALID", "unreadable-line");
  }
}

function isEnd(line: { is: string }): line is z.infer<typeof endLine> {
  return line.is === "end";
}
