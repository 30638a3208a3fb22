import { FerryError } from '../../errors.js';
import { LinesReader, LinesWriter } from '../json-lines.js';
import { MalformedState, readCount, readList } from '../json-state.js';
import type { FunctionName, FunctionNames } from './function-names.js';
import type { ProgramTable, Surface } from './surface.js';

const mostTables = 1000;
const mostEntries = 10_000_000;
const entriesPerLine = 512;
const mostName = 65_536;

interface TrackedTable {
  readonly name: string;
  readonly most: number;
  readonly table: ProgramTable;
  readonly isExtern: boolean;
}

/** The entries of all tables, one behind the other, and what they are called. */
interface NamedEntries {
  readonly entries: readonly unknown[];
  readonly names: readonly FunctionName[];
}

const none: NamedEntries = { entries: [], names: [] };

export interface SavedTables {
  /** How many entries each has, in the order of the module. */
  readonly lengths: readonly number[];
  /** Names of the entries of all of them, one behind the other (json-lines.ts). */
  readonly names: Uint8Array;
}

/** The tables of a running program. They have thousands of entries, and few ever change: what is known of those that did not is not found out again. */
export class ProgramTables {
  readonly #names: FunctionNames;
  readonly #tables: readonly TrackedTable[];
  readonly #writer = new LinesWriter<FunctionName>(entriesPerLine, (name) => name);
  readonly #reader = new LinesReader('entries of tables', mostEntries, readName);
  #saved: NamedEntries = none;
  #found: NamedEntries = none;

  constructor(surface: Surface, names: FunctionNames) {
    this.#names = names;
    this.#tables = surface.layout.tables.map((place) => {
      const name = `table ${place.index}`;
      return {
        name,
        most: Math.min(place.max ?? mostEntries, mostEntries),
        table: surface.table(place, name),
        isExtern: place.type === 'externref',
      };
    });
  }

  /** What of them cannot travel, in words. */
  check(): string[] {
    const name = this.#names.namer();
    const problems: string[] = [];
    for (const { name: table, isExtern, table: entries } of this.#tables) {
      for (let index = 0; index < entries.length; index++) {
        const entry = entries.get(index);
        if (entry === null || (!isExtern && name(entry) !== undefined)) continue;
        const what = isExtern
          ? 'a value of the host'
          : 'a function of the host or of another instance';
        problems.push(`entry ${index} of ${table} is ${what}`);
        break;
      }
    }
    return problems;
  }

  /** ERR_UNSUPPORTED where an entry cannot be named. */
  save(): SavedTables {
    const name = this.#names.namer();
    const before = this.#saved;
    const entries: unknown[] = [];
    const names: FunctionName[] = [];
    for (const { name: what, table } of this.#tables) {
      const { length } = table;
      for (let index = 0; index < length; index++) {
        const at = entries.length;
        const entry = table.get(index);
        const known = entry === before.entries[at] ? before.names[at] : undefined;
        const found = isForGood(known) ? known : name(entry);
        if (found === undefined) {
          throw new FerryError(
            'ERR_UNSUPPORTED',
            `this program cannot travel: entry ${index} of ${what} cannot be named`,
          );
        }
        entries.push(entry);
        names.push(found);
      }
    }
    this.#saved = { entries, names };
    return {
      lengths: this.#tables.map(({ table }) => table.length),
      names: this.#writer.write(names),
    };
  }

  /** Checks tables of a peer and gives what takes them over. MalformedState, and nothing has changed. */
  prepare(lengthsOf: unknown, namesOf: Uint8Array): () => void {
    const lengths = readList('tables', lengthsOf, mostTables, (item) =>
      readCount('the length of a table', item, mostEntries),
    );
    const entries = this.#find(this.#reader.read(namesOf));
    if (lengths.length !== this.#tables.length) {
      throw new MalformedState(`it has ${lengths.length} tables, not ${this.#tables.length}`);
    }
    if (lengths.reduce((sum, length) => sum + length, 0) !== entries.length) {
      throw new MalformedState(`${entries.length} entries are not as many as its tables have`);
    }
    let first = 0;
    const fills = this.#tables.map(({ table, name, most, isExtern }, index) => {
      const length = lengths[index] ?? 0;
      const own = entries.slice(first, first + length);
      first += length;
      if (isExtern && own.some((entry) => entry !== null)) {
        throw new MalformedState(`${name} holds values of the host`);
      }
      if (length < table.length || length > most) {
        throw new MalformedState(`${name} has ${table.length} entries here, and ${length} there`);
      }
      return () => fill(table, own);
    });
    return () => {
      for (const each of fills) each();
    };
  }

  #find(names: readonly FunctionName[]): readonly unknown[] {
    const find = this.#names.finder();
    const before = this.#found;
    const entries = names.map((name, at) =>
      isForGood(name) && name === before.names[at] ? before.entries[at] : find(name),
    );
    this.#found = { entries, names };
    return entries;
  }
}

/** A program's own functions have their numbers for ever; names of the host's may become another's. */
function isForGood(name: FunctionName | undefined): name is number | null {
  return name === null || typeof name === 'number';
}

function readName(name: unknown): FunctionName {
  if (name === null || typeof name === 'number') return name;
  if (typeof name === 'string' && name.length <= mostName) return name;
  throw new MalformedState('an entry of a table is neither number nor name');
}

function fill(table: ProgramTable, entries: readonly unknown[]): void {
  if (entries.length > table.length) table.grow(entries.length - table.length);
  entries.forEach((entry, index) => {
    if (table.get(index) !== entry) table.set(index, entry);
  });
}
