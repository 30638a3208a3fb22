import { FerryError } from '../../errors.js';
import { asRecord, MalformedState, readBoolean, readList, readText } from '../json-state.js';
import type { FunctionName, FunctionNames } from './function-names.js';
import type { ProgramTable, Surface } from './surface.js';
import { readValue, readVector, writeValue, writeVector } from './value-codec.js';

/** What a program is besides its memory, as JSON: each list in the order of the module. */
export interface Registers {
  readonly globals: readonly (FunctionName | string)[];
  readonly tables: readonly (readonly FunctionName[])[];
  /** Which of the segments that the program may drop it has dropped. */
  readonly drops: readonly boolean[];
}

const mostGlobals = 100_000;
const mostTables = 1000;
const mostEntries = 10_000_000;
const mostDrops = 1_000_000;

type GlobalPlace = Surface['layout']['globals'][number];

/** One mutable global: read as what stands in `Registers`, and prepared to be written from it. */
interface Register {
  readonly name: string;
  save(): FunctionName | string | undefined;
  /** Checks a value and gives what writes it. */
  prepare(value: unknown, find: (name: unknown) => unknown): () => void;
}

interface TrackedTable {
  readonly name: string;
  readonly most: number;
  readonly table: ProgramTable;
  readonly isExtern: boolean;
}

/** The globals, tables and dropped segments of a running program. */
export class ProgramRegisters {
  readonly #surface: Surface;
  readonly #names: FunctionNames;
  readonly #globals: readonly Register[];
  readonly #tables: readonly TrackedTable[];

  constructor(surface: Surface, names: FunctionNames) {
    const { globals, tables } = surface.layout;
    this.#surface = surface;
    this.#names = names;
    this.#globals = globals.map((place) => this.#register(place));
    this.#tables = tables.map((place) => {
      const name = `table ${place.index}`;
      const most = Math.min(place.max ?? mostEntries, mostEntries);
      return {
        name,
        most,
        table: surface.table(place, name),
        isExtern: place.type === 'externref',
      };
    });
  }

  #register(place: GlobalPlace): Register {
    const name = `global ${place.index}`;
    const { type, get, set } = place;
    if (type === 'v128') return this.#vector(name, get, set);
    const global = this.#surface.global(place, name);
    if (type === 'funcref' || type === 'externref') {
      return {
        name,
        save: () => this.#names.namer()(global.value),
        prepare: (value, find) => {
          const found = find(value);
          return () => {
            global.value = found;
          };
        },
      };
    }
    return {
      name,
      save: () => writeValue(type, global.value),
      prepare: (value) => {
        const number = readValue(type, readText(name, value));
        return () => {
          global.value = number;
        };
      },
    };
  }

  /** JavaScript cannot see a v128: functions read and write its halves. */
  #vector(name: string, get: GlobalPlace['get'], set: GlobalPlace['set']): Register {
    const half = (at: 0 | 1): bigint => BigInt(String(this.#surface.call(get?.[at] ?? '')));
    return {
      name,
      save: () => writeVector(half(0), half(1)),
      prepare: (value) => {
        const [low, high] = readVector(readText(name, value));
        return () => {
          this.#surface.call(set ?? '', low, high);
        };
      },
    };
  }

  /** What of it cannot travel, in words. */
  check(): string[] {
    const name = this.#names.namer();
    const problems: string[] = [];
    for (const register of this.#globals) {
      if (register.save() === undefined) {
        problems.push(`${register.name} holds a reference that nobody can name`);
      }
    }
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

  /** ERR_UNSUPPORTED where something cannot be named. */
  save(): Registers {
    const name = this.#names.namer();
    const named = (what: string, found: FunctionName | undefined): FunctionName => {
      if (found === undefined) {
        throw new FerryError(
          'ERR_UNSUPPORTED',
          `this program cannot travel: ${what} cannot be named`,
        );
      }
      return found;
    };
    return {
      globals: this.#globals.map((register) => named(register.name, register.save())),
      tables: this.#tables.map((tracked) => {
        const { table } = tracked;
        return Array.from({ length: table.length }, (_, index) =>
          named(`entry ${index} of ${tracked.name}`, name(table.get(index))),
        );
      }),
      drops: this.#surface.layout.drops.map(({ global }) => {
        return this.#surface.globalCalled(global).value === 1;
      }),
    };
  }

  /** Checks registers of a peer and gives what takes them over. MalformedState, and nothing has changed. */
  prepare(value: unknown): () => void {
    const from = asRecord('registers', value);
    const find = this.#names.finder();
    const globals = readList('globals', from['globals'], mostGlobals, (item) => item);
    const tables = readList('tables', from['tables'], mostTables, (item, index) =>
      readList(`table ${index}`, item, mostEntries, find),
    );
    const drops = readList('drops', from['drops'], mostDrops, (item) =>
      readBoolean('a drop', item),
    );
    expectCount('globals', globals.length, this.#globals.length);
    expectCount('tables', tables.length, this.#tables.length);
    const writers = this.#globals.map((register, index) => register.prepare(globals[index], find));
    this.#tables.forEach(({ table, name, most, isExtern }, index) => {
      const entries = tables[index] ?? [];
      if (isExtern && entries.some((entry) => entry !== null)) {
        throw new MalformedState(`${name} holds values of the host`);
      }
      if (entries.length < table.length || entries.length > most) {
        throw new MalformedState(
          `${name} has ${table.length} entries here, and ${entries.length} there`,
        );
      }
      writers.push(() => fill(table, entries));
    });
    return this.#withDrops(drops, writers);
  }

  #withDrops(drops: readonly boolean[], writers: (() => void)[]): () => void {
    const places = this.#surface.layout.drops;
    expectCount('drops', drops.length, places.length);
    places.forEach(({ kind, index, global, drop }, at) => {
      const isDropped = this.#surface.globalCalled(global).value === 1;
      if (isDropped && !drops[at]) {
        throw new MalformedState(
          `${kind} segment ${index} was dropped here already, and not there`,
        );
      }
      if (!isDropped && drops[at]) writers.push(() => void this.#surface.call(drop));
    });
    return () => {
      for (const write of writers) write();
    };
  }
}

function fill(table: ProgramTable, entries: readonly unknown[]): void {
  if (entries.length > table.length) table.grow(entries.length - table.length);
  entries.forEach((entry, index) => {
    if (table.get(index) !== entry) table.set(index, entry);
  });
}

function expectCount(what: string, found: number, expected: number): void {
  if (found !== expected) throw new MalformedState(`it has ${found} ${what}, not ${expected}`);
}
