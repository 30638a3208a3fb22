import { type Memory, mostWasmPages, type WasmModule, wasmPageBytes } from './module.js';
import { unsupported } from './refusals.js';

/**
 * Where the map is that has a byte for each page of 4 KiB: in a memory of its own, which takes an engine with multi-memory, or in the
 * program's memory, behind its maximum. 'none': there is none; only state gets names, and writes are found by scanning.
 */
export type MapPlace = 'second-memory' | 'behind-maximum' | 'none';

const pageBytes = 4096;
const pagesPerWasmPage: number = wasmPageBytes / pageBytes;
/** What a program may use of a memory that names no maximum, where the map lies behind it: 2 GiB, emscripten's default. */
const pagesWithoutMaximum = 32_768;

/** A module with two memories, and nothing else. */
const twoMemories = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 5, 2, 0, 0, 0, 0);

/** Whether the engine that runs this has multi-memory. */
export function hasMultiMemory(): boolean {
  return WebAssembly.validate(twoMemories);
}

/** The memory of a program, and the map over it. Sizes in pages of 65536 bytes. */
export interface MapPlan {
  readonly place: MapPlace;
  /** What the program has at least and at most. */
  readonly minPages: number;
  readonly maxPages: number;
  readonly mapPages: number;
  /** Of the map in its memory. */
  readonly byteOffset: number;
}

/** ERR_UNSUPPORTED where the map cannot be at `place`. */
export function planMap(module: WasmModule, place: MapPlace): MapPlan {
  const [memory] = module.memories;
  if (memory === undefined) throw unsupported('it has no memory, so that nothing can be logged');
  const { min, max = mostWasmPages } = memory;
  if (place === 'none') {
    return { place, minPages: min, maxPages: max, mapPages: 0, byteOffset: 0 };
  }
  if (place === 'second-memory') {
    const mapPages = mapPagesFor(max);
    return { place, minPages: min, maxPages: max, mapPages, byteOffset: 0 };
  }
  refuseBehindMaximum(memory);
  const wanted = memory.max ?? Math.max(min, pagesWithoutMaximum);
  const maxPages = Math.min(wanted, mostWasmPages - mapPagesFor(mostWasmPages));
  if (maxPages < min)
    throw unsupported(
      "its memory leaves no room for the map; find writes by scanning (place: 'none')",
    );
  const byteOffset = maxPages * wasmPageBytes;
  return { place, minPages: min, maxPages, mapPages: mapPagesFor(maxPages), byteOffset };
}

/**
 * What the program has when it starts. Glue in JavaScript that grows the memory would find the map there: where the program has no
 * memory.grow of its own, it has all there is from the beginning.
 */
export function pagesAtStart(plan: MapPlan, growsMemory: boolean): number {
  return plan.place !== 'behind-maximum' || growsMemory ? plan.minPages : plan.maxPages;
}

function refuseBehindMaximum({ import: from, shared }: Memory): void {
  const advice =
    'run it where there is multi-memory (Node 22), or use a scanning tracker (place: none)';
  if (from !== null)
    throw unsupported(`its memory is imported, and the map has no place; ${advice}`);
  if (shared) throw unsupported(`its memory is shared, and the map has no place; ${advice}`);
}

function mapPagesFor(pages: number): number {
  return Math.max(1, Math.ceil((pages * pagesPerWasmPage) / wasmPageBytes));
}
