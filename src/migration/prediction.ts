/** What the pause is predicted from. Times in milliseconds, sizes in bytes. */
export interface PauseInputs {
  /** Pages known or expected to be dirty when the guest stops. */
  readonly dirtyPages: number;
  /** Wire bytes a resent page has cost lately. */
  readonly bytesPerPage: number;
  readonly inFlightBytes: number;
  readonly stateBytes: number;
  /** Bytes a second the link carried while it was the limit; Infinity if it never was. */
  readonly bytesPerSecond: number;
  /** Pages to look at while paused (all of them where the tracker is not exact) and how many a millisecond it looks at. */
  readonly scanPages: number;
  readonly scanPagesPerMs: number;
  /** Milliseconds a page costs to encode here. */
  readonly encodeMsPerPage: number;
  /** Milliseconds a page costs from its leaving until it is applied there. */
  readonly applyMsPerPage: number;
  readonly rttMs: number;
  /** Hashing the trees on both sides. */
  readonly verifyMs: number;
  /** How much longer than predicted earlier pauses took; 1 if there were none. */
  readonly scale: number;
}

/** Milliseconds from the pause to the guest running at the destination (design.md, "Convergence and prediction"). */
export function predictPauseMs(inputs: PauseInputs): number {
  const wireBytes =
    inputs.inFlightBytes + inputs.dirtyPages * inputs.bytesPerPage + inputs.stateBytes;
  const wireMs = (wireBytes / inputs.bytesPerSecond) * 1000;
  const encodeMs = inputs.dirtyPages * inputs.encodeMsPerPage;
  const applyMs = inputs.dirtyPages * inputs.applyMsPerPage;
  const scanMs = inputs.scanPages / inputs.scanPagesPerMs;
  const pagesMs = Math.max(wireMs, encodeMs, applyMs);
  return (scanMs + pagesMs + inputs.verifyMs + 1.5 * inputs.rttMs) * inputs.scale;
}
