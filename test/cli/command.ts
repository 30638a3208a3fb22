import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { Command, type Finished } from '../command.js';

const started: Command[] = [];
const folders: string[] = [];

afterEach(() => {
  for (const command of started.splice(0)) command.signal('SIGKILL');
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Starts `pageferry` with `args`; it does not outlive the test. */
export function start(args: readonly string[], env?: NodeJS.ProcessEnv): Command {
  const command = new Command(args, [], env);
  started.push(command);
  return command;
}

/** Runs `pageferry` with `args` to its end. */
export function run(...args: readonly string[]): Promise<Finished> {
  return start(args).finished;
}

/** A folder of the test's own. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'pageferry-test-'));
  folders.push(path);
  return path;
}

/** Starts a receiver and gives the address it listens on. */
export async function receiver(
  ...args: readonly string[]
): Promise<{ readonly running: Command; readonly address: string }> {
  const running = start(['receive', '--listen', '127.0.0.1:0', ...args]);
  if (args.includes('--json')) {
    const [, port] = await running.says(/"type":"listening".*?"port":(\d+)/);
    return { running, address: `127.0.0.1:${port}` };
  }
  const [, address = ''] = await running.says(/^listening (\S+)$/m);
  return { running, address };
}
