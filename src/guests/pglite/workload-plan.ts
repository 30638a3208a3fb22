import { mix } from '../random.js';

/** Everything about the demo's PostgreSQL that both the program and its check must agree on, as pure functions. */

/** Rows of `account`, ids from 1 on. */
export const accountCount = 4096;
/** Rows of `entry` that are kept: each transaction adds one and drops the oldest. */
export const entryCount = 2000;
/** What its program needs at least before a session begins: 128 MiB. */
export const minSizeMiB = 128;
export const maxSizeMiB = 1024;

/** RangeError unless it is from 128 to 1024. */
export function checkSize(sizeMiB: number): void {
  if (sizeMiB >= minSizeMiB && sizeMiB <= maxSizeMiB) return;
  throw new RangeError(`sizeMiB must be from ${minSizeMiB} to ${maxSizeMiB}, not ${sizeMiB}`);
}

/** The account that transaction `seq` updates. */
export function accountOf(seed: number, seq: number): number {
  return 1 + (mix(mix(seed, seq), 1) % accountCount);
}

/** The running digest after a transaction that found `value` in its account. It is also the account's new value. */
export function digestOf(before: number, seq: number, account: number, value: number): number {
  return mix(mix(mix(before, seq), account), value);
}

/** The digest before the first transaction. */
export function firstDigest(seed: number): number {
  return mix(seed, 0x7067);
}

/** What transaction `seq` writes down besides: about 400 characters. */
export function noteOf(seq: number, digest: number): string {
  return `${seq} ${digest} `.repeat(24);
}
