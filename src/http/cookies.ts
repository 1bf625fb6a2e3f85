/** The cookies of the pages: out of reach of scripts and of other sites, and over plain HTTP on loopback only. */
import type { FastifyReply, FastifyRequest } from "fastify";

export interface Cookie {
  readonly name: string;
  readonly path: string;
  /** Its name over TLS; `__Host-` asks for the path `/`. */
  readonly tls: { readonly name: string; readonly path: string };
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;
const SHARED = ["HttpOnly", "SameSite=Strict"];

/** `publicUrl`: where a browser reaches the gateway, if that is known. */
export function cookieIn(request: FastifyRequest, cookie: Cookie, publicUrl?: string): string | undefined {
  const { name } = placed(request, cookie, publicUrl);
  for (const pair of (request.headers.cookie ?? "").split(";")) {
    const [key = "", value] = pair.trim().split("=", 2);
    if (key === name) return value;
  }
  return undefined;
}

/** 0 seconds: the browser forgets it. */
export function setCookie(
  request: FastifyRequest,
  reply: FastifyReply,
  cookie: Cookie,
  { value, seconds, publicUrl }: { readonly value: string; readonly seconds: number; readonly publicUrl?: string },
): void {
  const { name, attributes } = placed(request, cookie, publicUrl);
  reply.header("set-cookie", [`${name}=${value}`, `Max-Age=${seconds}`, ...attributes].join("; "));
}

function placed(
  request: FastifyRequest,
  { name, path, tls }: Cookie,
  publicUrl: string | undefined,
): { name: string; attributes: string[] } {
  // Over plain HTTP only on loopback, where no one can read it on the way.
  const plain = LOOPBACK.test(request.host) && (publicUrl === undefined || publicUrl.startsWith("http:"));
  return plain
    ? { name, attributes: [`Path=${path}`, ...SHARED] }
    : { name: tls.name, attributes: [`Path=${tls.path}`, ...SHARED, "Secure"] };
}
