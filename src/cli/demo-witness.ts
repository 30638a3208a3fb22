/** What became of the commits that a guest acknowledged while it was moved. */
export interface WitnessReport {
  /** Acknowledged by the source before the migration began. */
  readonly before: number;
  /** Acknowledged by the source from then on: while its memory was being sent. */
  readonly during: number;
  /** Acknowledged by the destination. */
  readonly after: number;
  /** Acknowledged, but not in the destination's final content, or there with another digest. */
  readonly lost: number;
  /** Acknowledged more than once, by whichever side, or more than once in the final content. */
  readonly doubled: number;
}

export type WitnessedSide = 'source' | 'destination';

/**
 * Stands outside both processes and keeps every commit that either acknowledged, by its number (from 1 on) and digest. At the end
 * it is shown what the destination really holds. Feed it in the order in which each side spoke; the sides may be interleaved anyhow.
 */
export class Witness {
  /** By commit number. */
  readonly #digests: number[] = [];
  readonly #timesHeard: number[] = [];
  readonly #timesFound: number[] = [];
  readonly #counts: Record<'before' | 'during' | 'after', number> = {
    before: 0,
    during: 0,
    after: 0,
  };
  #migrating = false;

  /** The source began to send: what it acknowledges from now on is `during`. */
  migrationBegins(): void {
    this.#migrating = true;
  }

  /** A side said that commit `seq` took effect. */
  acknowledge(side: WitnessedSide, seq: number, digest: number): void {
    const times = this.#timesHeard[seq] ?? 0;
    this.#timesHeard[seq] = times + 1;
    if (times > 0) return;
    this.#digests[seq] = digest;
    const fromSource = this.#migrating ? 'during' : 'before';
    this.#counts[side === 'source' ? fromSource : 'after']++;
  }

  /** Commit `seq` is in the destination's final content. */
  find(seq: number, digest: number): void {
    // One with another digest is not the commit that was acknowledged.
    if (this.#timesHeard[seq] !== undefined && this.#digests[seq] !== digest) return;
    this.#timesFound[seq] = (this.#timesFound[seq] ?? 0) + 1;
  }

  /** After everything was acknowledged and found. */
  report(): WitnessReport {
    let lost = 0;
    let doubled = 0;
    const count = Math.max(this.#timesHeard.length, this.#timesFound.length);
    for (let seq = 0; seq < count; seq++) {
      const heard = this.#timesHeard[seq] ?? 0;
      const found = this.#timesFound[seq] ?? 0;
      if (heard > 0 && found === 0) lost++;
      if (heard > 1 || found > 1) doubled++;
    }
    return { ...this.#counts, lost, doubled };
  }
}
