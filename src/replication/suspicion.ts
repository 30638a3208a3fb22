/** A path on which the owner of a guest was heard, and is not any more. */
export interface Suspicion {
  /** "connection": of its epochs; "lease": the engine says nobody is alive; else an address of `heartbeats`. */
  readonly path: string;
  /** When that began, milliseconds of `Date.now()`. */
  readonly since: number;
  readonly message: string;
}

/** Why the owner of a guest is suspected to be dead, path by path. It decides nothing. */
export class Suspicions {
  readonly #changed: (reasons: readonly Suspicion[]) => void;
  readonly #paths = new Map<string, Suspicion>();

  /** `changed`: each time that a path is lost, or is there again. */
  constructor(changed: (reasons: readonly Suspicion[]) => void) {
    this.#changed = changed;
  }

  /** Oldest first. */
  get reasons(): readonly Suspicion[] {
    return [...this.#paths.values()];
  }

  lost(path: string, message: string): void {
    if (this.#paths.has(path)) return;
    this.#paths.set(path, { path, since: Date.now(), message });
    this.#changed(this.reasons);
  }

  heard(path: string): void {
    if (this.#paths.delete(path)) this.#changed(this.reasons);
  }
}
