import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { MigrationReport } from '../../src/migration/events.js';

/** A line that an example of examples/lib/two-hosts.mjs writes with `--json`. */
export type Trip = MigrationReport & {
  readonly type: 'trip';
  /** Process ids. */
  readonly from: number;
  readonly to: number;
  /** What the program had done when it worked on there. */
  readonly steps: number;
};

export interface Trips {
  readonly trips: readonly Trip[];
  readonly equal: boolean;
  readonly steps: number;
}

const usualMs = 100_000;

/** Has an example move its program so many times between its two processes, and back. */
export async function makeTrips(
  name: string,
  count: number,
  args: readonly string[] = [],
  timeoutMs: number = usualMs,
): Promise<Trips> {
  const all = [`examples/${name}.mjs`, '--json', '--trips', String(count), ...args];
  const child = spawn(process.execPath, all, { timeout: timeoutMs, killSignal: 'SIGKILL' });
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${errors}\n${output}`);
  const lines = output.trimEnd().split('\n');
  const events = lines.map((line): { type: string } => JSON.parse(line));
  const ended = events.find(({ type }) => type === 'ended') as unknown as Omit<Trips, 'trips'>;
  return { ...ended, trips: events.filter((each): each is Trip => each.type === 'trip') };
}
