import { CaptureEngine } from '../codec/capture.js';
import { CrewEngine } from './crew-engine.js';
import type { StartThread } from './crew-orders.js';
import { startWorker } from './crew-thread.js';
import { sumsPages } from './options.js';
import { ceilingOf } from './pace.js';
import type { PageEngine } from './page-engine.js';
import type { Accepted } from './source-plan.js';
import { Transfer, type TransferDeps } from './transfer.js';

type BeginDeps = Omit<TransferDeps, 'engine' | 'maxStateBytes'> & {
  readonly patches: boolean;
  readonly lz4: boolean;
  readonly startThread?: StartThread | undefined;
};

/**
 * Makes the source's engine and transfer for what was `accepted` by a destination that takes `patches` and `lz4` or does not; starts the tracker. Throws what the
 * guest's tracker throws, ERR_NO_CAPACITY where the bookkeeping does not fit, and ERR_UNSUPPORTED where workers cannot see a region.
 */
export function beginTransfer(deps: BeginDeps, accepted: Accepted): Transfer {
  const { guest } = deps;
  const { secret, maxStateBytes } = accepted.offer;
  const engine = newEngine(deps, secret);
  try {
    guest.tracker.start();
  } catch (error) {
    engine.close?.();
    throw error;
  }
  const transfer = new Transfer({ ...deps, engine, maxStateBytes });
  transfer.begin(accepted);
  return transfer;
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
