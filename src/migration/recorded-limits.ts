import type { ConvergenceLimits } from './convergence.js';
import { isRecord } from './recorded-json.js';

const motions = ['pausable', 'unpausable', 'still'] as const;
const settles = ['best', 'first'] as const;
const policies = ['throttle', 'force', 'cancel'] as const;

/** `value` as the limits of a recorded source, or undefined if it is none. */
export function recordedLimits(value: unknown): ConvergenceLimits | undefined {
  if (!isRecord(value)) return undefined;
  // Recordings of older builds know periods of rounds alone.
  const { maxDowntimeMs, stallRounds, stallMs = 0, maxRetreats } = value;
  const motion = motions.find((name) => name === value['motion']);
  const settle = settles.find((name) => name === value['settle']);
  const onStall = policies.find((name) => name === value['onStall']);
  if (motion === undefined || settle === undefined || onStall === undefined) return undefined;
  if (
    typeof maxDowntimeMs !== 'number' ||
    typeof stallRounds !== 'number' ||
    typeof stallMs !== 'number' ||
    typeof maxRetreats !== 'number'
  ) {
    return undefined;
  }
  return { motion, settle, onStall, maxDowntimeMs, stallRounds, stallMs, maxRetreats };
}
