// A script inside QuickJS moves between two processes while it runs: its closures, generators, promises and its Map go on there.
import { readFileSync } from 'node:fs';
import { wasmGuest } from 'pageferry/guests/wasm';
import { betweenTwoHosts } from './lib/two-hosts.mjs';
import { quickjsGlue } from './quickjs/glue.mjs';
import { openSandbox } from './quickjs/sandbox.mjs';

const script = readFileSync(new URL('quickjs/program.js', import.meta.url), 'utf8');

await betweenTwoHosts(import.meta.url, boot);

// guide
async function boot() {
  const { vm, module, instance, imports } = await openSandbox();
  const host = vm.newObject();
  const note = vm.newFunction('note', (steps) => {
    console.error(`process ${process.pid}: ${vm.getNumber(steps)} steps`);
  });
  vm.setProp(host, 'note', note);
  vm.setProp(vm.global, 'host', host);
  const handles = new Map();
  const glue = quickjsGlue({ vm, imports }, handles);
  const guest = await wasmGuest({
    module,
    instance,
    imports,
    glue,
    // Two copies of one script would draw the same numbers.
    onGeneration: ({ seed }) => call('reseed', vm.newNumber(new DataView(seed.buffer).getInt32(0))),
  });
  // end of guide
  vm.unwrapResult(vm.evalCode(script)).dispose();
  for (const name of ['step', 'openStatement', 'readLine', 'reseed', 'summary', 'journal']) {
    handles.set(name, vm.getProp(vm.global, name));
  }

  /** Calls a function of the script. */
  function call(name, ...args) {
    const result = vm.unwrapResult(vm.callFunction(handles.get(name), vm.undefined, ...args));
    for (const arg of args) arg.dispose();
    return result;
  }
  const textOf = (name) => call(name).consume((text) => vm.getString(text));

  let steps = 0;
  let reseeds = [];
  return {
    guest,
    step() {
      for (const [at, seed] of reseeds) if (at === steps) call('reseed', vm.newNumber(seed));
      steps = call('step').consume((count) => vm.getNumber(count));
      if (steps % 50 === 1) {
        handles.get('statement')?.dispose();
        handles.set('statement', call('openStatement'));
      }
      call('readLine', handles.get('statement').dup()).dispose();
      vm.runtime.executePendingJobs(8);
    },
    steps: () => steps,
    digest: () => textOf('summary'),
    journal: () => textOf('journal'),
    follow(journal) {
      reseeds = JSON.parse(journal);
    },
  };
}
