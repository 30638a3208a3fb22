import type { Command } from 'commander';
import type { SnapshotInfo } from '../snapshot/types.js';
import { conduct, type Stage } from './conduct.js';
import { formatBytes, plural } from './format.js';
import { parseCount, parsePositive } from './parse.js';
import { openStoreAt, type StoreWriteOptions, withWriteOptions } from './store-options.js';

interface PruneCommandOptions extends StoreWriteOptions {
  readonly keep: number;
  readonly name?: string;
  readonly grace?: number;
}

export function addPrune(program: Command): void {
  withWriteOptions(
    program
      .command('prune')
      .description(
        'Remove all but the newest snapshots. What nobody needs any more is condemned, and deleted by a later run.',
      )
      .argument('<STORE>', 'the folder of the store')
      .requiredOption('--keep <N>', 'how many of each name stay', parseCount)
      .option('--name <NAME>', 'only snapshots of this name; all others stay')
      .option(
        '--grace <MINUTES>',
        'how long what is condemned is kept, for those who still read it (default 60)',
        parsePositive,
      ),
  )
    .addHelpText('after', '\nExample:\n  $ pageferry prune /backup/store --keep 7')
    .action((folder: string, options: PruneCommandOptions) =>
      conduct(options.json === true, 'source', (stage) => prune(folder, options, stage)),
    );
}

async function prune(
  folder: string,
  { keep, name, grace, ...options }: PruneCommandOptions,
  { output }: Stage,
): Promise<void> {
  const store = await openStoreAt(folder, options);
  try {
    const report = await store.prune({
      keep: (snapshots) => kept(snapshots, keep, name),
      ...(grace === undefined ? {} : { graceMs: grace * 60_000 }),
    });
    output.event({ type: 'completed', ...report });
    if (output.json) return;
    const { removedSnapshots, repackedPages, freedBytes, condemnedBytes } = report;
    output.line(
      `removed ${plural(removedSnapshots.length, 'snapshot')}, freed ${formatBytes(freedBytes)}, ${plural(repackedPages, 'page')} packed anew`,
    );
    if (condemnedBytes > 0) {
      output.line(`a later run frees ${formatBytes(condemnedBytes)} more`);
    }
  } finally {
    await store.close();
  }
}

/** Counters of the newest `count` of each name, or of `only`; and of everything that cannot be read, which a prune must not decide on. */
function kept(
  snapshots: readonly SnapshotInfo[],
  count: number,
  only: string | undefined,
): number[] {
  const seen = new Map<string, number>();
  const counters: number[] = [];
  for (const { counter, manifest } of [...snapshots].reverse()) {
    const name = manifest?.name;
    const before = name === undefined ? 0 : (seen.get(name) ?? 0);
    if (name !== undefined) seen.set(name, before + 1);
    const isOther = name === undefined || (only !== undefined && name !== only);
    if (isOther || before < count) counters.push(counter);
  }
  return counters;
}
