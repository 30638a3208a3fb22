import { FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { KeeperOptions } from '../lease/keeper.js';
import { checkMember } from '../lease/owner-record.js';
import type { LeaseProvider } from '../lease/provider.js';
import type { MigrateAddress } from '../migration/migrate.js';
import { credentialsOf, type TrustOptions } from '../migration/trust.js';
import { type HealthOptions, resolveHealth } from './health.js';
import { inRange } from './in-range.js';

/** A guest that runs here from now on. */
export interface Promotion {
  readonly guest: Guest;
  /** Its fencing token. */
  readonly token: bigint;
}

/** What both a primary and a standby have to know. */
export interface MemberOptions extends TrustOptions {
  /** Of the guest, the same everywhere: see `LeaseProvider`. */
  readonly name: string;
  /** Of this process, in this life: see `newMember`. */
  readonly member: string;
  readonly lease: LeaseProvider;
  /** Where the others listen, in any order: who owns the guest connects to them, time and again. */
  readonly peers?: readonly MigrateAddress[];
  /**
   * `output-commit` (default): what waits for `commit` leaves when every member in sync has it. `async`: at once, and a failover loses what was not acknowledged.
   */
  readonly mode?: 'output-commit' | 'async';
  /** Longest time between two epochs of a guest that writes, milliseconds, 1 to 60,000. Default 50. An output that waits cuts one at once. */
  readonly intervalMs?: number;
  /**
   * What a failover may lose at most with `async`, milliseconds, 2 to 60,000: epochs are cut as often as that takes, by how long they took to be acknowledged, instead of every
   * `intervalMs`. A target: a link that is slower than that exceeds it, and `lagMs` says so. Default: none.
   */
  readonly targetLagMs?: number;
  /** A member that acknowledges nothing for so long is dropped, milliseconds, 10 to 600,000. Default 1000. */
  readonly patienceMs?: number;
  /** How the guest shows that it works where it runs: one that does not is handed over to a standby that is in sync, if there is any. Default: it is not asked. */
  readonly health?: HealthOptions;
  /**
   * Called once where the guest runs, and its probes passed: announce an address, tell a load balancer. That it threw, or took more than ten seconds, is an event, and changes nothing else.
   */
  readonly announce?: (promotion: Promotion) => unknown;
  /**
   * A thread that renews the lease as long as this thread's event loop turns, and kills this process where the guest may still run although somebody else may have it by now: its own
   * thread hangs. Default: none, as it is not for a library to kill who uses it.
   */
  readonly keeper?: KeeperOptions;
  /** Bytes of frames that an epoch has at most at a standby. Default 256 MiB. */
  readonly maxEpochBytes?: number;
  /** Share of the thread that copying the guest to one that joins takes, 0.01 to 1. Default 0.3. */
  readonly cpuShare?: number;
}

type Optional = 'targetLagMs' | 'health' | 'announce' | 'keeper';

export type ResolvedMember = Required<Omit<MemberOptions, keyof TrustOptions | Optional>> & {
  readonly trust: TrustOptions;
  readonly targetLagMs: number | undefined;
  readonly health: Required<HealthOptions> | undefined;
  readonly announce: MemberOptions['announce'];
  readonly keeper: KeeperOptions | undefined;
};

const MiB = 2 ** 20;
const mostEpochBytes = 2 ** 40;

/** RangeError or TypeError naming the option. */
export function resolveMember(options: MemberOptions): ResolvedMember {
  const { name, member, lease, peers = [], mode = 'output-commit' } = options;
  checkMember(name, member);
  if (mode !== 'output-commit' && mode !== 'async') throw new RangeError(`mode ${mode}`);
  const { token, tls, insecure, targetLagMs, announce, keeper } = options;
  if (keeper?.hangMs !== undefined) inRange('hangMs', keeper.hangMs, 10, 600_000);
  const health = options.health === undefined ? undefined : resolveHealth(options.health);
  if (targetLagMs !== undefined) inRange('targetLagMs', targetLagMs, 2, 60_000);
  const trust = {
    ...(token === undefined ? {} : { token }),
    ...(tls === undefined ? {} : { tls }),
    ...(insecure === undefined ? {} : { insecure }),
  };
  credentialsOf(trust);
  return {
    ...{ name, member, lease, peers, mode, trust, targetLagMs, health, announce, keeper },
    intervalMs: inRange('intervalMs', options.intervalMs ?? 50, 1, 60_000),
    patienceMs: inRange('patienceMs', options.patienceMs ?? 1000, 10, 600_000),
    maxEpochBytes: inRange(
      'maxEpochBytes',
      options.maxEpochBytes ?? 256 * MiB,
      MiB,
      mostEpochBytes,
    ),
    cpuShare: inRange('cpuShare', options.cpuShare ?? 0.3, 0.01, 1),
  };
}

/** ERR_FENCED, as somebody who cannot go on is told. */
export function fenced(what: string): FerryError {
  return new FerryError('ERR_FENCED', what);
}
