import { FerryError } from '../../errors.js';
import { hasMultiMemory, type MapPlace, readLayout } from '../../instrument/index.js';
import type { ProgramImports, ProgramInstance, ProgramMemory } from './ends.js';

type ResizeHeap = (byteLength: number) => unknown;

const wasmPageBytes = 65_536;
/** emscripten's MEMORY_GROWTH_GEOMETRIC_CAP, 96 MiB: only its function that grows memory names it. */
const geometricCap = '100663296';

/**
 * Grows a program's memory to exactly `byteLength` as its glue does it, so that the glue's views are made anew. The glue would take some more than it is asked for: what it asks of
 * the memory meanwhile is put right. ERR_UNSUPPORTED where the glue shows no way; ERR_GUEST where the memory did not become as long as that.
 */
export function growThrough(
  imports: ProgramImports,
  memory: ProgramMemory,
  byteLength: number,
): void {
  const present = memory.buffer.byteLength;
  if (byteLength === present) return;
  const delta = (byteLength - present) / wasmPageBytes;
  if (!Number.isInteger(delta) || delta < 0) {
    throw new FerryError(
      'ERR_GUEST',
      `memory of ${present} bytes cannot become ${byteLength} long`,
    );
  }
  const resize = resizeHeapOf(imports);
  const grow = memory.grow.bind(memory);
  memory.grow = () => grow(delta);
  try {
    resize(present + wasmPageBytes);
  } finally {
    Reflect.deleteProperty(memory, 'grow');
  }
  const got = memory.buffer.byteLength;
  if (got !== byteLength) {
    throw new FerryError('ERR_GUEST', `memory grew to ${got} bytes instead of ${byteLength}`);
  }
}

/** An import, and where it is. */
interface FoundImport {
  readonly fields: object;
  readonly name: string;
  readonly call: ResizeHeap;
}

/** The import by which a program asks its glue for memory: by its name, or where names are minified, by what it alone contains. */
function findResizeHeap(imports: ProgramImports): FoundImport | undefined {
  const functions = Object.values(imports).flatMap((fields) =>
    Object.entries(Object(fields) as Record<string, unknown>).flatMap(([name, call]) =>
      typeof call === 'function'
        ? [{ fields: Object(fields), name, call: call as ResizeHeap }]
        : [],
    ),
  );
  const named = functions.find(({ name }) => name === 'emscripten_resize_heap');
  return named ?? functions.find(({ call }) => String(call).includes(geometricCap));
}

function resizeHeapOf(imports: ProgramImports): ResizeHeap {
  const found = findResizeHeap(imports);
  if (found !== undefined) return found.call;
  throw new FerryError(
    'ERR_UNSUPPORTED',
    'this emscripten program cannot grow its memory: it was built without -sALLOW_MEMORY_GROWTH',
  );
}

/** How long a program's memory is for the program, and how it grows as its glue would grow it. */
export interface ProgramSize {
  readonly byteLength: number;
  /** To exactly so many bytes. */
  grow(byteLength: number): void;
}

/**
 * Of a program that is about to be instantiated: `bytes` are its module. Where the map of its writes lies behind its maximum, its memory is as long as it can be from the beginning, and its glue
 * may not grow it: then what asks the glue for memory gets it from here, in steps as the glue's.
 */
export function sizeBeforeStart(
  bytes: Uint8Array,
  imports: ProgramImports,
): (instance: ProgramInstance, memory: ProgramMemory) => ProgramSize {
  const layout = readLayout(bytes);
  if (layout?.map.place !== 'behind-maximum') {
    return (_, memory) => ({
      get byteLength() {
        return memory.buffer.byteLength;
      },
      grow: (byteLength) => growThrough(imports, memory, byteLength),
    });
  }
  const { size } = layout.map;
  const most = layout.memory.maxPages * wasmPageBytes;
  let pages: WebAssembly.Global | undefined;
  const bytesNow = (): number => Number(pages?.value ?? 0) * wasmPageBytes;
  const resize: ResizeHeap = (wanted) => {
    const needed = wanted >>> 0;
    if (pages === undefined || needed > most) return false;
    // What emscripten adds: a fifth (MEMORY_GROWTH_GEOMETRIC_STEP), up to its cap.
    const more = Math.min(bytesNow() * 1.2, needed + Number(geometricCap));
    const next = Math.ceil(Math.max(needed, more) / wasmPageBytes);
    pages.value = Math.min(next, layout.memory.maxPages);
    return true;
  };
  const found = findResizeHeap(imports);
  if (found !== undefined) Reflect.set(found.fields, found.name, resize);
  return ({ exports }) => {
    pages = exports[size] as WebAssembly.Global;
    return {
      get byteLength() {
        return bytesNow();
      },
      grow(byteLength) {
        if (byteLength % wasmPageBytes !== 0 || byteLength < bytesNow() || byteLength > most) {
          throw new FerryError(
            'ERR_GUEST',
            `memory of ${bytesNow()} bytes cannot become ${byteLength} long`,
          );
        }
        if (pages !== undefined) pages.value = byteLength / wasmPageBytes;
      },
    };
  };
}

/** Where the map of a program goes whose memory its glue grows: behind its maximum it would be in the way. Without a second memory writes are found by scanning. */
export function placeBesideGlue(): MapPlace {
  return hasMultiMemory() ? 'second-memory' : 'none';
}
