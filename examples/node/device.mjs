#!/usr/bin/env node
/**
 * A device that publishes telemetry and loses nothing while it is offline. Needs MQTT.js:
 *
 *     npm install mqtt
 *
 * How to make the CA, where the token comes from and why it behaves as it does: docs/guides/connect-a-device.md
 */
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { MessageBuffer } from "./buffer.mjs";
import { readToken, run } from "./uplink.mjs";

const USAGE = `usage: node device.mjs --gateway HOST --ca FILE --device ID --token-file FILE --buffer FOLDER
  --gateway HOST          host name, as it stands in the certificate
  --port PORT             8883 unless given
  --ca FILE               certificate of the CA, PEM
  --device ID
  --token-file FILE       the device token, mode 0600
  --buffer FOLDER         where messages wait
  --model MODEL           EX-100 unless given
  --every SECONDS         60 unless given
  --keep MESSAGES         most messages that wait, 2000 unless given
  --keep-for SECONDS      23 hours unless given
  --longest-pause SECONDS between two attempts, 300 unless given`;

/** Put your sensors here. Names, units and ranges: docs/properties.md. Leave out what you do not know. */
function measure() {
  return {
    temperature: Math.round(200 + 20 * Math.random()) / 10,
    humidity: Math.round(45 + 6 * Math.random()),
    battery: 87,
  };
}

/** Made once, with the measurement. Whatever is sent again has the same `ts` and `id`, and is stored once. */
function message(model) {
  return { model, status: measure(), ts: Date.now(), id: randomUUID() };
}

function settingsOf(args) {
  const text = { type: "string" };
  const { values } = parseArgs({
    args,
    options: {
      gateway: text,
      port: { ...text, default: "8883" },
      ca: text,
      device: text,
      "token-file": text,
      buffer: text,
      model: { ...text, default: "EX-100" },
      every: { ...text, default: "60" },
      keep: { ...text, default: "2000" },
      // An hour less than what the gateway still takes as a time of a device (`mqtt.clockWindowPastMs`).
      "keep-for": { ...text, default: String(23 * 3600) },
      "longest-pause": { ...text, default: "300" },
    },
  });
  for (const name of ["gateway", "ca", "device", "token-file", "buffer"]) {
    if (values[name] === undefined) throw new Error(`--${name} is missing\n${USAGE}`);
  }
  return {
    ...values,
    port: Number(values.port),
    tokenFile: values["token-file"],
    everyMs: Number(values.every) * 1_000,
    keep: Number(values.keep),
    keepForMs: Number(values["keep-for"]) * 1_000,
    longestPauseMs: Number(values["longest-pause"]) * 1_000,
  };
}

function keep(buffer, model) {
  try {
    buffer.add(message(model));
  } catch (error) {
    // The disk is full; the next one may find room.
    console.log(`not kept: ${error.message}`);
  }
}

try {
  const settings = settingsOf(process.argv.slice(2));
  readToken(settings.tokenFile);
  const buffer = new MessageBuffer(settings.buffer, settings.keep, settings.keepForMs);
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stopping.abort());
  keep(buffer, settings.model);
  const measuring = setInterval(() => keep(buffer, settings.model), settings.everyMs);
  stopping.signal.addEventListener("abort", () => clearInterval(measuring));
  await run(settings, buffer, stopping.signal);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
