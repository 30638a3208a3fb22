import type { FerryErrorCode } from '../errors.js';

/** Where a migration stands, as its source sees it (docs/design.md, "The conversation"). */
export type SourcePhase =
  | 'greeting'
  | 'offering'
  | 'comparing'
  | 'pre-copy'
  | 'pausing'
  | 'stop-and-copy'
  | 'preparing'
  | 'retreating'
  | 'reconnecting'
  | 'committed'
  | 'reclaiming'
  | 'in-doubt'
  | 'aborting'
  | 'completed'
  | 'failed';

/** Pages or bytes by page kind. */
export interface ByKind {
  readonly zero: number;
  readonly fill: number;
  readonly delta: number;
  readonly patch: number;
  readonly raw: number;
}

/**
 * The pause, cut into parts that add up to `totalMs`; the source's monotonic clock from just before `pause()` to RUNNING read, or, of what
 * is only copied, until it ran on at the source.
 */
export interface Downtime {
  readonly totalMs: number;
  /** Until the guest stood still. */
  readonly pauseMs: number;
  /** Last pages: scan, encode, send; outside resources let go. */
  readonly lastRoundMs: number;
  readonly stateMs: number;
  /** PREPARE to READY: everything applied, trees compared, state loaded, resources taken. */
  readonly verifyMs: number;
  /** COMMIT to RUNNING: the guest was claimed, where it has an owner, and started. Of what is only copied: COMMIT until it ran on. */
  readonly commitMs: number;
  /** The destination's own clock, inside verifyMs and commitMs. */
  readonly destination: {
    readonly verifyMs: number;
    readonly loadMs: number;
    readonly acquireMs: number;
    readonly resumeMs: number;
  };
}

/** What the pause was predicted to be made of, when it began; milliseconds. Beside `Downtime`. */
export interface Prediction {
  readonly totalMs: number;
  /** Until the guest stands still. */
  readonly pauseMs: number;
  /** Last pages: looked at, encoded, sent, applied; with what `scale` made of it. */
  readonly copyMs: number;
  /** The state: saved here, loaded there. */
  readonly stateMs: number;
  readonly verifyMs: number;
  /** Ways of the last frame, READY, COMMIT and RUNNING. */
  readonly tripsMs: number;
  /** Pages to copy, and what they were expected to be on the wire. Beside `lastRoundPages`. */
  readonly pages: number;
  readonly wireBytes: number;
  /** What the copy was multiplied by: the p90 of measured by predicted over the newest live rounds that were predicted. */
  readonly scale: number;
  readonly roundsScored: number;
  /** The middle one of these scores; null where no round was predicted. */
  readonly medianScore: number | null;
}

/** Frames that left compressed, and what their bodies were before and after. */
export interface Compressed {
  readonly frames: number;
  readonly rawBytes: number;
  readonly bytes: number;
}

/** What a finished migration says of itself. */
export interface MigrationReport {
  /** `memory`: all source memory was hashed while paused or audited; `stream`: the destination equals what was captured. */
  readonly verified: 'memory' | 'stream';
  /** Live passes; the last, paused one does not count. */
  readonly rounds: number;
  readonly pagesSent: number;
  readonly bytesSent: number;
  readonly pagesByKind: ByKind;
  /** Payload, before compression. */
  readonly bytesByKind: ByKind;
  readonly compressed: Compressed;
  readonly lastRoundPages: number;
  readonly totalPages: number;
  readonly totalMs: number;
  /** Null where nothing was paused. */
  readonly downtimeMs: number | null;
  readonly downtime: Downtime | null;
  readonly predictedDowntimeMs: number | null;
  /** Its parts; null where nothing was paused. */
  readonly prediction: Prediction | null;
  /** SHA-256 of the transcript, hex. */
  readonly digest: string;
  /** Pages that had to be sent again because they differed. */
  readonly repaired: number;
  /** Bytes a second the link carried when it was the limit; null if it never was. */
  readonly bytesPerSecond: number | null;
  readonly rttMs: number;
  readonly retreats: number;
  /** Connections that were lost before COMMIT and made again. */
  readonly interruptions: number;
  /** Highest share of its speed that was taken from the guest. */
  readonly throttle: number;
  /** User plus system time of this process, milliseconds; other work in the process counts too. */
  readonly cpuMs: number;
}

export type MigrationEvent =
  | {
      readonly type: 'offered';
      readonly session: string;
      readonly totalBytes: number;
      readonly regions: number;
    }
  | {
      readonly type: 'round';
      readonly round: number;
      readonly pagesSent: number;
      readonly sentBytes: number;
      /** Known dirty at the end of the round; pages this round found changed where the tracker cannot know. */
      readonly dirtyPages: number;
      readonly durationMs: number;
      readonly predictedDowntimeMs: number;
      /** What its work took, without the time given away (to the guest, to a ceiling of the rate), milliseconds. */
      readonly workMs: number;
      /** What that was predicted to be when it began; null where nothing was known yet. */
      readonly predictedWorkMs: number | null;
      readonly bytesPerSecond: number | null;
    }
  | {
      readonly type: 'progress';
      readonly sentBytes: number;
      readonly examinedPages: number;
      readonly totalPages: number;
    }
  | { readonly type: 'stalled'; readonly action: string }
  | { readonly type: 'retreated'; readonly elapsedMs: number; readonly limitMs: number }
  /** The connection is lost; the guest runs on here, and it is made again. */
  | { readonly type: 'interrupted'; readonly code: FerryErrorCode; readonly message: string }
  /** Pages go on. `lostPages`: those whose frames may not have arrived. */
  | { readonly type: 'resumed'; readonly outageMs: number; readonly lostPages: number }
  /** What the destination held before is known: `samePages` of its pages are as they are here, and are not sent. */
  | { readonly type: 'compared'; readonly samePages: number; readonly totalPages: number }
  | {
      readonly type: 'switchover';
      readonly predictedDowntimeMs: number | null;
      readonly forced: boolean;
    }
  | { readonly type: 'in-doubt'; readonly session: string; readonly message: string }
  | ({ readonly type: 'completed' } & MigrationReport)
  | {
      readonly type: 'failed';
      readonly code: FerryErrorCode;
      readonly message: string;
      readonly phase: string;
      readonly side: 'source' | 'destination';
      readonly retryable: boolean;
    };
