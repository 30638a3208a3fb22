import type { Manifest, SnapshotInfo } from '../snapshot/types.js';
import type { Stage } from './conduct.js';
import { escapeControls } from './escape.js';
import { formatBytes, formatCount, plural } from './format.js';
import { nameOf, openStoreAt, type StoreCommandOptions } from './store-options.js';

/** Most regions of a snapshot that are told one by one. */
const mostRegions = 20;

/** Says what is in a store: of each snapshot its regions, and what it added. */
export async function inspectStore(
  path: string,
  options: StoreCommandOptions,
  { output }: Stage,
): Promise<void> {
  const store = await openStoreAt(path, options);
  try {
    const snapshots = await store.snapshots();
    const { id, encrypted } = store;
    output.event({
      type: 'store',
      id,
      encrypted,
      snapshots: snapshots.map(({ counter, manifest, error }) => ({
        ...(manifest ?? { counter, error: error?.message ?? 'unreadable' }),
      })),
    });
    if (output.json) return;
    output.line(
      `store ${id}${encrypted ? ', encrypted' : ''}: ${plural(snapshots.length, 'snapshot')}`,
    );
    for (const snapshot of snapshots) for (const line of describe(snapshot)) output.line(line);
  } finally {
    await store.close();
  }
}

function describe(snapshot: SnapshotInfo): string[] {
  const { manifest, error } = snapshot;
  if (manifest === undefined) {
    return ['', `${nameOf(snapshot)}  unreadable: ${escapeControls(error?.message ?? '')}`];
  }
  const { pages, storedBytes, root, parent, regions } = manifest;
  const against = parent === undefined ? '' : `, against #${parent.counter}`;
  const more = regions.length - mostRegions;
  return [
    '',
    `${escapeControls(nameOf(snapshot))}  ${formatCount(pages)} pages, ${formatBytes(storedBytes)} added${against}`,
    `  root     ${root}`,
    ...regions.slice(0, mostRegions).map(lineOf),
    ...(more > 0 ? [`  and ${plural(more, 'region')} more`] : []),
  ];
}

function lineOf({ role, name, byteLength }: Manifest['regions'][number]): string {
  return `  ${role.padEnd(7)}  ${formatBytes(byteLength).padStart(9)}  ${escapeControls(name)}`;
}
