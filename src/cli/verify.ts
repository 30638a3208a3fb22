import type { Command } from 'commander';
import { FerryError } from '../errors.js';
import { type Damage, STORE_PAGE_BYTES } from '../snapshot/types.js';
import { conduct, type Stage } from './conduct.js';
import { escapeControls } from './escape.js';
import { plural } from './format.js';
import {
  openStoreAt,
  parseStoreAddress,
  type StoreCommandOptions,
  withStoreOptions,
} from './store-options.js';
import { StoreProgress } from './store-progress.js';

export function addVerify(program: Command): void {
  withStoreOptions(
    program
      .command('verify')
      .description('Read every page of a store, or of one snapshot, and prove it.')
      .argument('<STORE[/NAME]>', 'the store, or one of its snapshots'),
  )
    .addHelpText('after', '\nExample:\n  $ pageferry verify /backup/store')
    .action((address: string, options: StoreCommandOptions) =>
      conduct(options.json === true, 'source', (stage) => verify(address, options, stage)),
    );
}

async function verify(
  address: string,
  options: StoreCommandOptions,
  { output, interruption }: Stage,
): Promise<void> {
  const { path, snapshot } = await parseStoreAddress(address);
  const store = await openStoreAt(path, options);
  try {
    const progress = new StoreProgress(output, `proving ${escapeControls(address)}`);
    const { good, damaged, pages } = await store.verify({
      signal: interruption.signal,
      onProgress: (done, all) => progress.show(done * STORE_PAGE_BYTES, all * STORE_PAGE_BYTES),
      ...(snapshot === undefined ? {} : { snapshots: [(await store.find(snapshot)).counter] }),
    });
    for (const damage of damaged) {
      output.event({ type: 'damaged', ...damageEvent(damage) });
      if (!output.json) output.line(`#${damage.counter} is damaged: ${placeOf(damage)}`);
    }
    const first = damaged[0];
    if (first !== undefined) {
      const left =
        good.length === 0 ? 'none is good' : `good are ${good.map((n) => `#${n}`).join(', ')}`;
      throw new FerryError(
        'ERR_STORE_CORRUPT',
        `${plural(damaged.length, 'snapshot')} of ${good.length + damaged.length} damaged, the first ${placeOf(first)}; ${left}`,
        { cause: first.error },
      );
    }
    output.event({ type: 'completed', good, pages });
    if (output.json) return;
    output.line(`${plural(good.length, 'snapshot')} good: ${plural(pages, 'page')} proven`);
  } finally {
    await store.close();
  }
}

function damageEvent({ counter, error, region, page, file }: Damage) {
  return {
    snapshot: counter,
    message: error.message,
    region: region ?? null,
    page: page ?? null,
    file: file ?? null,
  };
}

/** The first bad page, of which file, in which snapshot, and where it should be. */
function placeOf({ counter, error, region, page, file }: Damage): string {
  const what =
    region === undefined ? '' : `page ${page ?? '?'} of ${escapeControls(region)} in snapshot `;
  const where = file === undefined ? '' : ` (${escapeControls(file)})`;
  return `${what}#${counter}${where}: ${escapeControls(error.message)}`;
}
