import { FerryError } from '../errors.js';

/**
 * Reading of states that are JSON, from a peer: data and nothing else. What is not as asked for is a MalformedState that names it;
 * `readJsonState` makes ERR_GUEST of that, and of nothing else.
 */
export class MalformedState extends Error {}

/** Anything JSON can say. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** What a record is here: own keys of an object without a prototype, whatever they are called. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** The state as UTF-8. */
export function writeJsonState(state: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(state));
}

/** What `read` makes of a state. ERR_GUEST, with the reason, on anything it does not take; `what` names the state: "the state of SQLite". */
export function readJsonState<T>(
  bytes: Uint8Array,
  what: string,
  read: (state: JsonRecord) => T,
): T {
  try {
    return read(asRecord('it', parse(bytes)));
  } catch (cause) {
    if (!(cause instanceof MalformedState)) throw cause;
    throw new FerryError('ERR_GUEST', `not ${what}: ${cause.message}`, { cause });
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new MalformedState('it is no JSON', { cause });
  }
}

/** An object that is not a list; a copy of its own keys that has no prototype. */
export function asRecord(name: string, value: unknown): JsonRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedState(`${name} is not an object`);
  }
  const record: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(value)) record[key] = item;
  return record;
}

/** A list of at most `most` items. */
export function readList<T>(
  name: string,
  value: unknown,
  most: number,
  read: (item: unknown, index: number) => T,
): T[] {
  if (!Array.isArray(value)) throw new MalformedState(`${name} is not a list`);
  if (value.length > most) {
    throw new MalformedState(`${name} has ${value.length} items; at most ${most} can be`);
  }
  return value.map(read);
}

/** A whole number from 0 to `most`. */
export function readCount(
  name: string,
  value: unknown,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most) {
    return value;
  }
  throw new MalformedState(`${name} is not a whole number from 0 to ${most}`);
}

export function readBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new MalformedState(`${name} is neither true nor false`);
}

export function readText(name: string, value: unknown, mostLength = 65536): string {
  if (typeof value === 'string' && value.length <= mostLength) return value;
  throw new MalformedState(`${name} is not a text of at most ${mostLength} characters`);
}

/** Any number JSON can say. */
export function readNumber(name: string, value: unknown): number {
  if (typeof value === 'number') return value;
  throw new MalformedState(`${name} is not a number`);
}
