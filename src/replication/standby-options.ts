import type { Guest } from '../guests/guest.js';
import type { TokenStore } from '../lease/fence.js';
import type { MigrateAddress } from '../migration/migrate.js';
import type { Offer } from '../protocol/messages.js';
import type { Decide } from './decision.js';
import { inRange } from './in-range.js';
import type { PromotionQueue } from './promotion-queue.js';
import { type MemberOptions, type ResolvedMember, resolveMember } from './protect-options.js';

export interface StandbyOptions extends MemberOptions {
  /** Makes an empty guest for what a primary offers, paused; what it throws refuses it. */
  readonly accept: (offer: Offer) => Guest | Promise<Guest>;
  /** A guest that holds an older copy, as that of a primary which was closed or fenced: it is stopped, belongs to the standby, and is sent what differs; discarded where it does not fit. */
  readonly older?: Guest;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 (default): any free port. */
  readonly port?: number;
  /** How long each acknowledgement promises not to claim, milliseconds, 0 to 600,000: so long the primary goes on without the engine. Default 0. */
  readonly promiseMs?: number;
  /** Who claims first where several may: each rank waits so many milliseconds after it could, 0 to 600,000. Default 0. */
  readonly rankMs?: number;
  /** Where the highest token seen is kept when the process ends. Default: nowhere. */
  readonly tokens?: TokenStore;
  /** Asked each time that it could take over. Default: it does. What throws, or takes more than ten seconds, decides nothing. */
  readonly decide?: Decide;
  /** Shared by standbys of one process, of several guests: who is promoted first where a host died, by `priority`. Default: nobody waits for others. */
  readonly queue?: PromotionQueue;
  /** In `queue`: those of a higher one are first. Default 0. */
  readonly priority?: number;
  /** Other addresses of the owner, to be connected to: where one does not answer the engine is asked more often. They decide nothing. */
  readonly heartbeats?: readonly MigrateAddress[];
  /** How long reading the copy back takes, again and again, milliseconds, 0 (never) to 604,800,000. Default 600,000. Damaged pages are sent again. */
  readonly scrubMs?: number;
  /** Where what is more than `maxEpochBytes` of an epoch waits, in clear, in a file without a name. Default: nowhere; the session ends. */
  readonly spillFolder?: string;
  /** Of that file, 1 MiB to 1 PiB. Default 16 GiB. */
  readonly maxSpillBytes?: number;
  /** Sum of all regions' sizes that is taken. Default 1 GiB. */
  readonly maxImageBytes?: number;
  /** Default 1 MiB. */
  readonly maxStateBytes?: number;
}

/** What both kinds of members have to know. RangeError or TypeError naming the option. */
export function resolveStandby(options: StandbyOptions): ResolvedMember {
  inRange('promiseMs', options.promiseMs ?? 0, 0, 600_000);
  inRange('rankMs', options.rankMs ?? 0, 0, 600_000);
  inRange('scrubMs', options.scrubMs ?? 0, 0, 604_800_000);
  inRange('maxSpillBytes', options.maxSpillBytes ?? 2 ** 20, 2 ** 20, 2 ** 50);
  return resolveMember(options);
}
