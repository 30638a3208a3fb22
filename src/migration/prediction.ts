/** Pages to be copied. Sizes in bytes. */
export interface CopyInputs {
  readonly pages: number;
  /** What they are expected to be on the wire. */
  readonly wireBytes: number;
  /** Pages to look at (all of them where the tracker is not exact) and how many a millisecond it looks at. */
  readonly scanPages: number;
  readonly scanPagesPerMs: number;
  /** Milliseconds a page costs to encode here. */
  readonly encodeMsPerPage: number;
  /** Milliseconds a page costs at the destination beyond what its bytes cost on the link. */
  readonly applyMsPerPage: number;
  /** Bytes a second the link carried while it was the limit; Infinity if it never was. */
  readonly bytesPerSecond: number;
  /** What one frame holds at most. */
  readonly frameBytes: number;
  readonly framePages: number;
}

/** Milliseconds from the first page looked at until the last one was applied, without the way of the answer. */
export function predictCopyMs(inputs: CopyInputs): number {
  const { pages, wireBytes, bytesPerSecond } = inputs;
  const encodeMs = pages * inputs.encodeMsPerPage;
  const deliverMs = (wireBytes / bytesPerSecond) * 1000 + pages * inputs.applyMsPerPage;
  // The stages overlap, but for one frame: the first has to be encoded before anything is on the wire.
  const frames = Math.max(1, wireBytes / inputs.frameBytes, pages / inputs.framePages);
  const scanMs = inputs.scanPages / inputs.scanPagesPerMs;
  return scanMs + Math.max(encodeMs, deliverMs) + Math.min(encodeMs, deliverMs) / frames;
}

/** What a pause is predicted from, beside its copy. Milliseconds. */
export interface PauseInputs {
  /** Until the guest stands still. */
  readonly pauseMs: number;
  readonly copy: CopyInputs;
  /** Saving the state here, and loading it there. */
  readonly saveMs: number;
  readonly loadMs: number;
  /** Hashing the trees on both sides, and reading again what was written last. */
  readonly verifyMs: number;
  readonly rttMs: number;
  /** Ways there and back until the pause is over: READY, and RUNNING where the guest is handed over. */
  readonly roundTrips: number;
  /** How much longer than predicted the copies before took, and how much more careful earlier pauses made us. */
  readonly scale: number;
  readonly caution: number;
}

/** The pause to expect, cut into parts that add up to `totalMs`. */
export interface PausePrediction {
  readonly totalMs: number;
  /** Until the guest stands still. */
  readonly pauseMs: number;
  /** Last pages: looked at, encoded, sent, applied. */
  readonly copyMs: number;
  /** The state: saved here, loaded there. */
  readonly stateMs: number;
  readonly verifyMs: number;
  /** Ways of the last frame, READY, COMMIT and RUNNING. */
  readonly tripsMs: number;
}

/** From the pause to the guest running at the destination (design.md, "Convergence and prediction"). */
export function predictPause(inputs: PauseInputs): PausePrediction {
  const { caution } = inputs;
  const parts = {
    pauseMs: inputs.pauseMs * caution,
    copyMs: predictCopyMs(inputs.copy) * inputs.scale * caution,
    stateMs: (inputs.saveMs + inputs.loadMs) * caution,
    verifyMs: inputs.verifyMs * caution,
    tripsMs: inputs.roundTrips * inputs.rttMs * caution,
  };
  const totalMs = Object.values(parts).reduce((sum, part) => sum + part, 0);
  return { totalMs, ...parts };
}
