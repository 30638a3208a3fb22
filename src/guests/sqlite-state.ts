import { FerryError } from '../errors.js';
import type { SqliteRegisters } from './sqlite-program.js';

export const maxSqliteStateBytes = 16384;

export interface SqliteState {
  readonly registers: SqliteRegisters;
  /** What lives outside memory, by name. */
  readonly outside: Readonly<Record<string, number>>;
}

/** JSON, UTF-8: {registers, outside}. */
export function encodeSqliteState(
  registers: SqliteRegisters,
  outside: Readonly<Record<string, number>>,
): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ registers, outside }));
}

/** ERR_GUEST on anything but what `encodeSqliteState` writes. */
export function decodeSqliteState(bytes: Uint8Array): SqliteState {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const { registers, outside } = asRecord(JSON.parse(text));
    return {
      registers: readRegisters(asRecord(registers)),
      outside: readNumbers(asRecord(outside)),
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FerryError('ERR_GUEST', `not the state of SQLite: ${why}`, { cause });
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError('an object is missing');
  }
  return { ...value };
}

function readRegisters(from: Record<string, unknown>): SqliteRegisters {
  const { seed, seq, digest, first, last, growing } = from;
  if (typeof growing !== 'boolean') throw new TypeError('growing is neither true nor false');
  return {
    seed: readCount('seed', seed),
    seq: readCount('seq', seq),
    digest: readCount('digest', digest),
    first: readCount('first', first),
    last: readCount('last', last),
    growing,
  };
}

function readCount(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new TypeError(`${name} is not a count`);
}

function readNumbers(from: Record<string, unknown>): Record<string, number> {
  const numbers: Record<string, number> = {};
  for (const [name, value] of Object.entries(from)) {
    if (typeof value !== 'number') throw new TypeError(`${name} is not a number`);
    numbers[name] = value;
  }
  return numbers;
}
