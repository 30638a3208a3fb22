// QuickJS over the bytes that are to run, with its insides in reach.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import RELEASE_SYNC from '@jitl/quickjs-wasmfile-release-sync';
import { instrument } from 'pageferry/instrument';
// What `quickjs-emscripten` is made of, without the builds of QuickJS that are not needed here.
import { newQuickJSWASMModuleFromVariant, newVariant } from 'quickjs-emscripten-core';

const wasmPath = createRequire(import.meta.url).resolve('@jitl/quickjs-wasmfile-release-sync/wasm');

/** Its memory is imported: without a second memory (Node 20) there is no place for a write log, and memory is scanned. */
const places = [undefined, 'none'];

function instrumentAnywhere(bytes) {
  for (const place of places) {
    try {
      return instrument(bytes, place === undefined ? {} : { place }).wasm;
    } catch (error) {
      if (error.code !== 'ERR_UNSUPPORTED' || place === 'none') throw error;
    }
  }
}

/** A context with nothing in it, made alike each time. */
export async function openSandbox() {
  const module = instrumentAnywhere(readFileSync(wasmPath));
  const ends = {};
  const variant = newVariant(RELEASE_SYNC, {
    emscriptenModule: {
      instantiateWasm(imports, done) {
        WebAssembly.instantiate(module, imports).then(({ instance }) => {
          Object.assign(ends, { imports, instance });
          done(instance);
        });
        return {};
      },
    },
  });
  const quickjs = await newQuickJSWASMModuleFromVariant(variant);
  return { vm: quickjs.newContext(), module, ...ends };
}
