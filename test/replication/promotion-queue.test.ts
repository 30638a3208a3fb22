import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { PromotionQueue } from '../../src/replication/promotion-queue.js';

describe('a queue of promotions', () => {
  it('lets so many go at a time, those of higher priority first, and others as they came', async () => {
    const queue = new PromotionQueue(2);
    const order: string[] = [];
    const ends: (() => void)[] = [];
    const asked = [
      ['a', 0],
      ['b', 5],
      ['c', 0],
      ['d', 9],
    ] as const;
    for (const [name, priority] of asked) {
      void queue.take(priority).then((done) => {
        order.push(name);
        ends.push(done);
      });
    }
    for (const expected of [
      ['d', 'b'],
      ['d', 'b', 'a'],
      ['d', 'b', 'a', 'c'],
    ]) {
      await turn();
      await turn();
      expect(order).toEqual(expected);
      ends.shift()?.();
    }
  });

  it.each([0, 1.5, 1001])('is refused with %s at a time', (atOnce) => {
    expect(() => new PromotionQueue(atOnce)).toThrow(RangeError);
  });
});
