import { fileURLToPath } from 'node:url';
import type { Witness, WitnessedSide } from '../../src/cli/demo-witness.js';
import type { LedgerOptions } from '../../src/guests/ledger.js';
import { Child } from './child.js';

const program = fileURLToPath(new URL('./host.mjs', import.meta.url));

/** An event of a migration or a listener; errors as their code and message. */
export interface HostEvent {
  readonly type: string;
  readonly code?: string;
  readonly round?: number;
  readonly interruptions?: number;
}

/** What the ledger holds, paused. */
export interface Content {
  readonly type: 'content';
  readonly seq: number;
  readonly memory: Uint8Array;
}

type FromHost =
  | { readonly type: 'running' }
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'commits'; readonly first: number; readonly digests: Uint32Array }
  | { readonly type: 'at'; readonly gate: string }
  | { readonly type: 'phase'; readonly phase: string }
  | { readonly type: 'jumped'; readonly now: number }
  | { readonly type: 'event'; readonly event: HostEvent }
  | Content;

/** Options of `migrate` or `listen`, as far as they can be said to another process. */
export type HostOptions = Readonly<Record<string, unknown>>;

type ToHost =
  | { readonly type: 'run'; readonly plan: LedgerOptions }
  | {
      readonly type: 'listen';
      readonly plan: LedgerOptions;
      readonly options: HostOptions;
      readonly gates: readonly string[];
    }
  | { readonly type: 'migrate'; readonly options: HostOptions; readonly gates: readonly string[] }
  | { readonly type: 'go' | 'account' }
  | { readonly type: 'resolve'; readonly word: 'resume' | 'abandon' };

/** A process that runs a ledger, sends it away or waits for one (host.mjs). What it commits, `witness` hears. */
export class Host {
  readonly #child: Child<FromHost, ToHost>;
  /** Commits heard of. */
  commits = 0;

  constructor(side: WitnessedSide, witness: Witness, execArgv: readonly string[] = []) {
    this.#child = new Child<FromHost, ToHost>(side, program, [], execArgv, (message) => {
      if (message.type !== 'commits') return;
      this.commits += message.digests.length;
      for (const [at, digest] of message.digests.entries()) {
        witness.acknowledge(side, message.first + at, digest);
      }
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  get events(): readonly HostEvent[] {
    return this.#child.said.flatMap((message) => (message.type === 'event' ? [message.event] : []));
  }

  story(): string {
    return this.#child.story();
  }

  order(order: ToHost): void {
    this.#child.order(order);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.signal(name);
  }

  kill(): Promise<void> {
    return this.#child.kill();
  }

  /** Starts a ledger's life here. */
  async run(plan: LedgerOptions): Promise<void> {
    this.order({ type: 'run', plan });
    await this.#next('running');
  }

  /** Waits for a ledger; resolves with the port. */
  async listen(
    plan: LedgerOptions,
    options: HostOptions,
    gates: readonly string[],
  ): Promise<number> {
    this.order({ type: 'listen', plan, options, gates });
    return (await this.#next('listening')).port;
  }

  /** The first event that `wanted` takes. */
  event(what: string, wanted: (event: HostEvent) => boolean): Promise<HostEvent> {
    return this.#child.until(what, () => this.events.find(wanted));
  }

  /** The guest's method was called and waits. */
  async at(gate: string): Promise<void> {
    await this.#child.until(gate, () =>
      this.#child.said.find((message) => message.type === 'at' && message.gate === gate),
    );
  }

  /** Its calendar jumps (clock-jump.mjs); resolves with its time then, milliseconds. */
  async jump(): Promise<number> {
    const jumps = (): number[] =>
      this.#child.said.flatMap((message) => (message.type === 'jumped' ? [message.now] : []));
    const before = jumps().length;
    this.signal('SIGUSR2');
    return this.#child.until('a jump', () => jumps()[before]);
  }

  /** A destination's machine is in one of these phases now. */
  async inPhase(...wanted: readonly string[]): Promise<void> {
    await this.#child.until(wanted.join(' or '), () => {
      const phases = this.#child.said.flatMap((message) => {
        return message.type === 'phase' ? [message.phase] : [];
      });
      return wanted.find((phase) => phase === phases.at(-1));
    });
  }

  /** It commits more than it has so far. */
  async goesOn(): Promise<void> {
    const before = this.commits;
    await this.#child.until('commits', () => (this.commits > before ? true : undefined));
  }

  /** Pauses the ledger and looks at all it holds. */
  account(): Promise<Content> {
    this.order({ type: 'go' });
    this.order({ type: 'account' });
    return this.#next('content');
  }

  #next<T extends FromHost['type']>(type: T): Promise<Extract<FromHost, { type: T }>> {
    return this.#child.until(type, () => this.#child.said.find((message) => isOf(message, type)));
  }
}

function isOf<T extends FromHost['type']>(
  message: FromHost,
  type: T,
): message is Extract<FromHost, { type: T }> {
  return message.type === type;
}
