import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { fileError } from '../guests/file-io.js';
import { type SnapshotOfFiles, snapshotFiles } from '../snapshot/snapshot-files.js';
import type { SnapshotInfo, Store } from '../snapshot/types.js';
import { conduct, type Stage } from './conduct.js';
import { escapeControls } from './escape.js';
import { formatBytes, formatMs, plural } from './format.js';
import { parseStoreThreads } from './parse.js';
import { nameOf, openStoreAt, type StoreWriteOptions, withWriteOptions } from './store-options.js';
import { StoreProgress } from './store-progress.js';

interface SnapshotCommandOptions extends StoreWriteOptions {
  readonly name?: string;
  readonly base?: string;
  readonly threads?: number;
  readonly forced?: true;
}

export function addSnapshot(program: Command): void {
  withWriteOptions(
    program
      .command('snapshot')
      .description(
        'Store a file, or a folder, as it is now: only pages that the store has not take room.',
      )
      .argument('<PATH>', 'a file or a folder that nothing writes meanwhile')
      .argument('<STORE>', 'the folder of the store; made if there is nothing')
      .option('--name <NAME>', 'of the snapshot (default: the last part of PATH)')
      .option(
        '--base <NAME>',
        'compare with this snapshot, or with none (default: the newest of that name)',
      )
      .option(
        '--threads <N>',
        'that read, hash and compress (default: one a processor)',
        parseStoreThreads,
      )
      .option('--forced', 'what wrote it did not end in order: the snapshot says so'),
  )
    .addHelpText(
      'after',
      '\nExample:\n  $ pageferry snapshot disk.img /backup/store\n  $ pageferry restore /backup/store/disk.img --out disk.img',
    )
    .action((path: string, store: string, options: SnapshotCommandOptions) =>
      conduct(options.json === true, 'source', (stage) => run(path, store, options, stage)),
    );
}

async function run(
  path: string,
  folder: string,
  options: SnapshotCommandOptions,
  { output, interruption }: Stage,
): Promise<void> {
  const startedAt = performance.now();
  // Before a store is made for it.
  await stat(path).catch((error: unknown) => {
    throw fileError(error, `cannot read ${path}`);
  });
  const store = await openStoreAt(folder, options, true);
  try {
    const { name, base, threads, forced } = options;
    const parent = await baseOf(store, base);
    const progress = new StoreProgress(output, `storing ${escapeControls(path)}`);
    const made = await snapshotFiles(store, path, {
      clean: forced !== true,
      signal: interruption.signal,
      onProgress: progress.show,
      ...(name === undefined ? {} : { name }),
      ...(parent === undefined ? {} : { parent }),
      ...(threads === undefined ? {} : { threads }),
    });
    report(made, performance.now() - startedAt, output);
  } finally {
    await store.close();
  }
}

function baseOf(store: Store, base: string | undefined): Promise<SnapshotInfo> | null | undefined {
  if (base === undefined) return undefined;
  return base === 'none' ? null : store.find(base);
}

function report(made: SnapshotOfFiles, totalMs: number, output: Stage['output']): void {
  const { snapshot, parent, files, byteLength, counts } = made;
  const { counter, manifest } = snapshot;
  output.event({
    type: 'completed',
    snapshot: counter,
    name: manifest?.name,
    root: manifest?.root,
    clean: manifest?.clean,
    parent: parent?.counter ?? null,
    files,
    byteLength,
    pages: manifest?.pages,
    ...counts,
    totalMs,
  });
  if (output.json) return;
  const { whole, delta, known, storedBytes } = counts;
  const against = parent === undefined ? '' : `, against ${escapeControls(nameOf(parent))}`;
  output.line(
    `snapshot ${escapeControls(nameOf(snapshot))}: ${plural(files, 'file')}, ${formatBytes(byteLength)}${against}`,
  );
  output.line(
    `stored ${formatBytes(storedBytes)} in ${formatMs(totalMs)}: ${plural(whole, 'page')} whole, ${delta} as deltas, ${known} known`,
  );
}
