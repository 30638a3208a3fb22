// Whole commands, ours and their rivals', on files in memory: from the start of each to its end.
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { ofRounds, type Result } from './harness.js';

/** The command as it is built; `timed('node', ...command)`. */
export const command: readonly string[] = ['dist/cli/main.js'];

/** Each peer's figure of each round. */
export type Figures = Record<string, number[]>;

export function note(figures: Figures, name: string, value: number): void {
  const list = figures[name] ?? [];
  figures[name] = list;
  list.push(value);
}

/** A folder in memory, where no peer waits for a disk that another does not. */
export function roomyFolder(): string {
  try {
    return statSync('/dev/shm').isDirectory() ? '/dev/shm' : tmpdir();
  } catch {
    return tmpdir();
  }
}

/** Those of `peers` that were there. */
export function beside(
  name: string,
  unit: string,
  figures: Figures,
  ours: string,
  peers: readonly string[],
): Result {
  const there = peers.flatMap((peer) =>
    figures[peer] === undefined ? [] : [[peer, figures[peer]] as const],
  );
  return ofRounds(name, unit, 'lower', figures[ours] ?? [], Object.fromEntries(there));
}

/** Milliseconds that a command takes from its start to its end. */
export function timed(program: string, ...args: readonly string[]): number {
  return timedOutput(program, ...args).ms;
}

/** The same, and what it printed. */
export function timedOutput(
  program: string,
  ...args: readonly string[]
): { readonly ms: number; readonly output: string } {
  const path = program === 'node' ? process.execPath : program;
  const from = performance.now();
  const output = execFileSync(path, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  return { ms: performance.now() - from, output: output.toString() };
}
