/** What a WebAssembly module declares, as far as the rewriter needs it. Positions are bytes of the module. */
export interface WasmModule {
  readonly bytes: Uint8Array;
  /** In the order of the file. */
  readonly sections: readonly Section[];
  readonly types: readonly FunctionType[];
  /** The type index of every function, imported ones first. */
  readonly functions: readonly number[];
  readonly importedFunctions: number;
  readonly tables: readonly Table[];
  readonly memories: readonly Memory[];
  readonly globals: readonly Global[];
  /** The type index of every tag of exceptions. */
  readonly tags: readonly number[];
  readonly imports: readonly ImportName[];
  readonly exports: readonly Export[];
  readonly start: number | undefined;
  /** Functions that a reference can be made to: exported, in an element segment, or in a ref.func outside of code. */
  readonly referenced: ReadonlySet<number>;
  readonly elementSegments: number;
  readonly dataSegments: number;
  /** One for each function that is not imported. */
  readonly bodies: readonly Body[];
}

export interface Section {
  readonly id: number;
  /** Of a custom section. */
  readonly name: string | undefined;
  /** Where its content begins and ends. */
  readonly start: number;
  readonly end: number;
  /** Where the entries of a vector begin, and how many there are; 0 where it is none. */
  readonly entriesStart: number;
  readonly entries: number;
}

export interface FunctionType {
  readonly params: readonly number[];
  readonly results: readonly number[];
}

export type ImportName = readonly [module: string, name: string];

export interface Limits {
  readonly min: number;
  readonly max: number | undefined;
}

export interface Table extends Limits {
  readonly type: number;
  readonly import: ImportName | null;
}

/** Sizes in pages of 65536 bytes. */
export interface Memory extends Limits {
  readonly shared: boolean;
  readonly import: ImportName | null;
}

export interface Global {
  readonly type: number;
  readonly mutable: boolean;
  readonly import: ImportName | null;
}

export interface Export {
  readonly name: string;
  readonly kind: number;
  readonly index: number;
}

/** From its declarations of locals to behind its last `end`. */
export interface Body {
  readonly start: number;
  readonly end: number;
}

/** Kinds of imports and exports (core specification, 5.5.5). */
export const kinds = { function: 0, table: 1, memory: 2, global: 3, tag: 4 } as const;

/** Ids of sections (core specification, 5.5.2). */
export const sectionIds = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** Their order in a module. */
export const sectionOrder: readonly number[] = [
  sectionIds.type,
  sectionIds.import,
  sectionIds.function,
  sectionIds.table,
  sectionIds.memory,
  sectionIds.tag,
  sectionIds.global,
  sectionIds.export,
  sectionIds.start,
  sectionIds.element,
  sectionIds.dataCount,
  sectionIds.code,
  sectionIds.data,
];

/** Bytes of a page of WebAssembly memory, and the most pages a memory of 32-bit addresses has. */
export const wasmPageBytes = 65536;
export const mostWasmPages = 65536;
