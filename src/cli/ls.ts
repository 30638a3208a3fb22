import type { Command } from 'commander';
import type { SnapshotInfo } from '../snapshot/types.js';
import { conduct, type Stage } from './conduct.js';
import { escapeControls } from './escape.js';
import { formatBytes, plural } from './format.js';
import { openStoreAt, type StoreCommandOptions, withStoreOptions } from './store-options.js';

export function addLs(program: Command): void {
  withStoreOptions(
    program
      .command('ls')
      .description('List the snapshots of a store.')
      .argument('<STORE>', 'the folder of the store'),
  )
    .addHelpText('after', '\nExample:\n  $ pageferry ls /backup/store')
    .action((folder: string, options: StoreCommandOptions) =>
      conduct(options.json === true, 'source', (stage) => list(folder, options, stage)),
    );
}

async function list(
  folder: string,
  options: StoreCommandOptions,
  { output }: Stage,
): Promise<void> {
  const store = await openStoreAt(folder, options);
  try {
    const snapshots = await store.snapshots();
    for (const snapshot of snapshots) {
      output.event(snapshotEvent(snapshot));
      if (!output.json) output.line(lineOf(snapshot));
    }
    if (!output.json && snapshots.length === 0) output.line('no snapshots');
  } finally {
    await store.close();
  }
}

/** What is told of a snapshot, as JSON. */
function snapshotEvent({ counter, manifest, signed, error }: SnapshotInfo) {
  if (manifest === undefined) {
    return { type: 'snapshot', counter, error: error?.message ?? 'unreadable' };
  }
  const { name, time, clean, root, parent, pages, storedBytes, regions, guest, metadata } =
    manifest;
  return {
    type: 'snapshot',
    counter,
    name,
    time: new Date(time).toISOString(),
    clean,
    signed: signed === true,
    root,
    parent: parent?.counter ?? null,
    byteLength: regions.reduce((sum, region) => sum + region.byteLength, 0),
    pages,
    storedBytes,
    regions: regions.map(({ name, role, byteLength }) => ({ name, role, byteLength })),
    guest: guest ?? null,
    metadata: metadata ?? null,
  };
}

function lineOf({ counter, manifest, error }: SnapshotInfo): string {
  const number = String(counter).padStart(6);
  if (manifest === undefined) {
    return `${number}  unreadable: ${escapeControls(error?.message ?? '')}`;
  }
  const { name, time, clean, parent, regions, pages, storedBytes } = manifest;
  const byteLength = regions.reduce((sum, region) => sum + region.byteLength, 0);
  const from = parent === undefined ? '' : ` against #${parent.counter}`;
  const when = new Date(time).toISOString();
  const unclean = clean ? '' : '  unclean';
  return `${number}  ${when}  ${formatBytes(byteLength).padStart(9)}  ${plural(pages, 'page')}  +${formatBytes(storedBytes)}${from}  ${escapeControls(name)}${unclean}`;
}
