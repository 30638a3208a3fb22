import { type CliEvent, Command, type Launcher } from '../command.js';

/** Bad input or a signal ends every process that is up within this time. */
const goneWithinMs = 10_000;

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly events: readonly CliEvent[];
  /** The last event. */
  readonly last: CliEvent | undefined;
  readonly stderr: string;
}

/** One running `pageferry` command with --json. */
export class PageferryProcess {
  readonly #command: Command;

  constructor(args: readonly string[], launcher?: Launcher) {
    this.#command = new Command([...args, '--json'], launcher);
  }

  get pid(): number {
    return this.#command.pid;
  }

  get events(): readonly CliEvent[] {
    return this.#command.events;
  }

  get stderr(): string {
    return this.#command.stderr;
  }

  signal(name: NodeJS.Signals): void {
    this.#command.signal(name);
  }

  /** The first event of this type that `wanted` takes, from the beginning on. Rejects if the command ends without. */
  event(type: string, wanted: (event: CliEvent) => boolean = () => true): Promise<CliEvent> {
    return this.#command.until(type, () =>
      this.events.find((event) => event.type === type && wanted(event)),
    );
  }

  /** How it ends, however long that takes. */
  async ended(): Promise<Ended> {
    const { exit: code, signal, stderr } = await this.#command.finished;
    const { events } = this;
    return { code, signal, events, last: events.at(-1), stderr };
  }

  /** As `ended`, for a command that has no reason left to run: once it is up, it must be gone within 10 s. */
  async gone(): Promise<Ended> {
    const command = this.#command;
    while (this.events.length === 0 && !command.over) await command.news();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`still there: ${command.stdout}${command.stderr}`));
      }, goneWithinMs);
    });
    return Promise.race([this.ended(), late]).finally(() => clearTimeout(timer));
  }
}
