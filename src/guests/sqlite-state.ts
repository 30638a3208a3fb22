import {
  asRecord,
  type JsonRecord,
  readBoolean,
  readCount,
  readJsonState,
  readNumber,
  writeJsonState,
} from './json-state.js';
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
  return writeJsonState({ registers, outside });
}

/** ERR_GUEST on anything but what `encodeSqliteState` writes. */
export function decodeSqliteState(bytes: Uint8Array): SqliteState {
  return readJsonState(bytes, 'the state of SQLite', ({ registers, outside }) => {
    return {
      registers: readRegisters(asRecord('registers', registers)),
      outside: readNumbers(asRecord('outside', outside)),
    };
  });
}

function readRegisters(from: JsonRecord): SqliteRegisters {
  return {
    seed: readCount('seed', from['seed']),
    seq: readCount('seq', from['seq']),
    digest: readCount('digest', from['digest']),
    first: readCount('first', from['first']),
    last: readCount('last', from['last']),
    growing: readBoolean('growing', from['growing']),
  };
}

function readNumbers(from: JsonRecord): Record<string, number> {
  const entries = Object.entries(from).map(([name, value]) => [name, readNumber(name, value)]);
  return Object.fromEntries(entries);
}
