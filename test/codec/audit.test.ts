import { describe, expect, test } from 'vitest';
import { MarksTracker } from '../../src/memory/marks.js';
import { HashTracker } from '../../src/memory/scan-trackers.js';
import { Random } from '../reference/random.js';
import { type TestRegionOptions, testRegion } from '../reference/regions.js';
import { captureAll, newCapture } from './ends.js';

async function start(options: TestRegionOptions = {}, pages = 200) {
  const region = testRegion(new Random(9).bytes(pages * 4096 - 17), { id: 6, ...options });
  const marks = new MarksTracker([region]);
  const capture = newCapture([region], marks);
  await captureAll(capture);
  return { region, marks, capture };
}

const missed = expect.objectContaining({
  code: 'ERR_MISSED_WRITE',
  message: expect.stringMatching(/page 150 of region 6 "region 6"/),
});

describe.each(['memory', 'file', 'calls'] as const)('the audit of a %s region', (as) => {
  test('looks at every page once and finds nothing where all writes are marked', async () => {
    const { region, marks, capture } = await start({ as });
    expect(capture.auditPagesLeft).toBe(200);
    await capture.audit(64);
    expect(capture.auditPagesLeft).toBe(136);
    region.bytes[150 * 4096] = 1 + (region.bytes[150 * 4096] ?? 0);
    marks.mark(6, 150 * 4096, 1);
    await capture.audit(1000);
    expect(capture.auditPagesLeft).toBe(0);
    capture.takeDirty();
    await captureAll(capture);
    await capture.audit(1000);
    await capture.settleAudit();
  });

  test('names the page of a write that was not marked, after the marks were taken again', async () => {
    const { region, capture } = await start({ as });
    region.bytes[150 * 4096] = 1 + (region.bytes[150 * 4096] ?? 0);
    await capture.audit(1000);
    await capture.audit(1000);
    capture.takeDirty();
    await expect(capture.audit(1)).rejects.toThrow(missed);
    await expect(capture.settleAudit()).rejects.toThrow(missed);
  });

  test('settles what is left when the guest is paused', async () => {
    const { region, capture } = await start({ as });
    region.bytes[150 * 4096] = 1 + (region.bytes[150 * 4096] ?? 0);
    capture.takeDirty();
    await expect(capture.settleAudit()).rejects.toThrow(missed);
  });
});

test('in a region that other threads write, a mark may come late until the guest is paused', async () => {
  const { region, marks, capture } = await start({ concurrent: true });
  region.bytes[150 * 4096] = 1 + (region.bytes[150 * 4096] ?? 0);
  await capture.audit(1000);
  capture.takeDirty();
  await capture.audit(1000);
  marks.mark(6, 150 * 4096, 1);
  capture.takeDirty();
  await captureAll(capture);
  await capture.settleAudit();

  region.bytes[150 * 4096] = 1 + (region.bytes[150 * 4096] ?? 0);
  capture.repair(6, []);
  await capture.settleAudit();
});

test('dirty pages are left until they were captured', async () => {
  const { region, marks, capture } = await start();
  marks.mark(6, 0, 100 * 4096);
  capture.takeDirty();
  await capture.audit(1000);
  expect(capture.auditPagesLeft).toBe(100);
  await captureAll(capture);
  region.bytes[50 * 4096] = 1 + (region.bytes[50 * 4096] ?? 0);
  capture.takeDirty();
  await expect(capture.settleAudit()).rejects.toThrow(/page 50 /);
});

test('a region that vanished is not suspected any more', async () => {
  const { region, capture } = await start();
  region.bytes[150 * 4096] = 1 + (region.bytes[150 * 4096] ?? 0);
  await capture.audit(1000);
  capture.syncRegions([]);
  capture.takeDirty();
  await capture.settleAudit();
});

test('there is nothing to audit where the tracker is not exact', async () => {
  const region = testRegion(new Uint8Array(8192));
  const capture = newCapture([region], new HashTracker());
  await captureAll(capture);
  region.bytes[0] = 1;
  await capture.audit(100);
  await capture.settleAudit();
  expect(capture.auditPagesLeft).toBe(0);
});

test('a page that is always dirty is not read again by each look', async () => {
  const region = testRegion(new Random(9).bytes(300 * 4096), { as: 'calls' });
  const marks = new MarksTracker([region]);
  const capture = newCapture([region], marks);
  await captureAll(capture);
  marks.mark(0, 0, 1);
  capture.takeDirty();
  let readBytes = 0;
  const { read } = region;
  Object.assign(region, {
    read: (offset: number, into: Uint8Array) => {
      readBytes += into.byteLength;
      return read(offset, into);
    },
  });
  for (let look = 0; look < 5; look++) await capture.audit(60);
  expect(capture.auditPagesLeft).toBe(1);
  expect(readBytes).toBeLessThanOrEqual(301 * 4096);
  await captureAll(capture);
  await capture.audit(60);
  expect(capture.auditPagesLeft).toBe(0);
});

test('looks go on from region to region, and around to what was dirty at first', async () => {
  const regions = [5, 70, 3].map((pages, id) =>
    testRegion(new Random(id).bytes(pages * 4096), { id, as: 'calls' }),
  );
  const marks = new MarksTracker(regions);
  const capture = newCapture(regions, marks);
  await captureAll(capture);
  marks.mark(0, 4 * 4096, 1);
  marks.mark(2, 0, 1);
  capture.takeDirty();
  for (let look = 0; look < 20; look++) await capture.audit(7);
  expect(capture.auditPagesLeft).toBe(2);
  await captureAll(capture);
  await capture.audit(7);
  expect(capture.auditPagesLeft).toBe(0);
});
