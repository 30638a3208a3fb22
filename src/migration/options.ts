import { maxChannels } from '../protocol/limits.js';
import { ByteBudget } from './byte-budget.js';
import type { MigrationLease } from './lease-options.js';

/** `throttle` slows the guest step by step, `force` switches over whatever it takes, `cancel` gives up. */
export type StallPolicy = 'throttle' | 'force' | 'cancel';

/** How a migration behaves. All optional; everything is checked once, here. */
export interface MigrateOptions {
  /** Longest acceptable pause of the guest, milliseconds. Default 300, as QEMU's downtime-limit. */
  readonly maxDowntimeMs?: number;
  /** `best` (default) goes on while another round still cuts the pause by a third; `first` takes the first fit. */
  readonly settle?: 'best' | 'first';
  /** What to do when no round brings the pause down any more. Default `cancel`. */
  readonly onStall?: StallPolicy;
  /** Ceiling for live rounds, bytes a second; the last round is not bound. Default none. */
  readonly bytesPerSecond?: number;
  /** A ceiling that several migrations share, made by `sharedBudget`; their last rounds are not bound. Default none. */
  readonly budget?: ByteBudget;
  /** TCP connections that carry pages, 1 to 16: more where one alone cannot fill the link. Default 1. */
  readonly connections?: number;
  /** READY must be here this long after PREPARE. Default 2 x maxDowntimeMs. */
  readonly switchoverTimeoutMs?: number;
  /** Memory for the copy deltas are made against, bytes, at most; on fast links only pages sent twice are in it. Default 256 MiB. */
  readonly shadowBytes?: number;
  /** Beyond `shadowBytes`: memory for recently sent pages. Default 32 MiB. */
  readonly baseCacheBytes?: number;
  /**
   * Whether a changed page may be said by what moved there from elsewhere, where the destination takes that and there is a shadow: `auto`
   * (default) where the link is slow enough for it to save time, `always`, or `never`, which also saves its memory (0.29 of the shadow and 8 MiB).
   * Over several `connections`, and with `workers`, there are none.
   */
  readonly patches?: 'auto' | 'always' | 'never';
  /**
   * Whether frames leave compressed with LZ4, where the destination takes that: `auto` (default) where the link is slow enough for it to save time,
   * decided for each frame, `always` where it makes them smaller, or `never`.
   */
  readonly compression?: 'auto' | 'always' | 'never';
  /**
   * Whether frames of pages carry a checksum: `auto` (default) where nothing below the protocol has one, `always`, or `never`: damage on the way is then found
   * when the digests are compared, and its pages are sent again.
   */
  readonly checksum?: 'auto' | 'always' | 'never';
  /**
   * Threads that look at the guest's pages, 0 to 16: for regions in a SharedArrayBuffer and for files, which other threads can see; with any other
   * region it is ERR_UNSUPPORTED. They want cores that nobody else uses, `cpuShare` does not bind them, and there are no patches. Default 0: the
   * caller's thread does it.
   */
  readonly workers?: number;
  /** Share of the thread the engine takes while a guest runs on it, 0.01 to 1. Default 0.3; 1 for guests that are only copied. */
  readonly cpuShare?: number;
  /**
   * How long a connection lost before COMMIT is made again, and pages go on where they were, milliseconds; the guest runs here meanwhile. 0: not at all.
   * Default 30,000.
   */
  readonly maxOutageMs?: number;
  /** How often that is tried without success before it is given up. Default: as often as `maxOutageMs` allows. */
  readonly maxReconnects?: number;
  /** How long to ask a destination how it ended, of something only copied, or that owns the guest by its record for sure, milliseconds. Default 5000. */
  readonly outcomeTimeoutMs?: number;
  /** Cancels until COMMIT was sent; the source guest keeps running. */
  readonly signal?: AbortSignal;
  /** The guest has an owner record, which decides where it runs: docs/high-availability.md. Default: none. */
  readonly lease?: MigrationLease;
}

export type ResolvedOptions = Required<
  Omit<MigrateOptions, 'signal' | 'lease' | 'bytesPerSecond' | 'budget' | 'cpuShare'>
> & {
  /** Infinity: no ceiling. */
  readonly bytesPerSecond: number;
  readonly budget: ByteBudget | undefined;
  /** Undefined: depends on the guest. */
  readonly cpuShare: number | undefined;
};

const MiB = 1024 * 1024;
export const mostWorkers = 16;
/** Timers end at 2^31 ms, and some of ours run for twice an option. */
const longestMs = 1_000_000_000;

/** Throws TypeError or RangeError naming the option. */
export function resolveOptions(options: MigrateOptions = {}): ResolvedOptions {
  const maxDowntimeMs = milliseconds('maxDowntimeMs', options.maxDowntimeMs ?? 300);
  return Object.freeze({
    maxDowntimeMs,
    settle: oneOf('settle', options.settle ?? 'best', ['best', 'first']),
    onStall: oneOf('onStall', options.onStall ?? 'cancel', ['throttle', 'force', 'cancel']),
    bytesPerSecond: positive('bytesPerSecond', options.bytesPerSecond ?? Number.POSITIVE_INFINITY),
    budget: budgetOf(options.budget),
    connections: connectionsOf(options),
    switchoverTimeoutMs: milliseconds(
      'switchoverTimeoutMs',
      options.switchoverTimeoutMs ?? Math.min(2 * maxDowntimeMs, longestMs),
    ),
    shadowBytes: wholeBytes('shadowBytes', options.shadowBytes ?? 256 * MiB),
    baseCacheBytes: wholeBytes('baseCacheBytes', options.baseCacheBytes ?? 32 * MiB),
    patches: oneOf('patches', options.patches ?? 'auto', ['auto', 'always', 'never']),
    compression: oneOf('compression', options.compression ?? 'auto', ['auto', 'always', 'never']),
    checksum: oneOf('checksum', options.checksum ?? 'auto', ['auto', 'always', 'never']),
    workers: workersOf(options),
    cpuShare: options.cpuShare === undefined ? undefined : share('cpuShare', options.cpuShare),
    maxOutageMs: outage(options.maxOutageMs ?? 30_000),
    maxReconnects: wholeCount('maxReconnects', options.maxReconnects),
    outcomeTimeoutMs: milliseconds('outcomeTimeoutMs', options.outcomeTimeoutMs ?? 5000),
  });
}

/** Whether frames of pages carry a checksum: under an authenticated transport nothing changes a byte unseen. */
export function sumsPages({ checksum }: ResolvedOptions, isAuthenticated: boolean): boolean {
  return checksum === 'always' || (checksum === 'auto' && !isAuthenticated);
}

function positive(name: string, value: number): number {
  if (typeof value !== 'number')
    throw new TypeError(`${name} must be a number, got ${typeof value}`);
  if (!(value > 0)) throw new RangeError(`${name} must be > 0, got ${value}`);
  return value;
}

function budgetOf(value: ByteBudget | undefined): ByteBudget | undefined {
  if (value === undefined || value instanceof ByteBudget) return value;
  throw new TypeError('budget must be made by sharedBudget');
}

function connectionsOf({ connections = 1, patches }: MigrateOptions): number {
  if (!Number.isInteger(connections) || connections < 1 || connections > maxChannels) {
    throw new RangeError(
      `connections must be a whole number from 1 to ${maxChannels}, got ${connections}`,
    );
  }
  if (patches === 'always' && connections > 1) {
    throw new RangeError('patches travel over one connection only');
  }
  return connections;
}

function workersOf({ workers = 0, patches }: MigrateOptions): number {
  if (!Number.isInteger(workers) || workers < 0 || workers > mostWorkers) {
    throw new RangeError(`workers must be a whole number from 0 to ${mostWorkers}, got ${workers}`);
  }
  if (patches === 'always' && workers > 0) {
    throw new RangeError('patches are made on one thread only');
  }
  return workers;
}

function milliseconds(name: string, value: number): number {
  if (positive(name, value) > longestMs) {
    throw new RangeError(`${name} must be at most ${longestMs}, got ${value}`);
  }
  return value;
}

function outage(value: number): number {
  return value === 0 ? 0 : milliseconds('maxOutageMs', value);
}

function wholeCount(name: string, value = Number.POSITIVE_INFINITY): number {
  if (value !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(value) && value >= 0)) {
    throw new RangeError(`${name} must be a whole number, got ${value}`);
  }
  return value;
}

function wholeBytes(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${name} must be a whole number of bytes, got ${value}`);
  }
  return value;
}

function share(name: string, value: number): number {
  if (!(value >= 0.01 && value <= 1))
    throw new RangeError(`${name} must be 0.01 to 1, got ${value}`);
  return value;
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) {
    throw new RangeError(`${name} must be one of ${allowed.join(', ')}, got ${value}`);
  }
  return value;
}
