import { describe, expect, it } from 'vitest';
import { MarksTracker } from '../../src/memory/marks.js';
import { CompareTracker } from '../../src/memory/scan-trackers.js';
import { Random } from '../reference/random.js';
import { testRegion } from '../reference/regions.js';
import { captureAll, newCapture, sent } from './ends.js';

const pages = 300;

/** A region of noise, sent once with those `keep` shadowed; `change` changes 8 bytes of a page and says as what it goes. */
async function sentOnce(keep: 'all' | 'again' | 'none') {
  const region = testRegion(new Random(1).bytes(pages * 4096));
  const marks = new MarksTracker([region]);
  const capture = newCapture([region], marks);
  capture.setBase(0, 'unknown');
  capture.keepShadows(keep);
  const flush = async () => sent(await captureAll(capture));
  expect(await flush()).toHaveLength(pages);
  const mark = (page: number): void => marks.mark(0, page * 4096, 1);
  const change = async (page: number) => {
    const at = page * 4096 + 80;
    region.bytes[at] = (region.bytes[at] ?? 0) ^ 1;
    mark(page);
    capture.takeDirty();
    return flush();
  };
  return { region, capture, flush, mark, change };
}

describe('a page that changes', () => {
  it.each([
    ['all', ['0:7 delta', '0:7 delta', '0:7 delta']],
    ['again', ['0:7 raw', '0:7 delta', '0:7 delta']],
    ['none', ['0:7 raw', '0:7 raw', '0:7 raw']],
  ] as const)('goes whole until it has a shadow (kept: %s)', async (keep, kinds) => {
    const { change } = await sentOnce(keep);
    for (const kind of kinds) expect(await change(7)).toEqual([kind]);
  });

  it('keeps the shadow it has, whatever new ones are kept', async () => {
    const { capture, change } = await sentOnce('again');
    await change(7);
    capture.keepShadows('none');
    expect(await change(7)).toEqual(['0:7 delta']);
    expect(await change(7)).toEqual(['0:7 delta']);
  });

  it('is known not to have changed without one', async () => {
    const { capture, flush, mark } = await sentOnce('none');
    mark(7);
    capture.takeDirty();
    expect(capture.dirtyPages).toBe(1);
    expect(await flush()).toEqual([]);
  });

  it('to zeros is not taken for a shadow that was never written', async () => {
    const { region, capture, flush, mark } = await sentOnce('none');
    region.bytes.fill(0, 7 * 4096, 8 * 4096);
    mark(7);
    capture.takeDirty();
    expect(await flush()).toEqual(['0:7 zero']);
  });
});

it('a tracker that compares has all of them', async () => {
  const region = testRegion(new Random(1).bytes(pages * 4096));
  const capture = newCapture([region], new CompareTracker());
  capture.setBase(0, 'unknown');
  capture.keepShadows('none');
  await captureAll(capture);
  region.bytes[7 * 4096] = (region.bytes[7 * 4096] ?? 0) ^ 1;
  capture.takeDirty();
  expect(sent(await captureAll(capture))).toEqual(['0:7 delta']);
});
