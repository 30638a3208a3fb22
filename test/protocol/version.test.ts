import { describe, expect, it } from 'vitest';
import { negotiateVersion } from '../../src/protocol/index.js';

describe('negotiating a version', () => {
  it.each([
    [1, 1, 1],
    [1, 9, 1],
    [2, 9, undefined],
  ])('a peer that speaks %i to %i gets %s', (min, max, version) => {
    expect(negotiateVersion(min, max)).toBe(version);
  });
});
