/**
 * What makes a text, a topic or a topic filter of MQTT ill-formed, the same in 3.1.1 and in 5. Each check answers with the
 * statement that was broken.
 */
import { isUtf8 } from "node:buffer";

/** Stands for a name that is longer than anything anybody may use; it is no one's topic. */
export const TOO_LONG = "(too long)";

/** Control and non-characters, which Mosquitto refuses too [MQTT-1.5.3-2], and what stands for bytes that are no UTF-8. */
const SUSPECT = /[\p{Cc}\p{Noncharacter_Code_Point}\ufffd]/u;
const FORBIDDEN = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;

/** `bytes` is asked for only when the text alone does not tell. */
export function textFault(text: string, bytes: () => Buffer): string | undefined {
  if (!SUSPECT.test(text)) return undefined;
  if (text.includes("\u0000")) return "MQTT-1.5.3-2";
  if (FORBIDDEN.test(text)) return "MQTT 1.5.3";
  return isUtf8(bytes()) ? undefined : "MQTT-1.5.3-1";
}

export const TOPIC_TOO_DEEP = "topic has too many levels";
export const FILTER_TOO_DEEP = "filter has too many levels";

/** Of a topic or a filter. */
export function levelsOf(name: string): number {
  let levels = 1;
  for (let at = name.indexOf("/"); at !== -1; at = name.indexOf("/", at + 1)) levels += 1;
  return levels;
}

/** Of a name that is let go because it is too long: all that is looked at in a shorter one. `cmd` is that of its packet. */
export function longNameFault(bytes: Buffer, cmd: string, maxLevels: number): string | undefined {
  if (!isUtf8(bytes)) return "MQTT-1.5.3-1";
  const name = bytes.toString("utf8");
  const fault = textFault(name, () => bytes);
  if (fault !== undefined || cmd === "connect") return fault;
  if (levelsOf(name) > maxLevels) return cmd === "publish" ? TOPIC_TOO_DEEP : FILTER_TOO_DEEP;
  return cmd === "publish" ? topicFault(name) : filterFault(name);
}

export function topicFault(topic: string): string | undefined {
  if (topic.length === 0) return "MQTT-4.7.3-1";
  return topic.includes("#") || topic.includes("+") ? "MQTT-3.3.2-2" : undefined;
}

export function filterFault(filter: string): string | undefined {
  if (filter.length === 0) return "MQTT-4.7.3-1";
  if (/#.|[^/]#/s.test(filter)) return "MQTT-4.7.1-2";
  return /[^/]\+|\+[^/]/s.test(filter) ? "MQTT-4.7.1-3" : undefined;
}
