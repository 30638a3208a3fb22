import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);

it('threads move to another process while they work, and hold what threads hold that never moved', async () => {
  const { stdout } = await run(process.execPath, ['examples/threads.mjs'], { timeout: 120_000 });
  expect(stdout).toMatch(/^\d+ -> \d+: \d+ pages in \d+ rounds, .* verified memory; equal to /);
}, 120_000);
