import { describe, expect, it } from 'vitest';
import { simulate } from './world.js';

describe('a migration in virtual time', () => {
  it.each(['marks', 'hash', 'compare'] as const)(
    'completes with the %s tracker while the guest writes',
    async (tracker) => {
      const outcome = await simulate({ seed: 1, pages: 4, tracker });
      expect(outcome).toMatchObject({
        completed: true,
        source: 'paused',
        destination: 'running',
        violations: [],
      });
    },
  );
});
