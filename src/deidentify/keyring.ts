/**
 * Subject keys and the pseudonyms made with them. A pseudonym names a device for one purpose and one
 * epoch; without the subject's key, which erasure destroys, no one can make it again or follow it.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { GatewayError } from "../model/errors.ts";
import type { DeviceKey, Pseudonym } from "../model/ids.ts";
import type { PseudonymPurpose } from "../model/purposes.ts";
import { boundedCache } from "../platform/bounded-cache.ts";
import type { WordKey } from "./half-sip-hash.ts";

/** Read again for every use, so that a rotation reaches a keyring that is at work. */
export interface KeyringKeys {
  /** 32 bytes; wraps the subject keys. */
  readonly masterKey: Buffer;
  /** Master keys that still open, during a rotation. */
  readonly otherMasterKeys?: readonly Buffer[];
  /** 32 bytes; without it not even a leaked subject key gives a pseudonym. */
  readonly pepper: Buffer;
}

const CIPHER = "aes-256-gcm";
const VERSION = 1;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const SUBJECT_KEY_BYTES = 32;
const PSEUDONYM_BYTES = 16;
const WRAP_CONTEXT = Buffer.from("consentry subject key 1");
const FORWARDED_CONTEXT = Buffer.from("consentry forwarded name 1");
/** Kinds of records that are sealed for a device: the context of each, and what its key is derived for. */
const RECORDS = {
  place: { context: Buffer.from("consentry place record 1"), info: "consentry place record" },
  network: { context: Buffer.from("consentry network record 1"), info: "consentry network record" },
  scene: { context: Buffer.from("consentry scene record 1"), info: "consentry scene record" },
} as const;
type RecordKind = keyof typeof RECORDS;

/** In place of the key of a device. */
const HOME = "home";

/** Bounds what a process remembers; an erased subject's pseudonyms leave memory after this long at the latest. */
const MAX_REMEMBERED_DEVICES = 200_000;
const REMEMBERED_MS = 10 * 60_000;

/** A name, and a key that belongs to it alone. */
export interface Named {
  readonly epoch: number;
  readonly pseudonym: Pseudonym;
  /** By what its rows are moved within the step of their times. */
  readonly rowKey: WordKey;
}

/** The two newest epochs of one purpose: around a change of epoch messages of both arrive. */
interface Recent {
  newest: Named;
  older: Named | undefined;
}

interface Remembered {
  readonly wrappedSubjectKey: string;
  analytics: Recent | undefined;
  place: Recent | undefined;
  scene: Recent | undefined;
  network: Recent | undefined;
  home: Recent | undefined;
  /** Each seals the record of its kind. */
  readonly recordKeys: Partial<Record<RecordKind, Buffer>>;
}

export class Keyring {
  readonly #keys: KeyringKeys;
  readonly #devices = boundedCache<DeviceKey, Remembered>(MAX_REMEMBERED_DEVICES, {
    ttl: REMEMBERED_MS,
    ttlResolution: 1000,
  });

  constructor(keys: KeyringKeys) {
    this.#keys = keys;
  }

  /** A new random 256-bit subject key, wrapped by the master key (AES-256-GCM), base64url. Safe to rest in Redis. */
  createSubjectKey(): string {
    return this.#wrap(randomBytes(SUBJECT_KEY_BYTES));
  }

  /**
   * The same subject key under the present master key; `undefined` when that one wraps it already.
   * Throws SUBJECT_KEY_UNREADABLE when no master key opens it.
   */
  rewrap(wrapped: string): string | undefined {
    if (tryUnwrap(wrapped, this.#keys.masterKey) !== undefined) return undefined;
    return this.#wrap(this.#unwrap(wrapped));
  }

  /** Whether one of the master keys opens it. */
  opens(wrapped: string): boolean {
    try {
      this.#unwrap(wrapped).fill(0);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * 22 base64url characters: HMAC-SHA-256(HKDF-SHA-256(subject key, salt = pepper, info = purpose and epoch), device key),
   * truncated to 128 bits. Throws SUBJECT_KEY_UNREADABLE when the wrapped key does not open.
   */
  pseudonym(wrappedSubjectKey: string, device: DeviceKey, purpose: PseudonymPurpose, epoch: number): Pseudonym {
    return this.named(wrappedSubjectKey, device, purpose, epoch).pseudonym;
  }

  /** The same with its key: 64 of the bits that the pseudonym leaves of the HMAC. Throws as `pseudonym` does. */
  named(wrappedSubjectKey: string, device: DeviceKey, purpose: PseudonymPurpose, epoch: number): Named {
    const remembered = this.#remembered(wrappedSubjectKey, device);
    const recent = remembered[purpose];
    if (recent?.newest.epoch === epoch) return recent.newest;
    if (recent?.older?.epoch === epoch) return recent.older;
    const named = this.#derive(wrappedSubjectKey, device, purpose, epoch);
    remembered[purpose] = remember(recent, named);
    return named;
  }

  /**
   * The name of a home: the same for all devices of one person, for scene services alone and for one epoch. `device` is only whose
   * entry remembers it. Throws as `pseudonym` does.
   */
  home(wrappedSubjectKey: string, device: DeviceKey, epoch: number): Pseudonym {
    const remembered = this.#remembered(wrappedSubjectKey, device);
    const { home } = remembered;
    if (home?.newest.epoch === epoch) return home.newest.pseudonym;
    if (home?.older?.epoch === epoch) return home.older.pseudonym;
    const named = this.#derive(wrappedSubjectKey, HOME, "home", epoch);
    remembered.home = remember(home, named);
    return named.pseudonym;
  }

  /** Seals a record of a device; with the subject's key every copy of it becomes unreadable. Throws as `pseudonym` does. */
  sealRecord(kind: RecordKind, wrappedSubjectKey: string, device: DeviceKey, text: string): string {
    const key = this.#recordKey(kind, wrappedSubjectKey, device);
    return sealWith(key, RECORDS[kind].context, Buffer.from(text)).toString("base64url");
  }

  /** `undefined` when it was sealed under another subject's key, for another device or kind, or was altered. Throws as `pseudonym` does. */
  openRecord(kind: RecordKind, wrappedSubjectKey: string, device: DeviceKey, sealed: string): string | undefined {
    const bytes = Buffer.from(sealed, "base64url");
    return openWith(this.#recordKey(kind, wrappedSubjectKey, device), RECORDS[kind].context, bytes)?.toString();
  }

  /**
   * Seals notes of names that were forwarded; with the subject's key every copy of them becomes unreadable. The same note is
   * sealed to the same text, so that it stands once, however many write it and however often. Throws as `pseudonym` does.
   */
  sealForwarded(wrappedSubjectKey: string, notes: readonly string[]): string[] {
    const [key, nonceKey] = this.#forwardedKeys(wrappedSubjectKey);
    return notes.map((note) => {
      const content = Buffer.from(note);
      const nonce = createHmac("sha256", nonceKey).update(content).digest().subarray(0, IV_BYTES);
      return sealWith(key, FORWARDED_CONTEXT, content, nonce).toString("base64url");
    });
  }

  /** In the order given; `undefined` for each that was sealed under another subject's key, or was altered. Throws as `pseudonym` does. */
  openForwarded(wrappedSubjectKey: string, sealed: readonly string[]): (string | undefined)[] {
    const [key] = this.#forwardedKeys(wrappedSubjectKey);
    return sealed.map((text) => openWith(key, FORWARDED_CONTEXT, Buffer.from(text, "base64url"))?.toString());
  }

  /** Drops what is remembered of a device; erasure calls it so that nothing waits for the time limit. */
  forget(device: DeviceKey): void {
    this.#devices.delete(device);
  }

  /** The key is compared, not trusted: after erasure or re-binding the same device has another one. */
  #remembered(wrappedSubjectKey: string, device: DeviceKey): Remembered {
    const known = this.#devices.get(device);
    if (known?.wrappedSubjectKey === wrappedSubjectKey) return known;
    const fresh: Remembered = {
      wrappedSubjectKey,
      analytics: undefined,
      place: undefined,
      scene: undefined,
      network: undefined,
      home: undefined,
      recordKeys: {},
    };
    this.#devices.set(device, fresh);
    return fresh;
  }

  #recordKey(kind: RecordKind, wrappedSubjectKey: string, device: DeviceKey): Buffer {
    const { recordKeys } = this.#remembered(wrappedSubjectKey, device);
    recordKeys[kind] ??= this.#secret(wrappedSubjectKey, `${RECORDS[kind].info}\0${device}`);
    return recordKeys[kind];
  }

  /** A nonce is made of what is sealed, under a key of its own: two notes never share one (cf. RFC 5297). */
  #forwardedKeys(wrapped: string): [key: Buffer, nonceKey: Buffer] {
    return [
      this.#secret(wrapped, "consentry forwarded name"),
      this.#secret(wrapped, "consentry nonce of a forwarded name"),
    ];
  }

  /** 32 bytes that no one has without the subject's key and the pepper. */
  #secret(wrapped: string, info: string): Buffer {
    const subjectKey = this.#unwrap(wrapped);
    const secret = Buffer.from(hkdfSync("sha256", subjectKey, this.#keys.pepper, info, 32));
    subjectKey.fill(0);
    return secret;
  }

  #derive(wrapped: string, what: string, purpose: PseudonymPurpose | "home", epoch: number): Named {
    const purposeKey = this.#secret(wrapped, `consentry pseudonym\0${purpose}\0${epoch}`);
    const mac = createHmac("sha256", purposeKey).update(what).digest();
    purposeKey.fill(0);
    const pseudonym = mac.toString("base64url", 0, PSEUDONYM_BYTES) as Pseudonym;
    return { epoch, pseudonym, rowKey: [mac.readInt32BE(PSEUDONYM_BYTES), mac.readInt32BE(PSEUDONYM_BYTES + 4)] };
  }

  #wrap(subjectKey: Buffer): string {
    const wrapped = sealWith(this.#keys.masterKey, WRAP_CONTEXT, subjectKey);
    subjectKey.fill(0);
    return wrapped.toString("base64url");
  }

  #unwrap(wrapped: string): Buffer {
    for (const masterKey of [this.#keys.masterKey, ...(this.#keys.otherMasterKeys ?? [])]) {
      const subjectKey = tryUnwrap(wrapped, masterKey);
      if (subjectKey !== undefined) return subjectKey;
    }
    throw new GatewayError("SUBJECT_KEY_UNREADABLE", "authentication");
  }
}

/** `undefined` when this master key does not open it. Throws SUBJECT_KEY_UNREADABLE when it is no wrapped key at all. */
function tryUnwrap(wrapped: string, masterKey: Buffer): Buffer | undefined {
  const bytes = Buffer.from(wrapped, "base64url");
  if (bytes.length !== 1 + IV_BYTES + SUBJECT_KEY_BYTES + TAG_BYTES || bytes[0] !== VERSION) {
    throw new GatewayError("SUBJECT_KEY_UNREADABLE", "format");
  }
  return openWith(masterKey, WRAP_CONTEXT, bytes);
}

/** Version, nonce, ciphertext and tag. */
function sealWith(key: Buffer, context: Buffer, content: Buffer, iv = randomBytes(IV_BYTES)): Buffer {
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(context);
  const sealed = Buffer.concat([cipher.update(content), cipher.final()]);
  return Buffer.concat([Buffer.of(VERSION), iv, sealed, cipher.getAuthTag()]);
}

function openWith(key: Buffer, context: Buffer, bytes: Buffer): Buffer | undefined {
  if (bytes.length < 1 + IV_BYTES + TAG_BYTES || bytes[0] !== VERSION) return undefined;
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(1, 1 + IV_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(context).setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(1 + IV_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** Keeps the two newest epochs; a look-up of a long past one (erasure, export) must not push them out. */
function remember(recent: Recent | undefined, named: Named): Recent {
  if (recent === undefined) return { newest: named, older: undefined };
  if (named.epoch > recent.newest.epoch) return { newest: named, older: recent.newest };
  if (recent.older === undefined || named.epoch > recent.older.epoch) recent.older = named;
  return recent;
}
