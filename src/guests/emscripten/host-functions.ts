import type { ProgramTable } from './ends.js';
import type { HostCalls } from './host-calls.js';

/**
 * The functions that the glue put into the program's table: those of JavaScript (`addFunction`), and those of libraries that it opened. They are known by where they are
 * in it and what an engine calls them: both ends started alike. An engine names a function of a module by its index, so that one made for a function of JavaScript is called 0;
 * a program's own are behind its imports.
 */
export class HostFunctions {
  readonly #table: ProgramTable | undefined;
  readonly #calls: HostCalls;
  #length = 0;
  #libraries = 0;
  /** What was in those entries that are the host's, or free for it. */
  #entries: readonly (readonly [slot: number, entry: unknown])[] = [];
  #byName: ReadonlyMap<string, unknown> = new Map();

  constructor(table: ProgramTable | undefined, calls: HostCalls) {
    this.#table = table;
    this.#calls = calls;
  }

  /** By their names: the same map for as long as they are the same. */
  byName(): ReadonlyMap<string, unknown> {
    if (!this.#isKnown()) this.#look();
    return this.#byName;
  }

  /** The host puts functions only where there was none, or behind all others. */
  #isKnown(): boolean {
    return (
      this.#length === (this.#table?.length ?? 0) &&
      this.#libraries === this.#calls.libraries.length &&
      this.#entries.every(([slot, entry]) => this.#table?.get(slot) === entry)
    );
  }

  #look(): void {
    const { libraries } = this.#calls;
    const entries: [number, unknown][] = [];
    this.#libraries = libraries.length;
    this.#length = this.#table?.length ?? 0;
    for (let slot = 0; slot < this.#length; slot++) {
      const entry: unknown = this.#table?.get(slot);
      const isLibrary = libraries.some((one) => slot >= one.firstSlot && slot < one.endSlot);
      const isHost = entry === null || isLibrary || (entry as Callable).name === '0';
      if (isHost) entries.push([slot, entry]);
    }
    this.#entries = entries;
    const found = entries.filter(([, entry]) => typeof entry === 'function');
    this.#byName = new Map(found.map(([slot, entry]) => [nameOf(slot, entry as Callable), entry]));
  }
}

type Callable = (...values: never[]) => unknown;

function nameOf(slot: number, { name, length }: Callable): string {
  return `slot ${slot}: ${name}/${length}`;
}
