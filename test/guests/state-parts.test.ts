import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinParts, splitParts } from '../../src/guests/state-parts.js';

const bytes = fc.uint8Array({ maxLength: 9000 });

describe('a state made of parts', () => {
  it('gives them back', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 6 }), (parts) => {
        expect(splitParts(joinParts(parts), parts.length).map((part) => [...part])).toEqual(
          parts.map((part) => [...part]),
        );
      }),
    );
  });

  it('does not move what is behind a part that grew a little', () => {
    const behind = new Uint8Array(5000).fill(7);
    const before = joinParts([new Uint8Array(100), behind]);
    const after = joinParts([new Uint8Array(3000), behind]);
    expect(after.subarray(8192)).toEqual(before.subarray(8192));
  });

  it('refuses anything else with ERR_GUEST', () => {
    fc.assert(
      fc.property(
        fc.array(bytes, { minLength: 1, maxLength: 3 }),
        fc.nat(20_000),
        fc.uint8Array({ minLength: 1, maxLength: 8 }),
        fc.boolean(),
        (parts, at, noise, cuts) => {
          const good = joinParts(parts);
          const bad = cuts ? good.slice(0, at % good.length) : good.slice();
          if (!cuts) bad.set(noise, Math.min(at % 20, bad.length - noise.length));
          try {
            const split = splitParts(bad, parts.length);
            expect(split.length).toBe(parts.length);
            for (const part of split) expect(part.buffer).toBe(bad.buffer);
          } catch (error) {
            expect(error).toMatchObject({ code: 'ERR_GUEST' });
          }
        },
      ),
    );
    const state = joinParts([new Uint8Array(3)]);
    expect(() => splitParts(state, 2)).toThrow(/parts/);
    expect(() => splitParts(new Uint8Array([...state, 0]), 1)).toThrow(/left over/);
  });
});
