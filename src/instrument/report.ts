import type { Findings } from './findings.js';
import type { WriteLogLayout } from './layout.js';
import type { WasmModule } from './module.js';
import { isStillTrue } from './module-emitter.js';
import type { MapPlace } from './place.js';

/** Something of a program's state that cannot be carried by its module alone. */
export interface Untransferable {
  readonly what:
    | 'externref-global'
    | 'externref-table'
    | 'imported-memory'
    | 'imported-global'
    | 'imported-table';
  readonly index: number;
  /** Where it is imported from. */
  readonly import: readonly [module: string, name: string] | null;
}

/** What `instrument` found and did. */
export interface InstrumentReport {
  readonly place: MapPlace;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** The program's own functions, imported ones apart. */
  readonly functions: number;
  /** Instructions that write memory, those that no code reaches apart. SIMD and atomic ones are among them, bulk operations are not. */
  readonly stores: number;
  readonly simdStores: number;
  /** Atomic stores, read-modify-write, compare and exchange. */
  readonly atomics: number;
  /** memory.fill, memory.copy and memory.init. */
  readonly bulkOperations: number;
  /** Marks that were put in: stores that share one are why these are fewer. */
  readonly marks: number;
  /** Names of the exports that were added. */
  readonly hidden: {
    readonly memory: readonly string[];
    readonly globals: readonly string[];
    readonly tables: readonly string[];
    readonly functions: readonly string[];
    readonly segments: readonly string[];
  };
  /** Custom sections left out, since they speak of bytes of the code. */
  readonly leftOut: readonly string[];
  readonly start: WriteLogLayout['start'];
  /** What the host must carry, or cannot: references into JavaScript, and what is imported, which other instances may share. */
  readonly willNotTravel: readonly Untransferable[];
}

export function reportOn(
  module: WasmModule,
  findings: Findings,
  layout: WriteLogLayout,
  bytesAfter: number,
): InstrumentReport {
  const { prefix, memory, map, globals, tables, functions, drops, start } = layout;
  const added = (names: readonly (string | null | undefined)[]): string[] =>
    names.filter((name): name is string => name?.startsWith(prefix) === true);
  const sections = module.sections.flatMap(({ name }) => (name === undefined ? [] : [name]));
  return {
    place: map.place,
    bytesBefore: module.bytes.length,
    bytesAfter,
    functions: module.bodies.length,
    stores: findings.stores,
    simdStores: findings.simdStores,
    atomics: findings.atomics,
    bulkOperations: findings.bulkOperations,
    marks: findings.marks,
    hidden: {
      memory: added([memory.export, ...mapNames(map)]),
      globals: added(globals.flatMap(({ export: name, get = [], set }) => [name, ...get, set])),
      tables: added(tables.map(({ export: name }) => name)),
      functions: added([functions?.export]),
      segments: added(drops.flatMap(({ global, drop }) => [global, drop])),
    },
    leftOut: sections.filter((name) => !isStillTrue(name)),
    start,
    willNotTravel: untransferable(layout),
  };
}

function mapNames(map: WriteLogLayout['map']): readonly string[] {
  if (map.place === 'none') return [];
  return [map.place === 'second-memory' ? map.export : map.size];
}

function untransferable({ memory, globals, tables }: WriteLogLayout): Untransferable[] {
  const list: Untransferable[] = [];
  if (memory.import !== null)
    list.push({ what: 'imported-memory', index: 0, import: memory.import });
  for (const [kind, entries] of [
    ['global', globals],
    ['table', tables],
  ] as const) {
    for (const { index, type, import: from } of entries) {
      if (type === 'externref') list.push({ what: `externref-${kind}`, index, import: from });
      else if (from !== null) list.push({ what: `imported-${kind}`, index, import: from });
    }
  }
  return list;
}
