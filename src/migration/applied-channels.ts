interface Applied {
  finalSeq: number;
  bytes: number;
}

/** How far each channel of one session was applied at the destination. */
export class AppliedChannels {
  readonly #applied: Applied[] = [];
  #awaited: { readonly finalSeqs: readonly number[]; readonly resolve: () => void } | undefined;

  /** Bytes of pages applied on all channels. */
  get bytes(): number {
    return this.#applied.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Bytes of pages applied on one channel. */
  bytesOn(channel: number): number {
    return this.#on(channel).bytes;
  }

  /** seq of the channel's last PAGES, REGION or STATE frame that was applied; 0: none. */
  finalSeq(channel: number): number {
    return this.#on(channel).finalSeq;
  }

  /** Notes a frame that was applied, with the bytes of its pages. */
  note(channel: number, seq: number, bytes = 0): void {
    const applied = this.#on(channel);
    applied.finalSeq = seq;
    applied.bytes += bytes;
    if (this.#awaited !== undefined) this.#look();
  }

  /**
   * Resolves once each page channel was applied that far; what the control channel brought before PREPARE is there. A later call takes the place
   * of one that waits.
   */
  upTo(finalSeqs: readonly number[]): Promise<void> {
    return new Promise((resolve) => {
      this.#awaited = { finalSeqs, resolve };
      this.#look();
    });
  }

  /** Nobody waits for anything any more. */
  stopWaiting(): void {
    this.#awaited = undefined;
  }

  /** The frames of `channel` are those of another connection from here on, or there are none: they are counted from 1 again. */
  begin(channel: number): void {
    this.#on(channel).finalSeq = 0;
  }

  /** The source begins its channels anew; their frames are counted from 1 again. */
  restart(): void {
    this.stopWaiting();
    for (const channel of this.#applied.keys()) this.begin(channel);
  }

  #look(): void {
    const awaited = this.#awaited;
    const isHere = awaited?.finalSeqs.every(
      (seq, channel) => channel === 0 || this.finalSeq(channel) >= seq,
    );
    if (isHere !== true) return;
    this.#awaited = undefined;
    awaited?.resolve();
  }

  #on(channel: number): Applied {
    const applied = this.#applied[channel] ?? { finalSeq: 0, bytes: 0 };
    this.#applied[channel] = applied;
    return applied;
  }
}
