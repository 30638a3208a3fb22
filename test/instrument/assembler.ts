/** Puts WebAssembly modules together byte by byte: what no compiler emits too. */

export const types = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  funcref: 0x70,
  externref: 0x6f,
} as const;

export type Bytes = readonly number[];

export interface FunctionSource {
  readonly params?: Bytes;
  readonly results?: Bytes;
  /** Types of its locals, one each. */
  readonly locals?: Bytes;
  /** Its instructions, without the last `end`. */
  readonly code: Bytes;
  readonly export?: string;
}

export interface ModuleSource {
  /** Types that blocks may name by index: they are the module's first. */
  readonly blockTypes?: readonly { readonly params: Bytes; readonly results: Bytes }[];
  /** Whole entries of the sections that a test is about. */
  readonly imports?: readonly Bytes[];
  readonly tables?: readonly Bytes[];
  readonly memory?: Bytes | null;
  readonly tags?: readonly Bytes[];
  readonly globals?: readonly Bytes[];
  readonly exports?: readonly Bytes[];
  readonly start?: number;
  readonly elements?: readonly Bytes[];
  readonly data?: readonly Bytes[];
  /** How many of `imports` are functions. */
  readonly importedFunctions?: number;
  readonly functions: readonly FunctionSource[];
  /** Custom sections behind all others, by name; and before them. */
  readonly customs?: readonly (readonly [name: string, content: Bytes])[];
  readonly firstCustoms?: readonly (readonly [name: string, content: Bytes])[];
}

export function u32(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

export function s32(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const isLast = rest >= -64 && rest < 64;
    bytes.push((rest & 0x7f) | (isLast ? 0 : 0x80));
    if (isLast) return bytes;
  }
}

export function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...u32(bytes.length), ...bytes];
}

/** A limit of at least `min` and at most `max` pages or entries. */
export function limits(min: number, max?: number, shared = false): number[] {
  if (max === undefined) return [0, ...u32(min)];
  return [shared ? 3 : 1, ...u32(min), ...u32(max)];
}

export const get = (local: number): number[] => [0x20, ...u32(local)];
export const set = (local: number): number[] => [0x21, ...u32(local)];
export const tee = (local: number): number[] => [0x22, ...u32(local)];
export const i32 = (value: number): number[] => [0x41, ...s32(value)];
/** Stores a byte of the value on top at the address below it. */
export const store8 = (offset: number): number[] => [0x3a, 0, ...u32(offset)];

const section = (id: number, content: Bytes): number[] => [id, ...u32(content.length), ...content];
const vector = (id: number, entries: readonly Bytes[] | undefined): number[] =>
  entries === undefined || entries.length === 0
    ? []
    : section(id, [...u32(entries.length), ...entries.flat()]);
const typeEntry = (params: Bytes, results: Bytes): number[] => [
  0x60,
  ...u32(params.length),
  ...params,
  ...u32(results.length),
  ...results,
];

/** The module, with a memory of 1 to 3 pages named `memory` where nothing is said of one. */
export function assemble(source: ModuleSource): Uint8Array<ArrayBuffer> {
  const { blockTypes = [], functions, importedFunctions = 0, memory = limits(1, 3) } = source;
  const custom = ([name, content]: readonly [string, Bytes]): number[] =>
    section(0, [...text(name), ...content]);
  const bodies = functions.map(({ locals = [], code }) => {
    const body = [...u32(locals.length), ...locals.flatMap((type) => [1, type]), ...code, 0x0b];
    return [...u32(body.length), ...body];
  });
  const exports = functions.flatMap(({ export: name }, index) =>
    name === undefined ? [] : [[...text(name), 0, ...u32(importedFunctions + index)]],
  );
  const ownMemory = memory === null ? [] : [memory];
  const memoryExport = memory === null ? [] : [[...text('memory'), 2, 0]];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...(source.firstCustoms ?? []).flatMap(custom),
    ...vector(1, [
      ...blockTypes.map(({ params, results }) => typeEntry(params, results)),
      ...functions.map(({ params = [], results = [] }) => typeEntry(params, results)),
    ]),
    ...vector(2, source.imports),
    ...vector(
      3,
      functions.map((_, index) => u32(blockTypes.length + index)),
    ),
    ...vector(4, source.tables),
    ...vector(5, ownMemory),
    ...vector(13, source.tags),
    ...vector(6, source.globals),
    ...vector(7, [...memoryExport, ...exports, ...(source.exports ?? [])]),
    ...(source.start === undefined ? [] : section(8, u32(source.start))),
    ...vector(9, source.elements),
    ...(source.data === undefined ? [] : section(12, u32(source.data.length))),
    ...vector(10, bodies),
    ...vector(11, source.data),
    ...(source.customs ?? []).flatMap(custom),
  ]);
}
