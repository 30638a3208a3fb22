/** Like a WebAssembly.Instance. */
export interface ProgramInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}

/** Like a WebAssembly.Memory. */
export interface ProgramMemory {
  readonly buffer: ArrayBufferLike;
  grow(delta: number): number;
}

/** What a program imports: modules of fields, whatever they are called. */
export type ProgramImports = Readonly<Record<string, unknown>>;

/** Like a WebAssembly.Table. */
export interface ProgramTable {
  readonly length: number;
  get(index: number): unknown;
}
