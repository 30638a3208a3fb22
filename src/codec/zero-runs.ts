import type { DestinationRegion } from '../memory/destination-region.js';
import { PAGE_BYTES } from '../memory/pages.js';
import { bytesOfPages, readPages, writePages } from '../memory/read-pages.js';
import type { PageScratch } from './page-scratch.js';

/**
 * Makes pages zero without touching memory that is zero already: fresh memory costs 1.5 ms a MiB at its first touch, and a fresh file
 * would lose its holes. `zeros` is a scratch nobody writes to, `scratch` any other. Gives a promise only if there is something to do.
 */
export function zeroPages(
  target: DestinationRegion,
  first: number,
  count: number,
  scratch: PageScratch,
  zeros: PageScratch,
): Promise<void> | undefined {
  const end = first + count;
  // What was never written in a fresh region is zero; it need not be read back either.
  if (target.wasFresh && target.written.next(first, end) === end) return undefined;
  return zeroWritten(target, first, count, scratch, zeros);
}

async function zeroWritten(
  target: DestinationRegion,
  first: number,
  count: number,
  scratch: PageScratch,
  zeros: PageScratch,
): Promise<void> {
  if (!target.wasFresh) {
    await zeroStretch(target, first, count, scratch, zeros);
    target.noteWritten(first, count);
    return;
  }
  const end = first + count;
  let run = target.written.nextRun(first, end);
  while (run !== undefined) {
    await zeroStretch(target, run.first, run.count, scratch, zeros);
    run = target.written.nextRun(run.first + run.count, end);
  }
}

async function zeroStretch(
  target: DestinationRegion,
  first: number,
  count: number,
  scratch: PageScratch,
  zeros: PageScratch,
): Promise<void> {
  const { region, byteLength } = target;
  for (let at = first; at < first + count; at += scratch.pages) {
    const pages = Math.min(scratch.pages, first + count - at);
    const stretch = { region, byteLength, first: at, count: pages };
    if (region.memory === undefined) {
      await writePages(stretch, zeros.view(0, pages));
      continue;
    }
    readPages(stretch, scratch.bytes, 'ERR_GUEST');
    if (scratch.isZero(0, pages)) continue;
    for (let page = 0; page < pages; page++) {
      if (scratch.isZero(page, 1)) continue;
      const one = { region, byteLength, first: at + page, count: 1 };
      const offset = one.first * PAGE_BYTES;
      region.memory().fill(0, offset, offset + bytesOfPages(one));
    }
  }
}
