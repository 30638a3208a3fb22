// A WASI program with its files, its clock and its random numbers moves between two processes while it works.
import * as shim from '@bjorn3/browser_wasi_shim';
import { wasiGlue } from 'pageferry/guests/wasi';
import { wasmGuest } from 'pageferry/guests/wasm';
import { instrument } from 'pageferry/instrument';
import { betweenTwoHosts } from './lib/two-hosts.mjs';
import { compileStore } from './wasi/compile.mjs';
import { withJournal } from './wasi/journal.mjs';

await betweenTwoHosts(import.meta.url, boot);

// guide
async function boot() {
  const { wasm } = instrument(await compileStore());
  const root = new shim.PreopenDirectory('/', new Map());
  const stdin = new shim.OpenFile(new shim.File([]));
  const stdout = shim.ConsoleStdout.lineBuffered(console.log);
  const stderr = shim.ConsoleStdout.lineBuffered(console.error);
  const args = ['store', 'log', 'journal', '1024'];
  const wasi = new shim.WASI(args, [], [stdin, stdout, stderr, root], { debug: false });
  const glue = wasiGlue({ wasi, shim });
  const { imports, follow } = withJournal(glue.imports);
  const { instance } = await WebAssembly.instantiate(wasm, { wasi_snapshot_preview1: imports });
  wasi.initialize(instance);
  const guest = await wasmGuest({ module: wasm, instance, glue });
  const { step, getSteps, getDigest, damaged, memory } = instance.exports;
  return {
    guest,
    step,
    steps: () => getSteps(),
    digest: () => `${getDigest() >>> 0}, ${damaged()} records damaged`,
    journal: () => Buffer.from(root.dir.contents.get('journal').data).toString('base64'),
    follow: (journal) => follow(Buffer.from(journal, 'base64'), memory),
  };
}
// end of guide
