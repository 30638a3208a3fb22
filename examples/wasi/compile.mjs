// Compiles the store, an AssemblyScript program.
import { readFile } from 'node:fs/promises';
import asc from 'assemblyscript/asc';

const sources = ['store.ts', 'wasi_snapshot_preview1.ts'];

/** Its bytes; the same each time. */
export async function compileStore() {
  let wasm;
  const { error, stderr } = await asc.main(
    ['store.ts', '--runtime', 'stub', '--use', 'abort=', '-O2', '--outFile', 'store.wasm'],
    {
      readFile: (name) =>
        sources.includes(name) ? readFile(new URL(name, import.meta.url), 'utf8') : null,
      writeFile: (name, contents) => {
        if (name === 'store.wasm') wasm = contents;
      },
    },
  );
  if (error) throw new Error(`${error.message}\n${stderr}`);
  return Uint8Array.from(wasm);
}
