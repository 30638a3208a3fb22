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

export interface SqliteState {
  readonly registers: SqliteRegisters;
  /** Addresses that the glue keeps, by name. */
  readonly handles: Readonly<Record<string, number>>;
}

/** JSON, UTF-8: {registers, handles}. */
export function encodeSqliteState(
  registers: SqliteRegisters,
  handles: Readonly<Record<string, number>>,
): Uint8Array {
  return writeJsonState({ registers, handles });
}

/** ERR_GUEST on anything but what `encodeSqliteState` writes. */
export function decodeSqliteState(bytes: Uint8Array): SqliteState {
  return readJsonState(bytes, 'the state of SQLite', ({ registers, handles }) => {
    return {
      registers: readRegisters(asRecord('registers', registers)),
      handles: readNumbers(asRecord('handles', handles)),
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
