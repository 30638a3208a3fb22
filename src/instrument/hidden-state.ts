import type { Findings } from './findings.js';
import type { LayoutDrop, LayoutGlobal, LayoutTable, WriteLogLayout } from './layout.js';
import { type Export, kinds, type WasmModule } from './module.js';
import type { MapPlan } from './place.js';
import { unsupported } from './refusals.js';
import { valueTypeName, valueTypes } from './value-types.js';

/** A function that was added; its type is one of `addedTypes`. */
export type AddedFunction =
  | { readonly does: 'markRange' | 'markBelow' | 'markUnequal' | 'grow' }
  | { readonly does: 'getLow' | 'getHigh' | 'set'; readonly global: number }
  | { readonly does: 'drop'; readonly number: number };

/** What a module gets besides its own, and by which names it is reached. */
export interface HiddenState {
  readonly layout: WriteLogLayout;
  /** In the order of their indices, behind the module's own. */
  readonly functions: readonly AddedFunction[];
  readonly exports: readonly Export[];
  /** What the added table of functions has. */
  readonly referenced: readonly number[];
}

export interface HiddenOptions {
  readonly prefix: string;
  readonly plan: MapPlan;
  readonly headBytes: number;
  readonly startIsKept: boolean;
}

/** Decides how everything that is state gets a name. ERR_UNSUPPORTED for what has none in JavaScript. */
export function planHiddenState(
  module: WasmModule,
  findings: Findings,
  options: HiddenOptions,
): HiddenState {
  return new Planner(module, options).plan(findings);
}

class Planner {
  readonly #module: WasmModule;
  readonly #options: HiddenOptions;
  readonly #exports: Export[] = [];
  readonly #functions: AddedFunction[] = [];

  constructor(module: WasmModule, options: HiddenOptions) {
    this.#module = module;
    this.#options = options;
    if (options.plan.place !== 'none') {
      this.#functions.push({ does: 'markRange' }, { does: 'markBelow' }, { does: 'markUnequal' });
    }
    if (options.plan.place === 'behind-maximum') this.#functions.push({ does: 'grow' });
  }

  plan(findings: Findings): HiddenState {
    const module = this.#module;
    const { prefix, plan, headBytes, startIsKept } = this.#options;
    const memory = module.memories[0];
    if (memory === undefined) throw unsupported('it has no memory');
    const layout: WriteLogLayout = {
      version: 1,
      prefix,
      memory: {
        export: this.#named(kinds.memory, 0, 'memory'),
        import: memory.import,
        minPages: plan.startPages,
        maxPages: plan.maxPages,
        shared: memory.shared,
      },
      map: this.#map(),
      headBytes,
      globals: module.globals.flatMap((global, index) =>
        global.mutable ? [this.#global(index)] : [],
      ),
      tables: module.tables.map((_, index) => this.#table(index)),
      ...this.#references(findings),
      drops: this.#drops(findings),
      start: module.start === undefined ? null : { function: module.start, kept: startIsKept },
    };
    const referenced = layout.functions === null ? [] : this.#referenced(findings);
    return { layout, functions: this.#functions, exports: this.#exports, referenced };
  }

  #export(name: string, kind: number, index: number): string {
    const full = this.#options.prefix + name;
    this.#exports.push({ name: full, kind, index });
    return full;
  }

  /** The name of something's export: the module's own, or a new one. */
  #named(kind: number, index: number, name: string): string {
    const own = this.#module.exports.find((entry) => entry.kind === kind && entry.index === index);
    return own?.name ?? this.#export(name, kind, index);
  }

  #function(name: string, added: AddedFunction): string {
    const index = this.#module.functions.length + this.#functions.push(added) - 1;
    return this.#export(name, kinds.function, index);
  }

  #map(): WriteLogLayout['map'] {
    const { place, byteOffset } = this.#options.plan;
    if (place === 'none') return { place };
    if (place === 'second-memory') {
      return { place, export: this.#export('map', kinds.memory, 1) };
    }
    const size = this.#export('size', kinds.global, this.#module.globals.length);
    return { place, byteOffset, size };
  }

  #global(index: number): LayoutGlobal {
    const global = this.#module.globals[index];
    const type = valueTypeName(global?.type ?? 0);
    if (type === 'exnref') throw unsupported(`its mutable global ${index} holds exceptions`);
    const from = global?.import ?? null;
    if (type !== 'v128') {
      return {
        index,
        type,
        export: this.#named(kinds.global, index, `global_${index}`),
        import: from,
      };
    }
    // JavaScript can neither read nor write such a global.
    const low = this.#function(`global_${index}_low`, { does: 'getLow', global: index });
    const high = this.#function(`global_${index}_high`, { does: 'getHigh', global: index });
    const set = this.#function(`global_${index}_set`, { does: 'set', global: index });
    return { index, type, export: null, import: from, get: [low, high], set };
  }

  #table(index: number): LayoutTable {
    const table = this.#module.tables[index];
    const type = valueTypeName(table?.type ?? 0);
    if (type !== 'funcref' && type !== 'externref') {
      throw unsupported(`its table ${index} holds exceptions`);
    }
    return {
      index,
      type,
      export: this.#named(kinds.table, index, `table_${index}`),
      import: table?.import ?? null,
      min: table?.min ?? 0,
      max: table?.max ?? null,
    };
  }

  #references(findings: Findings): Pick<WriteLogLayout, 'functions'> {
    const { tables, globals } = this.#module;
    const isOfFunctions = ({ type }: { type: number }): boolean => type === valueTypes.funcref;
    const canHold =
      tables.some(isOfFunctions) || globals.some((one) => one.mutable && isOfFunctions(one));
    const count = this.#referenced(findings).length;
    if (!canHold || count === 0) return { functions: null };
    return { functions: { export: this.#export('functions', kinds.table, tables.length), count } };
  }

  #referenced(findings: Findings): number[] {
    const all = new Set([...this.#module.referenced, ...findings.referenced]);
    return [...all].sort((one, other) => one - other);
  }

  #drops(findings: Findings): LayoutDrop[] {
    const { plan } = this.#options;
    const first = this.#module.globals.length + (plan.place === 'behind-maximum' ? 1 : 0);
    return findings.drops.map(({ kind, index }, number) => {
      const name = `${kind}_${index}`;
      const global = this.#export(`${name}_dropped`, kinds.global, first + number);
      return {
        kind,
        index,
        global,
        drop: this.#function(`${name}_drop`, { does: 'drop', number }),
      };
    });
  }
}
