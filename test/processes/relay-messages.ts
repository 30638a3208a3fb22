import type { MessageName } from '../../src/protocol/index.js';

/** Something done once, to a frame on its way. */
export interface RelayFault {
  readonly what: 'hold' | 'swallow' | 'cut' | 'half-close' | 'flip' | 'truncate';
  readonly name: MessageName;
  readonly from: 'source' | 'destination';
  /** How many such frames pass before. */
  readonly skip: number;
  /** Where in the frame, 0 up to 1; of flips and ends. */
  readonly at: number;
}

export interface RelayJob {
  /** A port of this machine. */
  readonly target: number;
  /** 0: a free one. */
  readonly port: number;
  /** It does `faults` then; else it cannot tell frames (TLS), and has the shape below. */
  readonly knowsFrames: boolean;
  readonly faults: readonly RelayFault[];
  /** Default: as fast as it goes. */
  readonly bytesPerSecond?: number;
  readonly delayMs?: number;
}

/** `release`: what is held goes on. `cut`: every connection is reset. */
export type ToRelay = 'release' | 'cut';

export type FromRelay =
  | { readonly type: 'listening'; readonly port: number }
  | {
      readonly type: 'frame';
      readonly name: MessageName;
      readonly from: 'source' | 'destination';
      readonly connection: number;
    }
  | { readonly type: 'fault'; readonly fault: RelayFault };
