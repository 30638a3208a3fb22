import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const program = fileURLToPath(new URL('capture-workers.mjs', import.meta.url));

/** What test/processes/capture-workers.mjs says. Rejects if it does not end by itself, or says anything else. */
async function outcome(scenario: string): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await run(process.execPath, [program, scenario], { timeout: 50_000 });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

describe('memory captured by worker threads', () => {
  it.each(['equal', 'file'])('arrives as it is (%s)', async (scenario) => {
    expect(await outcome(scenario)).toMatchObject({
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      isEqual: true,
      workers: 2,
    });
  });

  it.each([
    { scenario: 'killed', resumed: 0 },
    { scenario: 'killed-paused', resumed: 1 },
  ])(
    'runs on here, and a code says why, when a worker is $scenario',
    async ({ scenario, resumed }) => {
      expect(await outcome(scenario)).toMatchObject({
        code: 'ERR_GUEST',
        message: expect.stringContaining('a capture worker was lost'),
        isEqual: false,
        resumed,
        workers: 2,
      });
    },
  );

  it('leaves no worker behind when it is cancelled', async () => {
    expect(await outcome('cancelled')).toMatchObject({ code: 'ERR_ABORTED', workers: 2 });
  });

  it('is refused where no worker can see it', async () => {
    expect(await outcome('unshared')).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('region 0 "memory"'),
      workers: 0,
    });
  });
});
