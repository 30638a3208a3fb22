import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach } from 'vitest';

const entry = resolve('dist/cli/main.js');

export interface Finished {
  /** 130 and 143 are exit codes here, not deaths by signal. */
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `pageferry` process and everything it said. */
export class Running {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
  stdout = '';
  stderr = '';
  #wake: () => void = () => {};

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.process = spawn(process.execPath, [entry, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    this.finished = once(this.process, 'close').then(([exit]) => {
      this.#wake();
      return { exit, stdout: this.stdout, stderr: this.stderr };
    });
  }

  /** The first match in stdout; fails if the process ends without one. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match !== null) return match;
      if (this.process.exitCode !== null) {
        throw new Error(`ended without ${pattern}: ${this.stdout}${this.stderr}`);
      }
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }
}

const started: Running[] = [];
const folders: string[] = [];

afterEach(() => {
  for (const { process: child } of started.splice(0)) child.kill('SIGKILL');
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Starts `pageferry` with `args`; it does not outlive the test. */
export function start(args: readonly string[], env?: NodeJS.ProcessEnv): Running {
  const running = new Running(args, env);
  started.push(running);
  return running;
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
): Promise<{ readonly running: Running; readonly address: string }> {
  const running = start(['receive', '--listen', '127.0.0.1:0', ...args]);
  if (args.includes('--json')) {
    const [, port] = await running.says(/"type":"listening".*?"port":(\d+)/);
    return { running, address: `127.0.0.1:${port}` };
  }
  const [, address = ''] = await running.says(/^listening (\S+)$/m);
  return { running, address };
}

/** The events on an NDJSON stdout. */
export function eventsOf(stdout: string): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
