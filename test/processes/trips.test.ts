import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const trips = 10;

interface Trip {
  readonly type: 'trip';
  readonly from: number;
  readonly to: number;
  readonly steps: number;
  readonly verified: string;
  readonly repaired: number;
  readonly pagesSent: number;
  readonly totalPages: number;
}

/** What an example says of so many trips between two processes. */
async function travel(example: string): Promise<readonly Record<string, unknown>[]> {
  const { stdout } = await run(
    process.execPath,
    [`examples/${example}.mjs`, '--json', '--trips', String(trips)],
    { maxBuffer: 1 << 24 },
  );
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** `part`: of its pages, what a trip back may send; a program that writes all of its memory all the time sends all of it. */
describe.each([
  { example: 'wasm', part: Number.POSITIVE_INFINITY },
  { example: 'sqlite', part: 0.7 },
])('$example, ten times between two processes while it works', ({ example, part }) => {
  it('is verified each time, sends what changed, and equals a twin that never moved', async () => {
    const events = await travel(example);
    const made = events.filter((event): event is Trip & Record<string, unknown> => {
      return event['type'] === 'trip';
    });
    expect(made).toHaveLength(trips);
    let steps = 0;
    for (const [index, trip] of made.entries()) {
      expect(trip).toMatchObject({ verified: 'memory', repaired: 0 });
      expect(trip.steps).toBeGreaterThan(steps);
      steps = trip.steps;
      const before = made[index - 1];
      if (before === undefined) continue;
      expect([trip.from, trip.to]).toEqual([before.to, before.from]);
      expect(trip.pagesSent).toBeLessThan(part * trip.totalPages);
    }
    expect(events.at(-1)).toMatchObject({ type: 'ended', equal: true });
  }, 120_000);
});
