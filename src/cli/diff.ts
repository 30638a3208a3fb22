import type { Command } from 'commander';
import { compareSnapshots, type RegionDifference } from '../snapshot/compare-snapshots.js';
import { conduct, type Stage } from './conduct.js';
import { escapeControls } from './escape.js';
import { UsageError } from './failure.js';
import { formatBytes, formatCount } from './format.js';
import {
  nameOf,
  openStoreAt,
  parseSnapshotAddress,
  type StoreCommandOptions,
  withStoreOptions,
} from './store-options.js';

export function addDiff(program: Command): void {
  withStoreOptions(
    program
      .command('diff')
      .description('Say what one snapshot has otherwise than another: files, lengths, pages.')
      .argument('<STORE/A>', 'a snapshot')
      .argument('<STORE/B>', 'one of the same store'),
  )
    .addHelpText('after', '\nExample:\n  $ pageferry diff /backup/store/3 /backup/store/4')
    .action((first: string, second: string, options: StoreCommandOptions) =>
      conduct(options.json === true, 'source', (stage) => diff(first, second, options, stage)),
    );
}

async function diff(
  first: string,
  second: string,
  options: StoreCommandOptions,
  { output }: Stage,
): Promise<void> {
  const [left, right] = await Promise.all([first, second].map(parseSnapshotAddress));
  if (left === undefined || right === undefined || left.path !== right.path) {
    throw new UsageError('both snapshots must be in the same store');
  }
  const store = await openStoreAt(left.path, options);
  try {
    const [before, after] = [await store.find(left.snapshot), await store.find(right.snapshot)];
    const differences = await compareSnapshots(store, before, after);
    for (const difference of differences) {
      output.event({ type: 'difference', ...difference });
      if (!output.json) output.line(lineOf(difference));
    }
    output.event({
      type: 'completed',
      before: before.counter,
      after: after.counter,
      differences: differences.length,
    });
    if (!output.json && differences.length === 0) {
      output.line(
        `${escapeControls(nameOf(before))} and ${escapeControls(nameOf(after))} are equal`,
      );
    }
  } finally {
    await store.close();
  }
}

function lineOf(difference: RegionDifference): string {
  const name = escapeControls(difference.name);
  if (difference.change !== 'changed') {
    return `${difference.change}  ${name}  ${formatBytes(difference.byteLength)}`;
  }
  const { byteLengthBefore, byteLength, changedPages } = difference;
  const length =
    byteLength === byteLengthBefore
      ? formatBytes(byteLength)
      : `${formatBytes(byteLengthBefore)} -> ${formatBytes(byteLength)}`;
  return `changed  ${name}  ${length}, ${formatCount(changedPages)} pages`;
}
