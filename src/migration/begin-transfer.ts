import { CaptureEngine } from '../codec/capture.js';
import type { Region } from '../memory/region.js';
import { changesSinceOffer } from './source-plan.js';
import type { SourcePlan } from './source-states.js';
import { Transfer, type TransferDeps } from './transfer.js';

/**
 * Makes the source's engine and transfer for the `offered` regions whose `bases` the destination accepted, which takes `patches` and `lz4` or
 * does not; starts the tracker, and lets the link sum with the engine's kernels. Throws what the guest's tracker throws, and ERR_NO_CAPACITY where the bookkeeping does not fit.
 */
export function beginTransfer(
  deps: Omit<TransferDeps, 'engine' | 'changes' | 'maxStateBytes'> & {
    readonly patches: boolean;
    readonly lz4: boolean;
  },
  plan: SourcePlan,
  offered: readonly Region[],
  bases: readonly ('zero' | 'unknown')[],
): Transfer {
  const { guest, options, link } = deps;
  const { offer } = plan;
  const regions = guest.regions;
  // What is read once is never the base of anything.
  const keepsBases = guest.motion !== 'still';
  const engine = new CaptureEngine(regions, guest.tracker, {
    secret: offer.secret,
    shadowBytes: keepsBases ? options.shadowBytes : 0,
    baseCacheBytes: keepsBases ? options.baseCacheBytes : 0,
    patches: deps.patches,
    lz4: deps.lz4,
    channels: options.connections,
  });
  for (const [at, region] of offered.entries()) {
    if (regions.includes(region)) engine.setBase(region.id, bases[at] ?? 'unknown');
  }
  guest.tracker.start();
  link.checksumOf = (bytes) => engine.checksum(bytes);
  link.sumsPages = options.checksum !== 'never';
  return new Transfer({
    ...deps,
    engine,
    maxStateBytes: offer.maxStateBytes,
    changes: changesSinceOffer(offer, offered, regions),
  });
}
