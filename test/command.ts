import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const entry = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

/** One NDJSON event of a command, as it came. */
export type CliEvent = Readonly<Record<string, unknown>> & { readonly type: string };

/** A program that starts `pageferry` in surroundings of its own: its name and the arguments before the command's. */
export type Launcher = readonly string[];

export interface Finished {
  /** 130 and 143 are exit codes here, not deaths by signal. */
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `pageferry` process and everything it said. */
export class Command {
  readonly finished: Promise<Finished>;
  readonly #child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #events: CliEvent[] = [];
  #parsed = 0;
  #over = false;
  #tell: () => void = () => {};
  #news: Promise<void>;

  constructor(args: readonly string[], launcher: Launcher = [], env: NodeJS.ProcessEnv = {}) {
    const [program = '', ...before] = [...launcher, process.execPath, entry, ...args];
    this.#child = spawn(program, before, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#news = this.#nextNews();
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#tell();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#tell();
    });
    this.finished = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (exit, signal) => {
        this.#over = true;
        this.#tell();
        resolve({ exit, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** It ended, and all it said was read. */
  get over(): boolean {
    return this.#over;
  }

  /** The events its NDJSON stdout shows so far. */
  get events(): readonly CliEvent[] {
    const end = this.stdout.lastIndexOf('\n') + 1;
    this.#events.push(...eventsOf(this.stdout.slice(this.#parsed, end)));
    this.#parsed = end;
    return this.#events;
  }

  /** Resolves when it says something more, or ends. */
  news(): Promise<void> {
    return this.#news;
  }

  /** What `find` gives once it gives something, looked for after everything that is said; fails if the process ends without. */
  async until<T>(what: string, find: () => T | null | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined && found !== null) return found;
      if (this.#over) throw new Error(`ended without ${what}: ${this.stdout}${this.stderr}`);
      await this.#news;
    }
  }

  /** The first match in stdout; fails if the process ends without one. */
  says(pattern: RegExp): Promise<RegExpExecArray> {
    return this.until(String(pattern), () => pattern.exec(this.stdout));
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Nobody reads what it says there any more. */
  stopReading(...streams: readonly ('stdout' | 'stderr')[]): void {
    for (const name of streams) this.#child[name]?.destroy();
  }

  #nextNews(): Promise<void> {
    return new Promise((resolve) => {
      this.#tell = () => {
        this.#news = this.#nextNews();
        resolve();
      };
    });
  }
}

/** The events on an NDJSON stdout. */
export function eventsOf(stdout: string): CliEvent[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(parseEvent);
}

function parseEvent(line: string): CliEvent {
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null || !('type' in value)) {
    throw new Error(`not an event: ${line}`);
  }
  return { ...value, type: String(value.type) };
}
