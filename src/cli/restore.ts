import type { Command } from 'commander';
import { restoreFiles } from '../snapshot/restore-files.js';
import { conduct, type Stage } from './conduct.js';
import { escapeControls } from './escape.js';
import { formatBytes, formatMs, plural } from './format.js';
import { parseStoreThreads } from './parse.js';
import { parsePast } from './schedule.js';
import {
  nameOf,
  openStoreAt,
  parseSnapshotAddress,
  type StoreCommandOptions,
  withStoreOptions,
} from './store-options.js';
import { StoreProgress } from './store-progress.js';

interface RestoreCommandOptions extends StoreCommandOptions {
  readonly out: string;
  readonly at?: number;
  readonly threads?: number;
}

export function addRestore(program: Command): void {
  withStoreOptions(
    program
      .command('restore')
      .description('Write out a snapshot: every page is proven before it takes its place.')
      .argument('<STORE/NAME>', 'the store, and the name or the number of a snapshot')
      .requiredOption(
        '--out <PATH>',
        'where it goes: a file is replaced, a folder must not be there',
      )
      .option(
        '--at <TIME>',
        'the newest of that name that was there by then: 2026-11-23T22:30, or 90s, 10m, 2h ago',
        parsePast,
      )
      .option(
        '--threads <N>',
        'that read, check and write (default: one a processor)',
        parseStoreThreads,
      ),
  )
    .addHelpText('after', '\nExample:\n  $ pageferry restore /backup/store/disk.img --out disk.img')
    .action((address: string, options: RestoreCommandOptions) =>
      conduct(options.json === true, 'destination', (stage) => run(address, options, stage)),
    );
}

async function run(
  address: string,
  options: RestoreCommandOptions,
  { output, interruption }: Stage,
): Promise<void> {
  const startedAt = performance.now();
  const { out, at, threads } = options;
  const { path, snapshot } = await parseSnapshotAddress(address);
  const store = await openStoreAt(path, options);
  try {
    const found = await store.find(snapshot, at);
    const progress = new StoreProgress(output, `restoring ${escapeControls(out)}`);
    const restored = await restoreFiles(store, found, out, {
      signal: interruption.signal,
      onProgress: progress.show,
      ...(threads === undefined ? {} : { threads }),
    });
    const totalMs = performance.now() - startedAt;
    const { clean, root } = restored.manifest;
    const { files, byteLength, pages } = restored;
    output.event({
      type: 'completed',
      snapshot: found.counter,
      name: restored.manifest.name,
      root,
      clean,
      out,
      files,
      byteLength,
      pages,
      totalMs,
    });
    if (output.json) return;
    output.line(
      `restored ${escapeControls(nameOf(found))} to ${escapeControls(out)}: ${plural(files, 'file')}, ${formatBytes(byteLength)} in ${formatMs(totalMs)}, all proven`,
    );
    if (!clean) output.line('what wrote it had not ended in order: check it before you use it');
  } finally {
    await store.close();
  }
}
