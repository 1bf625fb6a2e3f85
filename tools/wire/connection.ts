/**
 * One MQTT connection of the simulator. Every way of failing ends in a value or a rejection;
 * no connection can take the process, or another connection, with it.
 */
import mqtt, { ErrorWithReasonCode, type IClientOptions, type MqttClient } from "mqtt";

/** Whether a message that was published has its acknowledgement; with MQTT 5 also one that says that it was refused. */
export function wasAcknowledged(error: Error | null | undefined): boolean {
  return !error || error instanceof ErrorWithReasonCode;
}

/**
 * Connects or rejects: with the broker's refusal, a closed socket, or after `timeoutMs`.
 * `beforeConnack` may attach listeners that must not miss the first packets of a resumed session.
 */
export async function connectMqtt(
  url: string,
  options: IClientOptions,
  timeoutMs = 60_000,
  beforeConnack: (client: MqttClient) => void = () => {},
): Promise<MqttClient> {
  const reconnectPeriod = options.reconnectPeriod ?? 0;
  const client = mqtt.connect(url, {
    protocolVersion: 4,
    keepalive: 30,
    connectTimeout: timeoutMs,
    // After an outage the broker may say "not yet" before it lets us in.
    reconnectOnConnackError: reconnectPeriod > 0,
    resubscribe: false,
    ...options,
    reconnectPeriod,
  });
  // Stays attached for good: an `error` event without a listener would end the process.
  client.on("error", () => {});
  beforeConnack(client);
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => settle(new Error("no CONNACK in time")), timeoutMs);
    const onConnect = () => settle(undefined);
    const onError = (error: Error) => settle(error);
    const onClose = () => settle(new Error("closed before CONNACK"));
    const settle = (error: Error | undefined) => {
      clearTimeout(timer);
      client.off("connect", onConnect).off("error", onError).off("close", onClose);
      if (error === undefined) return resolve();
      client.end(true);
      reject(error);
    };
    client.on("connect", onConnect).on("error", onError).on("close", onClose);
  });
  return client;
}

/** Disconnects politely; after `timeoutMs`, or when already cut off, the socket is destroyed. */
export async function disconnectMqtt(client: MqttClient, timeoutMs = 2_000): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => client.end(true, () => resolve()), timeoutMs);
    client.end(!client.connected, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
