import { type Memory, mostWasmPages, type WasmModule, wasmPageBytes } from './module.js';
import { unsupported } from './refusals.js';

/**
 * Where the map is that has a byte for each page of 4 KiB: in a memory of its own, which takes an engine with multi-memory, or in the
 * program's memory, behind its maximum. 'none': there is none; only state gets names, and writes are found by scanning.
 */
export type MapPlace = 'second-memory' | 'behind-maximum' | 'none';

const pageBytes = 4096;
const pagesPerWasmPage: number = wasmPageBytes / pageBytes;
/** What a program may use where the map lies behind its maximum and the memory names none: 2 GiB, emscripten's default. */
const pagesWithoutMaximum = 32_768;
/** At most so much has a program that does not grow by itself: it has all of it from the beginning, and somebody must look through it. 512 MiB. */
const pagesAtOnce = 8192;

/** A module with two memories, and nothing else. */
const twoMemories = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 5, 2, 0, 0, 0, 0);

/** Whether the engine that runs this has multi-memory. */
export function hasMultiMemory(): boolean {
  return WebAssembly.validate(twoMemories);
}

/** The memory of a program, and the map over it. Sizes in pages of 65536 bytes. */
export interface MapPlan {
  readonly place: MapPlace;
  /** What the program has when it starts, and at most. */
  readonly startPages: number;
  readonly maxPages: number;
  readonly mapPages: number;
  /** Of the map in its memory. */
  readonly byteOffset: number;
}

/** What bears on where the map is. */
export interface MapWishes {
  readonly place: MapPlace;
  /** Behind the maximum: less or more than the program would have otherwise. */
  readonly maxPages: number | undefined;
  /** Whether the program grows its memory by itself. */
  readonly growsMemory: boolean;
  /** Whether its host does, in a way that knows of the map. */
  readonly hostGrows: boolean;
}

/** ERR_UNSUPPORTED where the map cannot be at `place`. */
export function planMap(module: WasmModule, wishes: MapWishes): MapPlan {
  const [memory] = module.memories;
  if (memory === undefined) throw unsupported('it has no memory, so that nothing can be logged');
  const { place } = wishes;
  const { min, max = mostWasmPages } = memory;
  if (place !== 'behind-maximum') {
    const mapPages = place === 'none' ? 0 : mapPagesFor(max);
    return { place, startPages: min, maxPages: max, mapPages, byteOffset: 0 };
  }
  refuseBehindMaximum(memory);
  const maxPages = maximumBefore(memory, wishes);
  // Glue in JavaScript that grows the memory would find the map there: such a program has all there is from the beginning.
  const startPages = wishes.growsMemory || wishes.hostGrows ? min : maxPages;
  const byteOffset = maxPages * wasmPageBytes;
  return { place, startPages, maxPages, mapPages: mapPagesFor(maxPages), byteOffset };
}

/** How much the program may use of a memory that has the map behind that. */
function maximumBefore({ min, max }: Memory, { maxPages, growsMemory }: MapWishes): number {
  const usual = growsMemory
    ? (max ?? pagesWithoutMaximum)
    : Math.min(max ?? pagesAtOnce, pagesAtOnce);
  const wanted = Math.max(min, Math.min(maxPages ?? usual, max ?? mostWasmPages));
  const most = mostWasmPages - mapPagesFor(mostWasmPages);
  if (min > most) {
    throw unsupported(
      'its memory leaves no room for the map; use a scanning tracker (place: none)',
    );
  }
  return Math.min(wanted, most);
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
