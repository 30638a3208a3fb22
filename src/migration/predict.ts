import { FerryError } from '../errors.js';
import { fileGuest } from '../guests/file.js';
import type { Guest } from '../guests/guest.js';
import { systemClock } from './clock.js';
import { type Watched, watchGuest } from './guest-watch.js';
import { KnownLink } from './known-link.js';
import { lastScanPagesOf } from './last-scan.js';
import { measureLoopback } from './loopback.js';
import { type MigrateOptions, type ResolvedOptions, resolveOptions } from './options.js';
import { outlookOf } from './outlook.js';
import type { Prospect } from './prospect.js';
import { cpuShareOf, makeLimits } from './source-plan.js';
import { WriteModel } from './write-model.js';

/** What the migration would be given, and what is known of its link. All optional. */
export interface PredictOptions
  extends Pick<
    MigrateOptions,
    | 'maxDowntimeMs'
    | 'settle'
    | 'onStall'
    | 'connections'
    | 'shadowBytes'
    | 'baseCacheBytes'
    | 'patches'
    | 'compression'
    | 'cpuShare'
    | 'signal'
  > {
  /** Of a path: something else keeps writing the file. Default false. */
  readonly live?: boolean;
  /** How long it is watched, behind a first look at everything: more than 0, at most 86,400. Default 3. */
  readonly seconds?: number;
  /** What the link carries, bytes a second, above 0. Default: measured on this machine's loopback. */
  readonly bytesPerSecond?: number;
  /** Round trip of the link, milliseconds, 0 to 100,000. Default: measured on this machine's loopback. */
  readonly rttMs?: number;
  /** Called now and then with the share of the work that is done, 0 to 1, which never falls. */
  readonly onProgress?: (share: number) => void;
}

const defaultSeconds = 3;
const mostSeconds = 86_400;
const mostRttMs = 100_000;

/**
 * Predicts what migrating a guest, or sending the file at a path, will be: rounds, bytes, time, downtime. It is watched as it runs, with
 * the tracker and the engine that would move it, and neither paused nor changed; no peer is needed. Not to be called while the guest is migrated.
 * TypeError or RangeError for options, ERR_IO for a file that cannot be read, ERR_SOURCE_CHANGED for one that shrinks or, not being `live`,
 * changes; ERR_ABORTED by `signal`; what the guest's tracker and regions throw.
 */
export async function predict(
  target: Guest | string,
  options: PredictOptions = {},
): Promise<Prospect> {
  const job = resolve(options);
  if (typeof target !== 'string') return predictGuest(target, job);
  const guest = await fileGuest(target, { live: options.live ?? false });
  try {
    return await predictGuest(guest, job);
  } finally {
    await guest.close();
  }
}

interface Job {
  readonly options: ResolvedOptions;
  readonly watchMs: number;
  readonly bytesPerSecond: number | undefined;
  readonly rttMs: number | undefined;
  /** Tells how far it is. Throws ERR_ABORTED. */
  readonly onStep: (share: number) => void;
}

function resolve(options: PredictOptions): Job {
  const { live: _, seconds = defaultSeconds, rttMs, signal, onProgress, ...same } = options;
  checkNumber('seconds', seconds);
  if (!(seconds > 0 && seconds <= mostSeconds)) {
    throw new RangeError(`seconds must be more than 0 and at most ${mostSeconds}, got ${seconds}`);
  }
  if (rttMs !== undefined) checkNumber('rttMs', rttMs);
  if (rttMs !== undefined && !(rttMs >= 0 && rttMs <= mostRttMs)) {
    throw new RangeError(`rttMs must be 0 to ${mostRttMs}, got ${rttMs}`);
  }
  const onStep = (share: number): void => {
    if (signal?.aborted === true) {
      throw new FerryError('ERR_ABORTED', 'cancelled here', { cause: signal.reason });
    }
    onProgress?.(share);
  };
  const { bytesPerSecond } = options;
  return { options: resolveOptions(same), watchMs: seconds * 1000, bytesPerSecond, rttMs, onStep };
}

function checkNumber(name: string, value: unknown): void {
  if (typeof value === 'number') return;
  throw new TypeError(`${name} must be a number, got ${typeof value}`);
}

async function predictGuest(guest: Guest, job: Job): Promise<Prospect> {
  const { options, watchMs, onStep } = job;
  onStep(0);
  const link = await linkOf(job);
  const watched = await watchGuest(guest, {
    options,
    meter: new KnownLink(link),
    watchMs,
    cpuShare: cpuShareOf(guest, options),
    clock: systemClock,
    onStep,
  });
  onStep(1);
  const limits = makeLimits(guest, options);
  const { exact } = guest.tracker;
  const scanPages = lastScanPagesOf(guest);
  const handsOver = guest.handsOver ?? true;
  const inputs = { watched, link, limits, exact, scanPages, handsOver };
  const canPause = { ...limits, motion: 'pausable' } as const;
  return {
    ...outlookOf(inputs),
    totalBytes: watched.totalBytes,
    sampledShare: watched.sampledShare,
    watchedMs: watched.watchedMs,
    link,
    writes: writesOf(watched),
    ifPaused: limits.motion === 'unpausable' ? outlookOf({ ...inputs, limits: canPause }) : null,
  };
}

async function linkOf({ bytesPerSecond, rttMs }: Job): Promise<Prospect['link']> {
  const isGiven = bytesPerSecond !== undefined && rttMs !== undefined;
  const loopback = isGiven ? undefined : await measureLoopback();
  return {
    bytesPerSecond: bytesPerSecond ?? loopback?.bytesPerSecond ?? Number.POSITIVE_INFINITY,
    rttMs: rttMs ?? loopback?.rttMs ?? 0,
    bytesPerSecondFrom: bytesPerSecond === undefined ? 'loopback' : 'given',
    rttFrom: rttMs === undefined ? 'loopback' : 'given',
  };
}

function writesOf({ totalPages, writes }: Watched): Prospect['writes'] {
  const model = new WriteModel(totalPages, writes);
  const bytesPerPage = model.bytesPerPage(1000);
  if (bytesPerPage === undefined) return null;
  return { pagesPerSecond: model.pagesWithin(1000), bytesPerPage };
}
