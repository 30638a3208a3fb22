import { malformed } from './refusals.js';
import { readSections } from './sections.js';
import type { ValueTypeName } from './value-types.js';

/** Name of the custom section that has the layout, as JSON in UTF-8. */
export const layoutSection = 'pageferry.write-log';

export type GlobalTypeName = Exclude<ValueTypeName, 'exnref'>;
export type TableTypeName = 'funcref' | 'externref';
type ImportPair = readonly [module: string, name: string];

/** Where the map of written pages is, and by which exports the state of an instrumented program is reached. Format: docs/instrument.md. */
export interface WriteLogLayout {
  readonly version: 1;
  /** What every added export begins with. */
  readonly prefix: string;
  /** The program's memory; sizes in pages of 65536 bytes. */
  readonly memory: {
    readonly export: string | null;
    readonly import: ImportPair | null;
    readonly minPages: number;
    readonly maxPages: number;
    readonly shared: boolean;
  };
  /**
   * One byte a 4 KiB page, non-zero = written. second-memory: in the memory exported as `export`. behind-maximum: from byte `byteOffset` of
   * the program's memory; the program's own size in pages of 65536 bytes is the exported mutable i32 global `size`.
   * none: nothing is marked.
   */
  readonly map:
    | { readonly place: 'second-memory'; readonly export: string }
    | { readonly place: 'behind-maximum'; readonly byteOffset: number; readonly size: string }
    | { readonly place: 'none' };
  /** A mark on page p also covers up to this many first bytes of page p + 1. */
  readonly headBytes: number;
  /** Every mutable global, defined or imported. */
  readonly globals: readonly LayoutGlobal[];
  readonly tables: readonly LayoutTable[];
  /** A table with every function that can be referenced, in ascending order of their index; null where no state can hold one. */
  readonly functions: { readonly export: string; readonly count: number } | null;
  /** Segments that the program drops: the exported mutable i32 global is 1 once it did, the exported function drops it. */
  readonly drops: readonly LayoutDrop[];
  readonly start: { readonly function: number; readonly kept: boolean } | null;
}

export interface LayoutGlobal {
  readonly index: number;
  readonly type: GlobalTypeName;
  readonly export: string | null;
  readonly import: ImportPair | null;
  /** Of a v128: two exported functions without parameters that give an i64, the low and the high half. */
  readonly get?: readonly [low: string, high: string];
  /** Of a v128: an exported function that takes two i64, the low and the high half. */
  readonly set?: string;
}

export interface LayoutTable {
  readonly index: number;
  readonly type: TableTypeName;
  readonly export: string | null;
  readonly import: ImportPair | null;
  readonly min: number;
  readonly max: number | null;
}

export interface LayoutDrop {
  readonly kind: 'data' | 'elem';
  readonly index: number;
  readonly global: string;
  readonly drop: string;
}

/**
 * The layout of an instrumented module; undefined where it is not one. ERR_GUEST where the bytes are no module, or the layout is none.
 */
export function readLayout(wasm: Uint8Array): WriteLogLayout | undefined {
  if (!(wasm instanceof Uint8Array)) throw new TypeError('a module is bytes, in a Uint8Array');
  for (const { name, start, end } of readSections(wasm)) {
    if (name === layoutSection) return parseLayout(wasm.subarray(start, end));
  }
  return undefined;
}

function parseLayout(bytes: Uint8Array): WriteLogLayout {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw malformed('its layout is no JSON');
  }
  if (!isLayout(value)) throw malformed('its layout is none that this version knows');
  return value;
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isFlag: Check = (value) => typeof value === 'boolean';
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isPair: Check = (value) =>
  Array.isArray(value) && value.length === 2 && isText(value[0]) && isText(value[1]);
const isOneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value);
const or =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.some((check) => check(value));
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const isNull: Check = (value) => value === null;
const isAbsent: Check = (value) => value === undefined;

/** An object whose own properties fit, and that has no others. */
const record =
  (shape: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const own = new Map(Object.entries(value));
    return (
      [...own.keys()].every((key) => Object.hasOwn(shape, key)) &&
      Object.entries(shape).every(([key, check]) => check(own.get(key)))
    );
  };

const reached = { export: or(isText, isNull), import: or(isPair, isNull) };
const isLayoutRecord = record({
  version: isOneOf(1),
  prefix: isText,
  memory: record({ ...reached, minPages: isCount, maxPages: isCount, shared: isFlag }),
  map: or(
    record({ place: isOneOf('second-memory'), export: isText }),
    record({ place: isOneOf('behind-maximum'), byteOffset: isCount, size: isText }),
    record({ place: isOneOf('none') }),
  ),
  headBytes: isCount,
  globals: listOf(
    record({
      ...reached,
      index: isCount,
      type: isOneOf('i32', 'i64', 'f32', 'f64', 'v128', 'funcref', 'externref'),
      get: or(isPair, isAbsent),
      set: or(isText, isAbsent),
    }),
  ),
  tables: listOf(
    record({
      ...reached,
      index: isCount,
      type: isOneOf('funcref', 'externref'),
      min: isCount,
      max: or(isCount, isNull),
    }),
  ),
  functions: or(record({ export: isText, count: isCount }), isNull),
  drops: listOf(
    record({ kind: isOneOf('data', 'elem'), index: isCount, global: isText, drop: isText }),
  ),
  start: or(record({ function: isCount, kept: isFlag }), isNull),
});

function isLayout(value: unknown): value is WriteLogLayout {
  return isLayoutRecord(value);
}
