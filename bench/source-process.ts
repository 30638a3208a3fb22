// A source in a process of its own. Argument: a job as JSON. Tells its parent how the migration went, and ends.
import { bufferGuest, fileGuest, type Guest, MarksTracker, memoryRegion } from '../src/index.js';
import { makeImage } from './image.js';
import { peakBytes } from './memory-peak.js';
import { rowPages } from './rows.js';
import { type SourceJob, zeroShare } from './source.js';
import { threadMs } from './thread-time.js';
import { transfer } from './transfer.js';

const stretchPages = 16;

const { to, from, options }: SourceJob = JSON.parse(process.argv[2] ?? '{}');
const guest = await guestOf(from);
const before = threadMs();
const done = await transfer(guest, to, options);
const news = { ...done, peakBytes: peakBytes(), threadMs: threadMs() - before };
process.send?.(news, () => process.exit(0));

async function guestOf(what: SourceJob['from']): Promise<Guest> {
  if (what.kind === 'file') return fileGuest(what.path);
  if (what.kind === 'memory') return idleMemory(what.regions, what.regionBytes);
  const memory = new SharedArrayBuffer(what.bytes);
  new Uint8Array(memory).set(await rowPages(what.bytes));
  return bufferGuest(memory, { tracker: 'marks', handsOver: false });
}

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
