import { describe, expect, it } from 'vitest';
import { type Scenario, simulate } from './world.js';

const pages = 64;
/** Every page once, and a state of no bytes: nothing is written meanwhile. */
const once: Scenario = { seed: 3, pages, tracker: 'marks', writes: () => 0 };
const onceBytes = pages * 4096;

describe('what one session may make a destination write', () => {
  it('is counted to the byte', async () => {
    const taken = await simulate({ ...once, maxSessionBytes: onceBytes });
    expect(taken).toMatchObject({ completed: true, violations: [] });
    const refused = await simulate({ ...once, maxSessionBytes: onceBytes - 1 });
    expect(refused).toMatchObject({
      failure: 'ERR_OUT_OF_RANGE',
      source: 'running',
      destination: 'stopped',
      violations: [],
    });
  });

  it('is counted over all connections together', async () => {
    const { deliveredBytes } = await simulate(once);
    const cut = { ...once, cutAfterBytes: Math.floor(deliveredBytes / 2) };
    const taken = await simulate({ ...cut, maxSessionBytes: 2 * onceBytes });
    expect(taken).toMatchObject({ completed: true, violations: [] });
    expect(taken.events).toContainEqual(expect.objectContaining({ type: 'resumed' }));
    expect(await simulate({ ...cut, maxSessionBytes: onceBytes - 1 })).toMatchObject({
      failure: 'ERR_OUT_OF_RANGE',
      source: 'running',
      violations: [],
    });
  });
});
