import type { Guest } from '../guests/guest.js';
import type { Channel } from '../transport/channel.js';
import type { Clock } from './clock.js';
import type { StartThread } from './crew-orders.js';
import type { MigrationEvent } from './events.js';
import type { MigrationLease } from './lease-options.js';
import type { OpenTap } from './link.js';
import type { ResolvedOptions } from './options.js';
import type { SourceEvent, SourceState } from './source-states.js';

/** What a source is bound to. */
export interface SourceDeps {
  readonly guest: Guest;
  /**
   * Opens a connection to the destination: one for each channel, later those that ask how a committed switchover ended. `nth` counts
   * from 0 and tells one connection from another where it can be reached in several places.
   */
  readonly connect: (nth: number) => Promise<Channel>;
  readonly clock: Clock;
  readonly options: ResolvedOptions;
  /** Whose record says who has the guest. Default: none does. */
  readonly lease?: MigrationLease | undefined;
  readonly emit: (event: MigrationEvent) => void;
  readonly tap?: OpenTap | undefined;
  /** Sees every event the machine is fed and the state it leads to. For recordings. */
  readonly onStep?: ((event: SourceEvent, state: SourceState) => void) | undefined;
  /** Starts a thread that captures, where there are `workers`. Default: a worker thread. */
  readonly startThread?: StartThread | undefined;
  /** `bytes` unpredictable bytes. Default: the system's. */
  readonly random?: (bytes: number) => Uint8Array;
}
