import { createHash } from 'node:crypto';
import { FerryError } from '../../errors.js';
import { readLayout, type WriteLogLayout } from '../../instrument/layout.js';
import type { Region } from '../../memory/region.js';
import type { GrowableMemory } from '../growable.js';
import { memoryRegion } from '../memory-region.js';
import { FunctionNames } from './function-names.js';
import type { GlueState } from './glue.js';
import { ProgramRegisters } from './registers.js';
import { type ProgramEnds, Surface } from './surface.js';
import { WriteLog } from './write-log.js';

const wasmPageBytes = 65536;

export interface ProgramParts {
  /** The bytes that were compiled. */
  readonly module: Uint8Array;
  readonly ends: ProgramEnds;
  /** The memory, where it cannot be found by itself. */
  readonly memory?: GrowableMemory | undefined;
  readonly glue: GlueState | undefined;
  /** How large memory may get while it is migrated, in bytes. Default: what the module says. */
  readonly maxByteLength?: number | undefined;
  readonly held: boolean;
  /** The maps of its other threads, where those can be reached. */
  readonly maps?: (() => readonly { readonly buffer: ArrayBufferLike }[]) | undefined;
}

/** A running WebAssembly program as what of it travels. */
export class WasmProgram {
  readonly layout: WriteLogLayout;
  /** SHA-256 of the module, in hex. */
  readonly hash: string;
  readonly memory: GrowableMemory;
  readonly region: Region;
  readonly registers: ProgramRegisters;
  /** Absent where nobody can say what all of its code writes. */
  readonly log: WriteLog | undefined;
  readonly #surface: Surface;
  readonly #glue: GlueState | undefined;

  /** ERR_UNSUPPORTED for a module without a layout; ERR_GUEST where the instance does not fit it. */
  constructor(parts: ProgramParts) {
    const layout = readLayout(parts.module);
    if (layout === undefined) {
      throw new FerryError(
        'ERR_UNSUPPORTED',
        'the module keeps state that nobody outside can see: run it through instrument() of pageferry/instrument first',
      );
    }
    const surface = new Surface(layout, parts.ends);
    const hosts = () => parts.glue?.hostFunctions?.() ?? new Map<string, unknown>();
    const own = layout.functions && {
      table: surface.table({ export: layout.functions.export, import: null }, 'its functions'),
      count: layout.functions.count,
    };
    this.layout = layout;
    this.hash = createHash('sha256').update(parts.module).digest('hex');
    this.memory = surface.memory(parts.memory);
    this.registers = new ProgramRegisters(surface, new FunctionNames(own ?? undefined, hosts));
    this.#surface = surface;
    this.#glue = parts.glue;
    const mapBytes = layout.memory.maxPages * (wasmPageBytes / 4096);
    this.log = this.#logOf(mapBytes, parts.maps);
    const most = layout.memory.maxPages * wasmPageBytes;
    this.region = memoryRegion({
      name: 'memory',
      bytes: () => this.#bytes(),
      maxByteLength: Math.min(parts.maxByteLength ?? most, most),
      grow: (byteLength) => this.#growTo(byteLength),
      concurrent: layout.memory.shared,
      held: parts.held,
      linearMemory: this.memory,
    });
  }

  #logOf(mapBytes: number, others: ProgramParts['maps']): WriteLog | undefined {
    const { map, memory } = this.layout;
    if (map.place === 'none') return undefined;
    if (map.place === 'behind-maximum') {
      return new WriteLog(() => [new Uint8Array(this.memory.buffer, map.byteOffset, mapBytes)]);
    }
    // Each thread's instance has a map of its own.
    if (memory.shared && others === undefined) return undefined;
    const own = this.#surface.memoryCalled(map.export);
    return new WriteLog(() =>
      [own, ...(others?.() ?? [])].map(({ buffer }) => new Uint8Array(buffer, 0, mapBytes)),
    );
  }

  /** As long as the program takes its memory to be. Read once: another thread may make it longer at any time. */
  #bytes(): Uint8Array {
    const { buffer } = this.memory;
    const { map } = this.layout;
    return map.place === 'behind-maximum'
      ? new Uint8Array(buffer, 0, this.byteLength)
      : new Uint8Array(buffer);
  }

  /** What the program takes for the length of its memory. */
  get byteLength(): number {
    const { map } = this.layout;
    if (map.place !== 'behind-maximum') return this.memory.buffer.byteLength;
    return Number(this.#surface.globalCalled(map.size).value) * wasmPageBytes;
  }

  #growTo(byteLength: number): void {
    const { map } = this.layout;
    const missing = byteLength - this.byteLength;
    if (missing % wasmPageBytes !== 0) {
      throw new FerryError('ERR_GUEST', `a WebAssembly memory cannot be ${byteLength} bytes long`);
    }
    if (map.place === 'behind-maximum') {
      this.#surface.globalCalled(map.size).value = byteLength / wasmPageBytes;
    } else if (this.#glue?.grow !== undefined) this.#glue.grow(byteLength);
    else this.memory.grow(missing / wasmPageBytes);
  }
}
