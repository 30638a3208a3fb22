/** The link that is assumed: bytes a second of it, and the way there and back in milliseconds. */
export interface AssumedLink {
  readonly bytesPerSecond: number;
  readonly rttMs: number;
}

/** A live pass to expect. Bytes on the wire, milliseconds. */
export interface RoundOutlook {
  /** Counts from 1. */
  readonly round: number;
  readonly pages: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** The pause to expect if the guest stopped behind this round. */
  readonly predictedDowntimeMs: number;
}

/** What a migration is expected to be. */
export interface Outlook {
  /** False where it would be given up: the guest writes faster than the link carries, or what is followed never holds still. */
  readonly converges: boolean;
  /** Live passes. */
  readonly rounds: number;
  /** The first of them, at most 64. */
  readonly perRound: readonly RoundOutlook[];
  /** Of all rounds and of the last, paused copy. */
  readonly pagesSent: number;
  readonly bytesSent: number;
  /** From connecting to the end, milliseconds; of what would be given up, until then. */
  readonly totalMs: number;
  /** The pause, milliseconds. Null where nothing would be paused, or it would be given up. */
  readonly downtimeMs: number | null;
}

/** Where a number of the link comes from. */
export type LinkBasis = 'given' | 'loopback';

/** What is to be expected of a migration, before anything moved. */
export interface Prospect extends Outlook {
  /** Of all regions. */
  readonly totalBytes: number;
  /** Share of it that was looked at, 0 to 1; the rest is taken to be like it. */
  readonly sampledShare: number;
  /** How long it was watched behind the first look; about 0 of what does not change. */
  readonly watchedMs: number;
  readonly link: AssumedLink & {
    readonly bytesPerSecondFrom: LinkBasis;
    readonly rttFrom: LinkBasis;
  };
  /** How it is written: different pages within one second, and wire bytes of each when it is sent again; null where nothing was. */
  readonly writes: { readonly pagesPerSecond: number; readonly bytesPerPage: number } | null;
  /** Of what cannot be paused: what it would be if it could. */
  readonly ifPaused: Outlook | null;
}
