import type { LeaseProvider } from '../lease/provider.js';
import type { LeaseView } from '../lease/swap.js';
import type { MigrateAddress } from '../migration/migrate.js';
import type { StandbyEvent } from './events.js';
import { askTcp } from './probes.js';
import { Suspicions } from './suspicion.js';

/** The engine is asked at least so often in a lease's time. */
const looks = 8;
/** The same while the owner is suspected. */
const hastyLooks = 40;

export interface LookoutDeps {
  readonly lease: LeaseProvider;
  /** Of the guest's record. */
  readonly name: string;
  /** Other addresses of the owner, to be connected to. */
  readonly heartbeats: readonly MigrateAddress[];
  readonly tell: (event: StandbyEvent) => void;
  /** What the engine says, each time that it is asked: when to ask next, in milliseconds, if sooner than usual. Not called again before it resolved. */
  readonly seen: (view: LeaseView) => Promise<number | undefined>;
}

/** Watches the owner of a guest on every path there is: the engine's word is handed on, everything else only has it asked more often. */
export class Lookout {
  readonly suspicions: Suspicions;
  readonly #deps: LookoutDeps;
  readonly #stop = new AbortController();
  readonly #unwatch: () => void;
  readonly #beats: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(deps: LookoutDeps) {
    this.#deps = deps;
    const { lease, name, tell } = deps;
    this.suspicions = new Suspicions((reasons) => {
      tell(reasons.length === 0 ? { type: 'trusted' } : { type: 'suspected', reasons });
      if (reasons.length > 0) this.look();
    });
    this.#unwatch = lease.watch(name, () => this.look());
    this.#beats = setInterval(() => this.#beat(), lease.ttlMs / looks);
    this.#again(undefined);
  }

  /** Asks the engine now. */
  look(): void {
    if (this.#stop.signal.aborted) return;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
  }

  stop(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
    clearInterval(this.#beats);
    this.#unwatch();
  }

  async #look(): Promise<void> {
    const { lease, name, seen } = this.#deps;
    let soonMs: number | undefined;
    try {
      const view = await lease.read(name);
      const { record, alive } = view;
      if (alive === undefined && record !== undefined) {
        this.suspicions.lost('lease', `${record.owner} has no lease any more`);
      } else this.suspicions.heard('lease');
      if (!this.#stop.signal.aborted) soonMs = await seen(view);
    } catch {
      // Without an answer nobody knows whether the owner is alive.
    }
    this.#again(soonMs);
  }

  #again(soonMs: number | undefined): void {
    clearTimeout(this.#timer);
    if (this.#stop.signal.aborted) return;
    const often = this.suspicions.reasons.length > 0 ? hastyLooks : looks;
    const usualMs = this.#deps.lease.ttlMs / often;
    this.#timer = setTimeout(() => this.look(), Math.max(1, soonMs ?? usualMs));
  }

  #beat(): void {
    const { heartbeats, lease } = this.#deps;
    const { signal } = this.#stop;
    for (const { host, port } of heartbeats) {
      const path = `${host}:${port}`;
      askTcp(host, port, lease.ttlMs / looks, signal).then(
        () => this.suspicions.heard(path),
        ({ message }: Error) => {
          if (!signal.aborted) this.suspicions.lost(path, message);
        },
      );
    }
  }
}
