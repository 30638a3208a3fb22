import { MalformedState } from '../json-state.js';
/** How a state calls a function in a table: by its number among the program's own, or by the name that the host has for it; null where none is. */
export type FunctionName = number | string | null;

interface FunctionTable {
  get(index: number): unknown;
}

/**
 * Names the functions that references can be made to. A program's own are known by the table that the rewriter added, which holds each of them: an
 * engine gives the same object for the same function each time.
 */
export class FunctionNames {
  readonly #own: FunctionTable | undefined;
  readonly #count: number;
  readonly #hosts: () => ReadonlyMap<string, unknown>;
  readonly #numbers = new Map<unknown, number>();

  constructor(
    own: { readonly table: FunctionTable; readonly count: number } | undefined,
    hosts: () => ReadonlyMap<string, unknown>,
  ) {
    this.#own = own?.table;
    this.#count = own?.count ?? 0;
    this.#hosts = hosts;
    for (let number = 0; number < this.#count; number++) {
      this.#numbers.set(this.#own?.get(number), number);
    }
  }

  /** Names many functions; undefined for one that is nobody's. */
  namer(): (found: unknown) => FunctionName | undefined {
    let hosts: Map<unknown, string> | undefined;
    return (found) => {
      if (found === null) return null;
      const number = this.#numbers.get(found);
      if (number !== undefined) return number;
      hosts ??= new Map([...this.#hosts()].map(([name, host]) => [host, name]));
      return hosts.get(found);
    };
  }

  /** Finds many functions by their names. MalformedState for names of none. */
  finder(): (name: unknown) => unknown {
    const hosts = this.#hosts();
    return (name) => {
      if (name === null) return null;
      if (typeof name === 'number' && Number.isInteger(name) && name >= 0 && name < this.#count) {
        return this.#own?.get(name);
      }
      if (typeof name === 'string' && hosts.has(name)) return hosts.get(name);
      throw new MalformedState(`there is no function ${JSON.stringify(name)?.slice(0, 80)} here`);
    };
  }
}
