export interface PumpOptions {
  /** Most steps between two turns of the event loop, at least 1. */
  readonly stepsPerTurn: number;
  /** Steps a second to hold; as fast as the thread allows if absent. */
  readonly stepsPerSecond?: number;
}

/** What a late pump makes up for at most: a stall must not be followed by a burst as long as the stall. */
const maxArrearsMs = 50;

/**
 * Runs a guest that shares this thread: a few steps, then it yields to everything else, for ever. Between two turns no step is on the
 * stack, so `stop` is a pause at once.
 */
export class Pump {
  readonly #step: () => void;
  readonly #options: PumpOptions;
  #cancel: (() => void) | undefined;
  #throttle = 0;
  #owedSteps = 0;
  #owedIdleMs = 0;
  #turnAtMs = 0;
  #failure: unknown;

  constructor(step: () => void, options: PumpOptions) {
    this.#step = step;
    this.#options = options;
  }

  get running(): boolean {
    return this.#cancel !== undefined;
  }

  /** What a step threw; the pump stopped there. `undefined` while all is well. */
  get failure(): unknown {
    return this.#failure;
  }

  start(): void {
    if (this.running) return;
    this.#turnAtMs = performance.now();
    this.#owedSteps = 0;
    this.#owedIdleMs = 0;
    this.#failure = undefined;
    this.#schedule(0);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** 0 is full speed, 0.9 leaves a tenth; never less than a hundredth is left. */
  throttle(fraction: number): void {
    this.#throttle = Math.min(0.99, Math.max(0, fraction));
  }

  #schedule(delayMs: number): void {
    const turn = () => this.#turn();
    if (delayMs === 0) {
      const immediate = setImmediate(turn);
      this.#cancel = () => clearImmediate(immediate);
    } else {
      const timer = setTimeout(turn, delayMs);
      this.#cancel = () => clearTimeout(timer);
    }
  }

  #turn(): void {
    const beganMs = performance.now();
    const steps = this.#stepsDue(beganMs);
    try {
      for (let done = 0; done < steps; done++) this.#step();
    } catch (error) {
      this.#failure = error;
      this.#cancel = undefined;
      return;
    }
    // A step may have stopped the pump (its guest reached an end).
    if (this.running) this.#schedule(this.#delayAfter(beganMs));
  }

  #stepsDue(nowMs: number): number {
    const { stepsPerTurn, stepsPerSecond } = this.#options;
    if (stepsPerSecond === undefined) return stepsPerTurn;
    const stepsPerMs = (stepsPerSecond * (1 - this.#throttle)) / 1000;
    const elapsedMs = nowMs - this.#turnAtMs;
    this.#turnAtMs = nowMs;
    const arrears = Math.max(1, maxArrearsMs * stepsPerMs);
    this.#owedSteps = Math.min(arrears, this.#owedSteps + elapsedMs * stepsPerMs);
    const steps = Math.min(stepsPerTurn, Math.floor(this.#owedSteps));
    this.#owedSteps -= steps;
    return steps;
  }

  #delayAfter(beganMs: number): number {
    if (this.#options.stepsPerSecond !== undefined) return this.#owedSteps < 1 ? 1 : 0;
    const spentMs = performance.now() - beganMs;
    this.#owedIdleMs += (spentMs * this.#throttle) / (1 - this.#throttle);
    // Timers count whole milliseconds: shorter rests are saved up.
    if (this.#owedIdleMs < 1) return 0;
    const restMs = Math.floor(this.#owedIdleMs);
    this.#owedIdleMs -= restMs;
    return restMs;
  }
}
