import { FerryError } from '../../errors.js';
import { hasMultiMemory, type MapPlace } from '../../instrument/index.js';
import type { ProgramImports, ProgramMemory } from './ends.js';

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

/** The import by which a program asks its glue for memory: by its name, or where names are minified, by what it alone contains. */
function resizeHeapOf(imports: ProgramImports): ResizeHeap {
  const functions = Object.values(imports).flatMap((fields) =>
    Object.entries(Object(fields) as Record<string, unknown>).filter(
      (entry): entry is [string, ResizeHeap] => typeof entry[1] === 'function',
    ),
  );
  const named = functions.find(([name]) => name === 'emscripten_resize_heap');
  const found = named ?? functions.find(([, each]) => String(each).includes(geometricCap));
  if (found !== undefined) return found[1];
  throw new FerryError(
    'ERR_UNSUPPORTED',
    'this emscripten program cannot grow its memory: it was built without -sALLOW_MEMORY_GROWTH',
  );
}

/** Where the map of a program goes whose memory its glue grows: behind its maximum it would be in the way. Without a second memory writes are found by scanning. */
export function placeBesideGlue(): MapPlace {
  return hasMultiMemory() ? 'second-memory' : 'none';
}
