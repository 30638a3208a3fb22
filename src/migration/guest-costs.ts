import { Samples } from './samples.js';

const samplesKept = 8;
/** What is known of a state that was never saved. */
const unknownStateBytes = 4096;

/** What a guest's own calls took when they were last made: rehearsed, or in switchovers that were given back. Milliseconds. */
export class GuestCosts {
  readonly pauseMs: Samples = new Samples(samplesKept);
  readonly saveMs: Samples = new Samples(samplesKept);
  /** At the destination. */
  readonly loadMs: Samples = new Samples(samplesKept);
  /** Bytes that its state was on the wire when it was last sent. */
  stateBytes: number = unknownStateBytes;
}
