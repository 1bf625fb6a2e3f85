/**
 * Hands each service what its purpose may have, as JSON on the topics of the contract. A record for
 * which nobody listens is not even built.
 */
import { SERVICE_PURPOSES, type ServicePurpose } from "../model/consent.ts";
import type { Deidentified, NetworkRecord, SceneRecord, WeatherRecord } from "../model/deidentified.ts";

export interface PurposeTopicsPort {
  /** Delivers to `processed/<purpose>/<name>`; returns how many services got it. */
  publish(purpose: ServicePurpose, name: string, payload: string): number;
  /** Whether any service entitled to the purpose is subscribed right now. */
  listening(purpose: ServicePurpose): boolean;
}

export class PurposeTopics {
  private readonly port: PurposeTopicsPort;
  private readonly counted: (purpose: ServicePurpose, count: number) => void;

  /** `counted` accounts for each disclosure: how many records of which purpose went out. */
  constructor(port: PurposeTopicsPort, counted: (purpose: ServicePurpose, count: number) => void) {
    this.port = port;
    this.counted = counted;
  }

  /** For each message of the batch whether at least one purpose got something of it. */
  forward(batch: readonly Deidentified[]): boolean[] {
    const delivered = new Array<boolean>(batch.length).fill(false);
    for (const purpose of SERVICE_PURPOSES) {
      if (!this.port.listening(purpose)) continue;
      let count = 0;
      for (const [index, message] of batch.entries()) {
        const publication = PUBLICATIONS[purpose](message);
        if (publication === undefined) continue;
        if (this.port.publish(purpose, publication.name, publication.payload) === 0) continue;
        delivered[index] = true;
        count += 1;
      }
      if (count > 0) this.counted(purpose, count);
    }
    return delivered;
  }
}

interface Publication {
  /** The last level of the topic. */
  readonly name: string;
  readonly payload: string;
}

/** Each names the fields of its contract one by one: a field added to a record does not leave by itself. */
const PUBLICATIONS: Readonly<Record<ServicePurpose, (message: Deidentified) => Publication | undefined>> = {
  weather: ({ weather }) => weather && weatherPublication(weather),
  scene: ({ scene }) => scene && scenePublication(scene),
  network: ({ network }) => network && networkPublication(network),
};

function weatherPublication({ cell, center, at, status }: WeatherRecord): Publication {
  const { lat, lon } = center;
  return { name: cell, payload: JSON.stringify({ cell, center: { lat, lon }, at, status }) };
}

function scenePublication({ device, model, status, at }: SceneRecord): Publication {
  return { name: device, payload: JSON.stringify({ device, model, status, at }) };
}

function networkPublication({ device, model, ipPrefix, at }: NetworkRecord): Publication {
  return { name: device, payload: JSON.stringify({ device, model, ipPrefix, at }) };
}
