// A WebAssembly program of your own moves between two processes while it works, in twenty lines.

import { wasmGuest } from 'pageferry/guests/wasm';
import { instrument } from 'pageferry/instrument';
import { compileGarden } from './lib/garden.mjs';
import { betweenTwoHosts } from './lib/two-hosts.mjs';

await betweenTwoHosts(import.meta.url, boot);

// guide
async function boot() {
  const { wasm } = instrument(await compileGarden());
  const { instance } = await WebAssembly.instantiate(wasm, { env: { abort() {} } });
  const guest = await wasmGuest({
    module: wasm,
    instance,
    // Nothing but the program writes its memory.
    hostWrites: 'known',
  });
  const { step, stepsDone, sum } = instance.exports;
  return { guest, step, steps: () => stepsDone(), digest: () => String(sum()) };
}
// end of guide
