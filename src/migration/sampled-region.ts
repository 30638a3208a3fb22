import type { Region } from '../memory/region.js';
import type { Clock } from './clock.js';

/** Pieces that are looked at or not: what the engine reads at a time. */
const windowBytes: number = 1024 * 1024;
/** Read to find out how fast that is. */
const pilotBytes: number = 16 * 1024 * 1024;
/** However slow reading is, so much is looked at: fewer windows tell little of the others. */
const leastBytes: number = 64 * 1024 * 1024;

/**
 * A region that consists of about `share`, 0 to 1, of the windows of `region`, evenly spread: what is learnt of it stands for all of the
 * other. At least one window; the region itself where that is all of it.
 */
export function sampleOf(region: Region, share: number): Region {
  const windows = Math.floor(region.byteLength / windowBytes);
  const taken = Math.max(1, Math.round(windows * share));
  if (taken >= windows) return region;
  const startOf = (window: number): number => Math.floor((window * windows) / taken) * windowBytes;
  const byteLength = taken * windowBytes;
  const { id, name } = region;
  return {
    id,
    name,
    byteLength,
    maxByteLength: byteLength,
    ...(region.concurrent === undefined ? {} : { concurrent: region.concurrent }),
    read: async (offset, into) => {
      let done = 0;
      while (done < into.byteLength && offset + done < byteLength) {
        const at = offset + done;
        const within = at % windowBytes;
        const part = into.subarray(done, done + windowBytes - within);
        const read = await region.read(startOf(Math.floor(at / windowBytes)) + within, part);
        if (read === 0) break;
        done += read;
      }
      return done;
    },
    write: () => {
      throw new TypeError('a sample is only read');
    },
    grow: () => {
      throw new TypeError('a sample does not grow');
    },
  };
}

/** How much of `regions` can be looked at in `ms` of `clock`, 0 to 1: some of it is read to find out, with `onRead` called before each mebibyte. */
export async function affordableShare(
  regions: readonly Region[],
  ms: number,
  clock: Clock,
  onRead: () => void,
): Promise<number> {
  const total = bytesOf(regions);
  if (total <= leastBytes) return 1;
  const chunk = new Uint8Array(windowBytes);
  let read = 0;
  const from = clock.now();
  for (const region of regions) {
    const pilot = sampleOf(region, pilotBytes / total);
    const bytes = Math.min(pilot.byteLength, pilotBytes - read);
    for (let at = 0; at < bytes; at += chunk.byteLength) {
      onRead();
      read += await pilot.read(at, chunk);
    }
  }
  const tookMs = Math.max(clock.now() - from, 0.001);
  // Looking costs about as much as reading from memory does: what was just measured counts twice.
  const bytes = Math.max(leastBytes, (read / (2 * tookMs)) * ms);
  return Math.min(1, bytes / total);
}

export function bytesOf(regions: readonly Region[]): number {
  return regions.reduce((sum, { byteLength }) => sum + byteLength, 0);
}
