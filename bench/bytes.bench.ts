import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ByKind } from '../src/index.js';
import { result, type Suite } from './harness.js';

const run = promisify(execFile);
// The built command, seen from build/bench.
const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** What the demo is told, by workload. */
const workloads: Readonly<Record<string, readonly string[]>> = {
  ledger: ['--guest', 'ledger', '--size', '64', '--write-rate', '50'],
  'ledger-at-100Mbit': ['--guest', 'ledger', '--size', '64', '--bytes-per-second', '12.5M'],
  sqlite: ['--guest', 'sqlite', '--size', '64'],
  'sqlite-at-100Mbit': ['--guest', 'sqlite', '--size', '64', '--bytes-per-second', '12.5M'],
};

export const suite: Suite = {
  question:
    'As what do the pages of a whole migration go, how many bytes of each kind, and how many leave in the end?',
  async *run() {
    for (const [workload, options] of Object.entries(workloads)) {
      const moved = await migrated(options).catch((error: Error) => {
        console.error(`  skipped: ${workload}: ${error.message.split('\n')[0]}`);
      });
      if (moved === undefined) continue;
      for (const [kind, count] of Object.entries(moved.bytesByKind)) {
        yield result(`bytes/${workload}-${kind}`, 'MB', 'lower', count / 1e6, {});
      }
      yield result(`bytes/${workload}-sent`, 'MB', 'lower', moved.bytesSent / 1e6, {});
    }
  },
};

interface Moved {
  /** Before compression. */
  readonly bytesByKind: ByKind;
  /** Frames as they left. */
  readonly bytesSent: number;
}

async function migrated(options: readonly string[]): Promise<Moved> {
  const { stdout } = await run(
    process.execPath,
    [command, 'demo', ...options, '--seed', '1', '--max-downtime', '300', '--json'],
    { maxBuffer: 64 * 2 ** 20 },
  );
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}
