import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { record } from '../evidence/record.js';
import { cutEverywhere, momentsOf } from './power-cut.js';
import { checkStore } from './store-check.js';
import { nothingPromised, storeHistory } from './store-history.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a store whose power is cut', () => {
  it('keeps every acknowledged snapshot, and goes on', { timeout: 7_200_000 }, async ({ task }) => {
    const moments = await momentsOf(storeHistory, nothingPromised);
    const bounds = nightly
      ? { allSubsetsUpTo: 7, pairs: true }
      : { allSubsetsUpTo: 3, pairs: false };
    const report = await cutEverywhere(moments, checkStore, {
      ...bounds,
      stride: nightly ? 1 : 97,
    });
    record(task, { what: 'power cuts of a store', counts: { ...report } });
    expect(report.moments).toBeGreaterThan(200);
    expect(report.checked).toBeGreaterThan(50);
  });
});
