/**
 * Numbers drawn from keyed bytes: the same bytes give the same number, so that asking again, on any gateway,
 * gives no second draw to average with the first. Without the key they cannot be foretold or taken away again. Pure.
 */

const BYTES_OF_A_SHARE = 6;

/** A whole number from `low` to `high`, both included; 6 bytes are used. */
export function drawBetween(bytes: Buffer, low: number, high: number): number {
  return low + (bytes.readUIntBE(0, BYTES_OF_A_SHARE) % (high - low + 1));
}

/**
 * Two-sided geometric noise, the discrete form of Laplace noise: n has probability (1 − a) / (1 + a) × a^|n| with
 * a = exp(−1 / scale). Two counts that differ by d are told apart with an advantage of at most d / (2 × scale).
 * 12 bytes are used. Ghosh, Roughgarden, Sundararajan: Universally utility-maximizing privacy mechanisms (2009).
 */
export function drawNoise(bytes: Buffer, scale: number): number {
  return geometric(bytes, 0, scale) - geometric(bytes, BYTES_OF_A_SHARE, scale);
}

/** A multiple of `step`, never below 0. */
export function roundedCount(count: number, step: number): number {
  return Math.max(0, Math.round(count / step) * step);
}

function geometric(bytes: Buffer, at: number, scale: number): number {
  // Never 0, of which there is no logarithm.
  const share = (bytes.readUIntBE(at, BYTES_OF_A_SHARE) + 1) / 2 ** (8 * BYTES_OF_A_SHARE);
  return Math.floor(-Math.log(share) * scale);
}
