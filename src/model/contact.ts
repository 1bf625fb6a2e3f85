/** Whom people write to about their data: of the controller, shown to everyone, and never a private person's. */
import { z } from "zod";

/** One line, and nothing in it that could draw others. */
const line = (most: number) => z.string().regex(new RegExp(`^[^\\p{C}\\p{Zl}\\p{Zp}]{1,${most}}$`, "u"));

export const contact = z
  .strictObject({
    /** An office or a role. */
    name: line(128),
    email: z.email().max(254).optional(),
    url: z
      .url({ protocol: /^https$/, hostname: z.regexes.domain })
      .max(512)
      .regex(/^[^@]*$/)
      .optional(),
    /** Where a letter goes. */
    address: line(512).optional(),
  })
  .refine(({ email, url }) => email !== undefined || url !== undefined, { path: ["email"] });
export type Contact = z.infer<typeof contact>;

type Part = keyof Contact;
/** As options say it: an empty text for what is not given. */
type Given = Readonly<Record<Part, string>>;

/** `undefined` when none is given, or not all that it takes. */
export function contactOf(given: Given): Contact | undefined {
  return contact.safeParse(partsOf(given)).data;
}

/** The parts that are wrong or missing; none where none is given. */
export function contactFaults(given: Given): Part[] {
  const parts = partsOf(given);
  const { error } = contact.safeParse(parts);
  return Object.keys(parts).length === 0 ? [] : (error?.issues ?? []).map(({ path }) => path[0] as Part);
}

function partsOf(given: Given): object {
  return Object.fromEntries(Object.entries(given).filter(([, text]) => text !== ""));
}

/** In one line, the quickest way first. */
export function contactLine({ name, email, url, address }: Contact): string {
  return [name, email, url, address].filter((part) => part !== undefined).join(", ");
}
