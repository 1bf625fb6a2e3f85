/** What makes the CONNECT of a client of MQTT 5 ill-formed (3.1), read whole before anything of it is used. */
import { endOfFields, flagsFault, PASSWORD, USER_NAME, WILL } from "../rules/connect-flags.ts";
import { topicFault } from "../rules/strings.ts";
import { CUT, readProperties } from "./properties.ts";
import { BAD_AUTHENTICATION, NO_METHOD, TOO_SMALL } from "./reason-codes.ts";

const FLAGS_AND_KEEP_ALIVE = 3;
/** The longest CONNACK that the gateway writes has room in it: longer packets than it takes no client may be sent [MQTT-3.1.2-24]. */
const CONNACK_BYTES = 70;

/** Of the body of a CONNECT, from its flags on. A password without a user name is allowed here. */
export function connectFault(body: Buffer, flagsAt: number): string | undefined {
  const propertiesAt = flagsAt + FLAGS_AND_KEEP_ALIVE;
  const flags = body[flagsAt] ?? 0;
  if (body.length < propertiesAt) return CUT;
  const fault = flagsFault(flags);
  if (fault !== undefined) return fault;
  const read = readProperties(body, propertiesAt, "connect");
  if (typeof read === "string") return read;
  if (read.properties.authenticationMethod === true) return BAD_AUTHENTICATION;
  if (read.properties.authenticationData === true) return NO_METHOD;
  if ((read.properties.maximumPacketSize ?? CONNACK_BYTES) < CONNACK_BYTES) return TOO_SMALL;
  let at = endOfFields(body, read.end, 1);
  if ((flags & WILL) !== 0) {
    const will = at === undefined ? CUT : readProperties(body, at, "will");
    if (typeof will === "string") return will;
    const topicEnd = endOfFields(body, will.end, 1);
    const willFault = topicEnd === undefined ? CUT : topicFault(body.toString("latin1", will.end + 2, topicEnd));
    if (willFault !== undefined) return willFault;
    at = endOfFields(body, topicEnd, 1);
  }
  const names = Number((flags & USER_NAME) !== 0) + Number((flags & PASSWORD) !== 0);
  return endOfFields(body, at, names) === body.length ? undefined : "MQTT-3.1.3-1";
}
