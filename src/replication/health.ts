import { setTimeout as sleep } from 'node:timers/promises';
import { inRange } from './in-range.js';
import { type HealthProbe, openProbe } from './probes.js';

export interface HealthOptions {
  /** All are asked at once, and all have to pass. */
  readonly probes: readonly HealthProbe[];
  /** From the end of one round of questions to the next, milliseconds, 10 to 600,000. Default 1000. */
  readonly everyMs?: number;
  /** How long an answer may take, milliseconds, 1 to 600,000. Default 1000. */
  readonly timeoutMs?: number;
  /** So many rounds have to fail in a row before the guest counts as unhealthy, 1 to 1000. Default 3. */
  readonly failures?: number;
}

/** RangeError or TypeError naming what is wrong. */
export function resolveHealth(options: HealthOptions): Required<HealthOptions> {
  const { probes, everyMs = 1000, timeoutMs = 1000, failures = 3 } = options;
  for (const probe of probes) openProbe(probe).stop();
  return {
    probes,
    everyMs: inRange('everyMs', everyMs, 10, 600_000),
    timeoutMs: inRange('timeoutMs', timeoutMs, 1, 600_000),
    failures: inRange('failures', failures, 1, 1000),
  };
}

/** Looks after a guest that runs, until it is stopped. */
export class HealthWatch {
  readonly #stop = new AbortController();
  readonly #probes: readonly (ReturnType<typeof openProbe> & { readonly type: string })[];
  /** Resolves when nothing is asked any more. */
  readonly done: Promise<void>;
  #reasons: readonly string[] | undefined;

  /** `changed`: with why it is unhealthy; with nothing once it is healthy, the first time too. */
  constructor(options: Required<HealthOptions>, changed: (reasons: readonly string[]) => void) {
    this.#probes = options.probes.map((probe) => ({ ...openProbe(probe), type: probe.type }));
    this.done = this.#run(options, changed);
  }

  /** Why the guest is unhealthy; empty: it is healthy. Undefined: not known yet. */
  get reasons(): readonly string[] | undefined {
    return this.#reasons;
  }

  stop(): void {
    this.#stop.abort();
    for (const { stop } of this.#probes) stop();
  }

  async #run(
    { everyMs, timeoutMs, failures }: Required<HealthOptions>,
    changed: (reasons: readonly string[]) => void,
  ): Promise<void> {
    const { signal } = this.#stop;
    for (let failed = 0; !signal.aborted; ) {
      const reasons = await this.#ask(timeoutMs);
      if (signal.aborted) return;
      failed = reasons.length === 0 ? 0 : failed + 1;
      const isKnown = reasons.length === 0 || failed >= failures;
      if (isKnown) {
        const before = this.#reasons;
        this.#reasons = reasons;
        if (before === undefined || (before.length === 0) !== (reasons.length === 0)) {
          changed(reasons);
        }
      }
      await sleep(everyMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  async #ask(timeoutMs: number): Promise<readonly string[]> {
    const { signal } = this.#stop;
    const answers = await Promise.allSettled(this.#probes.map(({ ask }) => ask(timeoutMs, signal)));
    return answers.flatMap((answer, at) =>
      answer.status === 'fulfilled'
        ? []
        : [`${this.#probes[at]?.type}: ${(answer.reason as Error)?.message ?? answer.reason}`],
    );
  }
}
