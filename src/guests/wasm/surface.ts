import { FerryError } from '../../errors.js';
import type { WriteLogLayout } from '../../instrument/layout.js';
import type { GrowableMemory } from '../growable.js';

/** What a program exports, and what it was instantiated with. */
export interface ProgramEnds {
  readonly exports: Readonly<Record<string, unknown>>;
  /** Only needed where a memory, a table or a mutable global is imported. */
  readonly imports?: Readonly<Record<string, unknown>> | undefined;
}

export interface MutableGlobal {
  value: unknown;
}

export interface ProgramTable {
  readonly length: number;
  get(index: number): unknown;
  set(index: number, value: unknown): void;
  grow(delta: number): number;
}

/** Where something is found: by the name it is exported under, or as the import it was given as. */
interface Place {
  readonly export: string | null;
  readonly import: readonly [module: string, name: string] | null;
}

/** Finds the parts of a running program by the layout of its module. ERR_GUEST for those that are not there. */
export class Surface {
  readonly layout: WriteLogLayout;
  readonly #ends: ProgramEnds;

  constructor(layout: WriteLogLayout, ends: ProgramEnds) {
    this.layout = layout;
    this.#ends = ends;
  }

  #find(place: Place, what: string): unknown {
    const { exports, imports } = this.#ends;
    if (place.export !== null) return exports[place.export];
    if (place.import === null) throw missing(`${what} is neither exported nor imported`);
    const [module, name] = place.import;
    const fields: Readonly<Record<string, unknown>> = Object(imports?.[module]);
    const found = fields[name];
    if (found === undefined) {
      throw missing(`${what} is the import ${module}.${name}: give \`imports\``);
    }
    return found;
  }

  memory(given?: GrowableMemory): GrowableMemory {
    return given ?? of(WebAssembly.Memory, this.#find(this.layout.memory, 'the memory'), 'memory');
  }

  memoryCalled(name: string): GrowableMemory {
    return of(WebAssembly.Memory, this.#ends.exports[name], `memory ${name}`);
  }

  global(place: Place, what: string): MutableGlobal {
    return of(WebAssembly.Global, this.#find(place, what), what);
  }

  globalCalled(name: string): MutableGlobal {
    return of(WebAssembly.Global, this.#ends.exports[name], `global ${name}`);
  }

  table(place: Place, what: string): ProgramTable {
    return of(WebAssembly.Table, this.#find(place, what), what);
  }

  call(name: string, ...values: readonly unknown[]): unknown {
    const found = this.#ends.exports[name];
    if (typeof found !== 'function') throw missing(`function ${name} is not exported`);
    return found(...values);
  }
}

function of<T>(kind: abstract new (...values: never[]) => T, found: unknown, what: string): T {
  if (found instanceof kind) return found;
  throw missing(`${what} is not there`);
}

function missing(what: string): FerryError {
  return new FerryError('ERR_GUEST', `the instance does not fit its module: ${what}`);
}
