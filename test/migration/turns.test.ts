import { describe, expect, it } from 'vitest';
import { ApplyEngine } from '../../src/codec/apply.js';
import type { Clock } from '../../src/migration/clock.js';
import { Turns } from '../../src/migration/turns.js';
import { testRegion } from '../reference/regions.js';
import { naiveBody } from '../reference/run-table.js';

/** A clock that a test moves, whose turns come when it says so. */
class HandClock implements Clock {
  nowMs = 0;
  readonly #turns: (() => void)[] = [];
  now(): number {
    return this.nowMs;
  }
  after(): () => void {
    return () => {};
  }
  turn(): Promise<void> {
    return new Promise((resolve) => this.#turns.push(resolve));
  }
  /** Everybody else had a turn. */
  async turned(): Promise<void> {
    for (const resolve of this.#turns.splice(0)) resolve();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('turns', () => {
  it('let work go on until it has kept the thread for long', async () => {
    const clock = new HandClock();
    const turns = Turns.of(clock);
    expect(turns.breathe()).toBeUndefined();
    clock.nowMs += 4.9;
    expect(turns.breathe()).toBeUndefined();
    clock.nowMs += 0.2;
    let isOn = false;
    turns.breathe()?.then(() => {
      isOn = true;
    });
    await Promise.resolve();
    expect(isOn).toBe(false);
    await clock.turned();
    expect(isOn).toBe(true);
  });

  it('do not count what passed between turns', async () => {
    const clock = new HandClock();
    const turns = Turns.of(clock);
    turns.breathe();
    await clock.turned();
    clock.nowMs += 1000;
    expect(turns.breathe()).toBeUndefined();
  });

  it('let those who wait go on one a turn, in order, whoever they are', async () => {
    const clock = new HandClock();
    const went: number[] = [];
    Turns.of(clock).breathe();
    clock.nowMs += 5;
    for (const who of [1, 2, 3]) {
      Turns.of(clock)
        .breathe()
        ?.then(() => went.push(who));
    }
    for (const expected of [[1], [1, 2], [1, 2, 3]]) {
      await clock.turned();
      expect(went).toEqual(expected);
    }
  });
});

const pages = 2048;
const zeros = new Uint8Array(8);
const sevens = new Uint8Array(8).fill(7);

describe('a frame of many pages', () => {
  it.each([
    ['filled, in one run', Array.from({ length: pages }, (_, page) => page), 'fill', sevens],
    [
      'filled, each in a run of its own',
      Array.from({ length: pages / 2 }, (_, at) => 2 * at),
      'fill',
      sevens,
    ],
    ['zero over what was there', Array.from({ length: pages }, (_, page) => page), 'zero', zeros],
  ] as const)('%s, gives way between them', async (_, numbers, kind, value) => {
    const memory = new Uint8Array(pages * 4096).fill(1);
    const changed = (): number => {
      let count = 0;
      for (const page of numbers) if (memory[page * 4096] === value[0]) count += 1;
      return count;
    };
    const seen: number[] = [0];
    const engine = new ApplyEngine([testRegion(memory)], {
      secret: new Uint8Array(192),
      breathe: () => {
        seen.push(changed());
        return new Promise((resolve) => setImmediate(resolve));
      },
    });
    const payload = kind === 'zero' ? new Uint8Array() : value;
    const { body, tableBytes } = naiveBody(
      numbers.map((page) => ({ region: 0, page, kind, payload })),
    );
    expect(await engine.apply(body, tableBytes)).toMatchObject({ pages: numbers.length });
    seen.push(changed());
    expect(seen.at(-1)).toBe(numbers.length);
    for (const [at, count] of seen.entries()) {
      expect(count - (seen[at - 1] ?? 0)).toBeLessThanOrEqual(512);
    }
  });
});
