import { mix, xorshift } from './random.js';

/** Everything about the sqlite guest that both the program and its check must agree on, as pure functions. */

/** Rows of `account`, ids from 1 on. */
export const accountCount = 4096;
/** Bytes of an item's payload; half of it is incompressible. */
export const payloadBytes = 16384;

/** What a transaction does besides updating an account, as `commits.kind`: items inserted at the end + 256 x items deleted in front. */
export function kindOf(inserts: number, deletes: number): number {
  return inserts + 256 * deletes;
}

export function insertsOf(kind: number): number {
  return kind % 256;
}

export function deletesOf(kind: number): number {
  return Math.floor(kind / 256);
}

const mib = 2 ** 20;
export const minSizeMiB = 64;
/** Beyond it the glue no longer grows by a fifth, and two instances would not grow alike. */
export const maxSizeMiB = 512;
const wasmPageBytes = 65536;
/** The first growth is the preload's, four are left for when it runs. */
const growths = 5;

/** What the glue makes of `byteLength` when SQLite asks for more: a fifth more, in whole pages. */
export function grownSize(byteLength: number): number {
  return Math.ceil((byteLength * 1.2) / wasmPageBytes) * wasmPageBytes;
}

/** The size to boot with, in bytes, so that five growths end at most at `sizeMiB`. RangeError unless that is 64 to 512. */
export function bootSize(sizeMiB: number): number {
  if (!(sizeMiB >= minSizeMiB && sizeMiB <= maxSizeMiB)) {
    throw new RangeError(`sizeMiB must be from ${minSizeMiB} to ${maxSizeMiB}, not ${sizeMiB}`);
  }
  const limit = sizeMiB * mib;
  const guess = Math.floor(limit / 1.2 ** growths / wasmPageBytes);
  for (let pages = guess; ; pages--) {
    let size = pages * wasmPageBytes;
    for (let growth = 0; growth < growths; growth++) size = grownSize(size);
    if (size <= limit) return pages * wasmPageBytes;
  }
}

/** The payload of item `id`: depends on the seed and the id alone. */
export function payloadOf(seed: number, id: number): Uint8Array {
  const payload = new Uint8Array(payloadBytes);
  const words = new Uint32Array(payload.buffer, 0, payloadBytes / 8);
  let state = mix(mix(seed, id), 2) | 1;
  for (let index = 0; index < words.length; index++) {
    state = xorshift(state);
    words[index] = state;
  }
  return payload;
}

/** The account that transaction `seq` updates. */
export function accountOf(seed: number, seq: number): number {
  return 1 + (mix(mix(seed, seq), 1) % accountCount);
}

/** The running digest after a transaction that found `value` in its account. It is also the account's new value. */
export function digestOf(
  before: number,
  seq: number,
  kind: number,
  account: number,
  value: number,
): number {
  return mix(mix(mix(mix(before, seq), kind), account), value);
}

/** The digest before the first transaction. */
export function firstDigest(seed: number): number {
  return mix(seed, 0x73716c);
}
