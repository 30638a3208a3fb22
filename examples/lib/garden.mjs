// Compiles garden.ts.
import { readFile } from 'node:fs/promises';
import asc from 'assemblyscript/asc';

/** The bytes of the program: a module as any compiler makes it. */
export async function compileGarden() {
  const source = await readFile(new URL('garden.ts', import.meta.url), 'utf8');
  const { error, stderr, binary } = await asc.compileString(source, {
    optimizeLevel: 3,
    runtime: 'stub',
    noAssert: true,
    initialMemory: 4,
    maximumMemory: 256,
  });
  if (error) throw new Error(`garden.ts: ${error.message}\n${stderr}`);
  return binary;
}
