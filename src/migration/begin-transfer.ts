import { CaptureEngine } from '../codec/capture.js';
import type { Region } from '../memory/region.js';
import { CrewEngine } from './crew-engine.js';
import type { StartThread } from './crew-orders.js';
import { startWorker } from './crew-thread.js';
import { sumsPages } from './options.js';
import { ceilingOf } from './pace.js';
import type { PageEngine } from './page-engine.js';
import { changesSinceOffer } from './source-plan.js';
import type { SourcePlan } from './source-states.js';
import { Transfer, type TransferDeps } from './transfer.js';

type BeginDeps = Omit<TransferDeps, 'engine' | 'changes' | 'maxStateBytes'> & {
  readonly patches: boolean;
  readonly lz4: boolean;
  readonly startThread?: StartThread | undefined;
};

/**
 * Makes the source's engine and transfer for the `offered` regions whose `bases` the destination accepted, which takes `patches` and `lz4` or
 * does not; starts the tracker. Throws what the guest's tracker throws, ERR_NO_CAPACITY where
 * the bookkeeping does not fit, and ERR_UNSUPPORTED where workers cannot see a region.
 */
export function beginTransfer(
  deps: BeginDeps,
  plan: SourcePlan,
  offered: readonly Region[],
  bases: readonly ('zero' | 'unknown')[],
): Transfer {
  const { guest } = deps;
  const { offer } = plan;
  const regions = guest.regions;
  const engine = newEngine(deps, offer.secret);
  for (const [at, region] of offered.entries()) {
    if (regions.includes(region)) engine.setBase(region.id, bases[at] ?? 'unknown');
  }
  try {
    guest.tracker.start();
  } catch (error) {
    engine.close?.();
    throw error;
  }
  return new Transfer({
    ...deps,
    engine,
    maxStateBytes: offer.maxStateBytes,
    changes: changesSinceOffer(offer, offered, regions),
  });
}

function newEngine(
  { guest, options, link, meter, patches, lz4, startThread: start = startWorker }: BeginDeps,
  secret: Uint8Array,
): PageEngine {
  const { regions, tracker } = guest;
  // What is read once is never the base of anything.
  const keepsBases = guest.motion !== 'still';
  const usual = {
    secret,
    shadowBytes: keepsBases ? options.shadowBytes : 0,
    baseCacheBytes: keepsBases ? options.baseCacheBytes : 0,
    lz4,
    channels: options.connections,
  };
  const { workers, compression } = options;
  if (workers === 0) return new CaptureEngine(regions, tracker, { ...usual, patches });
  const sums = sumsPages(options, link.peer !== undefined);
  const ceiling = ceilingOf(options);
  const crew = { ...usual, workers, start, meter, compression, sums, ceiling };
  return new CrewEngine(regions, tracker, crew);
}
