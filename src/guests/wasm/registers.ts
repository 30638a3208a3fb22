import { FerryError } from '../../errors.js';
import { asRecord, MalformedState, readBoolean, readList, readText } from '../json-state.js';
import type { FunctionName, FunctionNames } from './function-names.js';
import type { Surface } from './surface.js';
import { ProgramTables } from './tables.js';
import { readValue, readVector, writeValue, writeVector } from './value-codec.js';

/** What a program is besides its memory and the entries of its tables, as JSON: each list in the order of the module. */
export interface Registers {
  readonly globals: readonly (FunctionName | string)[];
  /** How many entries each has. */
  readonly tables: readonly number[];
  /** Which of the segments that the program may drop it has dropped. */
  readonly drops: readonly boolean[];
}

const mostGlobals = 100_000;
const mostDrops = 1_000_000;

type GlobalPlace = Surface['layout']['globals'][number];

/** One mutable global: read as what stands in `Registers`, and prepared to be written from it. */
interface Register {
  readonly name: string;
  save(): FunctionName | string | undefined;
  /** Checks a value and gives what writes it. */
  prepare(value: unknown, find: (name: unknown) => unknown): () => void;
}

/** As it travels. */
export interface SavedRegisters {
  readonly registers: Registers;
  /** Names of the entries of its tables: see `SavedTables`. */
  readonly entries: Uint8Array;
}

/** The globals, tables and dropped segments of a running program. */
export class ProgramRegisters {
  readonly #surface: Surface;
  readonly #names: FunctionNames;
  readonly #globals: readonly Register[];
  readonly #tables: ProgramTables;

  constructor(surface: Surface, names: FunctionNames) {
    this.#surface = surface;
    this.#names = names;
    this.#globals = surface.layout.globals.map((place) => this.#register(place));
    this.#tables = new ProgramTables(surface, names);
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
    const unnamed = this.#globals.filter((register) => register.save() === undefined);
    const problems = unnamed.map(({ name }) => `${name} holds a reference that nobody can name`);
    return [...problems, ...this.#tables.check()];
  }

  /** ERR_UNSUPPORTED where something cannot be named. */
  save(): SavedRegisters {
    const globals = this.#globals.map((register) => {
      const saved = register.save();
      if (saved !== undefined) return saved;
      throw new FerryError(
        'ERR_UNSUPPORTED',
        `this program cannot travel: ${register.name} cannot be named`,
      );
    });
    const drops = this.#surface.layout.drops.map(
      ({ global }) => this.#surface.globalCalled(global).value === 1,
    );
    const { lengths, names } = this.#tables.save();
    return { registers: { globals, tables: lengths, drops }, entries: names };
  }

  /** Checks registers of a peer, and the entries of its tables, and gives what takes them over. MalformedState, and nothing has changed. */
  prepare(value: unknown, entries: Uint8Array): () => void {
    const from = asRecord('registers', value);
    const find = this.#names.finder();
    const globals = readList('globals', from['globals'], mostGlobals, (item) => item);
    const drops = readList('drops', from['drops'], mostDrops, (item) =>
      readBoolean('a drop', item),
    );
    expectCount('globals', globals.length, this.#globals.length);
    const writers = this.#globals.map((register, index) => register.prepare(globals[index], find));
    writers.push(this.#tables.prepare(from['tables'], entries));
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

function expectCount(what: string, found: number, expected: number): void {
  if (found !== expected) throw new MalformedState(`it has ${found} ${what}, not ${expected}`);
}
