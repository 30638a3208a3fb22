import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.js';
import { PageBacklog } from '../../src/memory/page-backlog.js';

const capacity = 300;
const range = fc
  .tuple(fc.nat(capacity), fc.nat(capacity))
  .map(([a, b]) => ({ first: Math.min(a, b), count: Math.abs(a - b) }));
const step = fc.oneof(
  fc.record({ do: fc.constant('add' as const), range }),
  fc.record({ do: fc.constant('remove' as const), range }),
  fc.record({ do: fc.constant('next' as const), range }),
);

test('a backlog holds, counts and finds after any steps what a set of numbers would', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const arena = new Arena(65536);
      const address = arena.alloc(PageBacklog.byteLength(capacity), 8);
      const backlog = new PageBacklog(arena, capacity, address);
      const twin = new Set<number>();
      for (const { do: what, range } of steps) {
        const { first, count } = range;
        const end = first + count;
        if (what === 'next') {
          const waiting = [...twin].filter((page) => page >= first && page < end);
          const lowest = waiting.length === 0 ? undefined : Math.min(...waiting);
          let length = 0;
          while (lowest !== undefined && lowest + length < end && twin.has(lowest + length))
            length++;
          const expected = lowest === undefined ? undefined : { first: lowest, count: length };
          expect(backlog.nextRun(first, end, capacity)).toEqual(expected);
          continue;
        }
        if (what === 'add') backlog.add(first, count);
        else backlog.remove(first, count);
        for (let page = first; page < end; page++) {
          if (what === 'add') twin.add(page);
          else twin.delete(page);
        }
        expect(backlog.size).toBe(twin.size);
      }
      for (let page = 0; page < capacity; page++) expect(backlog.has(page)).toBe(twin.has(page));
    }),
  );
});
