import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  closingOf,
  parseMoment,
  parseWindow,
  untilClosed,
  untilOpen,
  waitFor,
} from '../../src/cli/schedule.js';

const minute = 60_000;
const at = (time: string): Date => new Date(`2026-11-23T${time}`);

describe('a window', () => {
  it.each([
    ['09:00-17:00', '08:59:00', minute],
    ['09:00-17:00', '09:00:00', 0],
    ['09:00-17:00', '16:59:59', 0],
    ['09:00-17:00', '17:00:00', 16 * 60 * minute],
    ['22:00-06:00', '21:30:30', 29.5 * minute],
    ['22:00-06:00', '23:59:59', 0],
    ['22:00-06:00', '00:00:00', 0],
    ['22:00-06:00', '05:59:59', 0],
    ['22:00-06:00', '06:00:00', 16 * 60 * minute],
  ])('%s opens, seen at %s, in %d ms', (window, time, ms) => {
    expect(untilOpen(parseWindow(window), at(time))).toBe(ms);
  });

  it.each([
    ['22:00-06:00', '23:00:00', 7 * 60 * minute],
    ['22:00-06:00', '05:59:00', minute],
    ['09:00-17:00', '09:00:00', 8 * 60 * minute],
  ])('%s closes, seen at %s, in %d ms', (window, time, ms) => {
    expect(untilClosed(parseWindow(window), at(time))).toBe(ms);
  });

  it.each(['', '9-17', '09:00', '09:00-', '24:00-06:00', '09:60-10:00', '01:00-02:00-03:00'])(
    '%j is none',
    (text) => {
      expect(() => parseWindow(text)).toThrow('give two times of day');
    },
  );
});

describe('by the clock', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: at('21:59:00') });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('a window is waited for, and aborts when it closes', async () => {
    const window = parseWindow('22:00-22:05');
    const closing = closingOf(window);
    expect(closing.signal.aborted).toBe(true);
    vi.setSystemTime(at('22:01:00'));
    const open = closingOf(window);
    await vi.advanceTimersByTimeAsync(3 * minute);
    expect(open.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(minute);
    expect(open.signal.aborted).toBe(true);
    closing.done();
    open.done();
  });

  it('a time of day is the next one, and a date is what it says', () => {
    expect(parseMoment('22:30')).toBe(at('22:30:00').getTime());
    expect(parseMoment('21:00')).toBe(at('21:00:00').getTime() + 24 * 60 * minute);
    expect(parseMoment('2026-12-01T04:00')).toBe(new Date('2026-12-01T04:00').getTime());
    expect(parseMoment('2026-12-01T04:00Z')).toBe(Date.UTC(2026, 11, 1, 4));
    for (const text of ['25:00', 'tomorrow', '2026', '']) {
      expect(() => parseMoment(text)).toThrow('give a time');
    }
  });
});

describe('waiting', () => {
  it('ends with ERR_ABORTED when it is cancelled', async () => {
    const controller = new AbortController();
    const waiting = waitFor(() => 1e9, controller.signal);
    await sleep(1);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('asks again how long', async () => {
    const left = [2, 1, 0];
    await waitFor(() => left.shift() ?? 0, new AbortController().signal);
    expect(left).toEqual([]);
  });
});
