import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const entry = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Bad input or a signal ends every process that is up within this time. */
const goneWithinMs = 10_000;

/** One NDJSON event of a command, as it came. */
export type CliEvent = Readonly<Record<string, unknown>> & { readonly type: string };

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly events: readonly CliEvent[];
  /** The last event. */
  readonly last: CliEvent | undefined;
  readonly stderr: string;
}

/** A program that starts `pageferry` in surroundings of its own: its name and the arguments before the command's. */
export type Launcher = readonly string[];

/** One running `pageferry` command with --json. */
export class PageferryProcess {
  readonly #child: ChildProcess;
  readonly #events: CliEvent[] = [];
  readonly #ended: Promise<Ended>;
  #stderr = '';
  #rest = '';
  #over = false;
  #onNews: () => void = () => {};
  #news: Promise<void>;

  constructor(args: readonly string[], launcher: Launcher = []) {
    const [program = '', ...before] = [...launcher, process.execPath, entry, ...args, '--json'];
    this.#child = spawn(program, before, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#news = this.#nextNews();
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#tell();
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (code, signal) => {
        this.#over = true;
        this.#tell();
        const events = this.#events;
        resolve({ code, signal, events, last: events.at(-1), stderr: this.#stderr });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get events(): readonly CliEvent[] {
    return this.#events;
  }

  get stderr(): string {
    return this.#stderr;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The first event of this type that `wanted` takes, from the beginning on. Rejects if the command ends without. */
  async event(type: string, wanted: (event: CliEvent) => boolean = () => true): Promise<CliEvent> {
    for (;;) {
      const found = this.#events.find((event) => event.type === type && wanted(event));
      if (found !== undefined) return found;
      if (this.#over) {
        throw new Error(`ended without ${type}: ${JSON.stringify(this.#events)}\n${this.#stderr}`);
      }
      await this.#news;
    }
  }

  /** How it ends, however long that takes. */
  ended(): Promise<Ended> {
    return this.#ended;
  }

  /** As `ended`, for a command that has no reason left to run: once it is up, it must be gone within 10 s. */
  async gone(): Promise<Ended> {
    while (this.#events.length === 0 && !this.#over) await this.#news;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`still there: ${JSON.stringify(this.#events)}\n${this.#stderr}`));
      }, goneWithinMs);
    });
    return Promise.race([this.#ended, late]).finally(() => clearTimeout(timer));
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#events.push(parseEvent(line));
    this.#tell();
  }

  #tell(): void {
    const tell = this.#onNews;
    this.#news = this.#nextNews();
    tell();
  }

  #nextNews(): Promise<void> {
    return new Promise((resolve) => {
      this.#onNews = resolve;
    });
  }
}

function parseEvent(line: string): CliEvent {
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null || !('type' in value)) {
    throw new Error(`not an event: ${line}`);
  }
  return { ...value, type: String(value.type) };
}
