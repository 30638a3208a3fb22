import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { checkpointPauses } from './checkpoint-pauses.js';
import { type Result, result, type Suite } from './harness.js';
import { changePages, mixedMemory } from './mixed-memory.js';
import { installed } from './programs.js';
import { beside, command, type Figures, note, roomyFolder, timed } from './whole-commands.js';

const mebibytes = 1024;
const everyPages = 100;
const rounds = 5;

export const suite: Suite = {
  question:
    'What do snapshots of 1 GiB of mixed memory cost: the first, one after a page in a hundred changed, and a verified restore, beside lz4, zstd, rsync, xdelta3 and cp on the same files in memory?',
  async *run(): AsyncGenerator<Result> {
    const folder = mkdtempSync(join(roomyFolder(), 'pageferry-snapshot-'));
    try {
      yield* checkpointPauses(folder);
      yield* pruned(folder);
      yield* compare(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

/** Twenty snapshots of 64 MiB, one page in a hundred changed between them, pruned to three: what is left, beside a store of these three. */
async function* pruned(folder: string): AsyncGenerator<Result> {
  const image = await mixedMemory(64 * 2 ** 20);
  const file = join(folder, 'pruned-image');
  const many = join(folder, 'many');
  const few = join(folder, 'few');
  for (let count = 1; count <= 20; count += 1) {
    changePages(image, everyPages, count);
    writeFileSync(file, image);
    timed('node', ...command, 'snapshot', file, many);
    if (count > 17) timed('node', ...command, 'snapshot', file, few);
  }
  timed('node', ...command, 'prune', many, '--keep', '3', '--grace', '0.0001');
  timed('node', ...command, 'prune', many, '--keep', '3', '--grace', '0.0001');
  const peers = { 'a store of the three': bytesBelow(few) };
  yield result('snapshot/pruned-bytes', 'bytes', 'lower', bytesBelow(many), peers);
  for (const path of [file, many, few]) rmSync(path, { recursive: true });
}

async function* compare(folder: string): AsyncGenerator<Result> {
  const image = await mixedMemory(mebibytes * 2 ** 20);
  const before = join(folder, 'before');
  const after = join(folder, 'after');
  writeFileSync(before, image);
  const methods = ['lz4', ...('zstdCompressSync' in zlib ? ['zstd'] : [])];
  const first: Figures = {};
  const firstBytes: Figures = {};
  const second: Figures = {};
  const secondBytes: Figures = {};
  const restored: Figures = {};
  for (let round = 1; round <= rounds; round += 1) {
    for (const method of methods) {
      const store = join(folder, `store-${method}`);
      note(
        first,
        method,
        timed(
          'node',
          ...command,
          'snapshot',
          before,
          store,
          '--name',
          'image',
          '--compression',
          method,
        ),
      );
      note(firstBytes, method, bytesBelow(store));
      if (!installed(method)) continue;
      const packed = join(folder, `packed.${method}`);
      note(first, `${method} -1`, timed('sh', '-c', `${method} -1 -f -q -c ${before} > ${packed}`));
      note(firstBytes, `${method} -1`, statSync(packed).size);
    }
    const store = join(folder, 'store-lz4');
    const restore = join(folder, 'restored');
    note(
      restored,
      'ours',
      timed('node', ...command, 'restore', join(store, 'image'), '--out', restore),
    );
    rmSync(restore);
    note(restored, 'cp --reflink=never', timed('cp', '--reflink=never', before, restore));
    rmSync(restore);
    if (installed('zstd')) {
      const packed = join(folder, 'packed.zst');
      execFileSync('zstd', ['-1', '-f', '-q', before, '-o', packed]);
      note(restored, 'zstd -d', timed('zstd', '-d', '-f', '-q', packed, '-o', restore));
      rmSync(restore);
    }
    changePages(image, everyPages, round);
    writeFileSync(after, image);
    const was = bytesBelow(store);
    note(second, 'ours', timed('node', ...command, 'snapshot', after, store, '--name', 'image'));
    note(secondBytes, 'ours', bytesBelow(store) - was);
    if (installed('rsync')) {
      for (const [name, options] of [
        ['rsync --inplace -W', ['-W', '--inplace']],
        ['rsync -B4096', ['--no-whole-file', '-B4096']],
      ] as const) {
        const copy = join(folder, 'copy');
        execFileSync('cp', ['--reflink=never', before, copy]);
        note(second, name, timed('rsync', ...options, '--ignore-times', after, copy));
        rmSync(copy);
      }
    }
    if (installed('xdelta3')) {
      const delta = join(folder, 'delta');
      note(second, 'xdelta3 -1', timed('xdelta3', '-e', '-1', '-f', '-s', before, after, delta));
      note(secondBytes, 'xdelta3 -1', statSync(delta).size);
      rmSync(delta);
    }
    for (const method of methods) rmSync(join(folder, `store-${method}`), { recursive: true });
    writeFileSync(before, image);
  }
  for (const method of methods) {
    yield beside(`snapshot/first-${method}`, 'ms', first, method, [`${method} -1`]);
    yield beside(`snapshot/first-bytes-${method}`, 'bytes', firstBytes, method, [`${method} -1`]);
  }
  yield beside('snapshot/second', 'ms', second, 'ours', [
    'rsync --inplace -W',
    'rsync -B4096',
    'xdelta3 -1',
  ]);
  yield beside('snapshot/second-bytes', 'bytes', secondBytes, 'ours', ['xdelta3 -1']);
  yield beside('snapshot/restore', 'ms', restored, 'ours', ['cp --reflink=never', 'zstd -d']);
}

/** Bytes of all files in a folder. */
function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
