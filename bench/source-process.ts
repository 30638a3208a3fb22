// A source in a process of its own. Argument: a job as JSON. Tells its parent how the migration went, and ends.
import { bufferGuest, fileGuest, type Guest, MarksTracker, memoryRegion } from '../src/index.js';
import { makeImage } from './image.js';
import { peakBytes } from './memory-peak.js';
import { type SourceJob, zeroShare } from './source.js';
import { transfer } from './transfer.js';

const stretchPages = 16;

const { to, from, options }: SourceJob = JSON.parse(process.argv[2] ?? '{}');
const guest =
  from.kind === 'file' ? await fileGuest(from.path) : idleMemory(from.regions, from.regionBytes);
const done = await transfer(guest, to, options);
process.send?.({ ...done, peakBytes: peakBytes() }, () => process.exit(0));

function idleMemory(count: number, regionBytes: number): Guest {
  const regions = Array.from({ length: count }, (_, id) => {
    const bytes = makeImage(regionBytes, zeroShare, stretchPages);
    return memoryRegion({ id, name: `memory ${id}`, bytes: () => bytes });
  });
  return {
    ...bufferGuest(new Uint8Array(0), { handsOver: false }),
    regions,
    tracker: new MarksTracker(regions),
  };
}
