import type { Guest } from '../guests/guest.js';
import type { Downtime, MigrationReport, Prediction } from './events.js';
import type { Meter } from './meter.js';
import type { Tally } from './tally.js';

/** What the transfer knows of itself once the guest runs over there. */
export interface TransferSummary {
  /** Live passes. */
  readonly rounds: number;
  readonly retreats: number;
  readonly totalPages: number;
  readonly tally: Tally;
  readonly lastRoundPages: number;
  /** Null where nothing was paused, as are the next two. */
  readonly downtime: Downtime | null;
  readonly predictedDowntimeMs: number | null;
  readonly prediction: Prediction | null;
  readonly repaired: number;
  readonly digest: Uint8Array;
}

/** Puts the finished migration's numbers together. */
export function makeReport(facts: {
  readonly guest: Guest;
  readonly summary: TransferSummary;
  readonly meter: Meter;
  readonly interruptions: number;
  readonly throttle: number;
  readonly totalMs: number;
  readonly cpuFrom: NodeJS.CpuUsage;
}): MigrationReport {
  const { summary, meter } = facts;
  const cpu = process.cpuUsage(facts.cpuFrom);
  return {
    verified: facts.guest.motion === 'unpausable' ? 'stream' : 'memory',
    rounds: summary.rounds,
    pagesSent: summary.tally.pages,
    bytesSent: summary.tally.bytes,
    pagesByKind: summary.tally.pagesByKind,
    bytesByKind: summary.tally.bytesByKind,
    compressed: summary.tally.compressed,
    lastRoundPages: summary.lastRoundPages,
    totalPages: summary.totalPages,
    totalMs: facts.totalMs,
    downtimeMs: summary.downtime?.totalMs ?? null,
    downtime: summary.downtime,
    predictedDowntimeMs: summary.predictedDowntimeMs,
    prediction: summary.prediction,
    digest: Buffer.from(summary.digest).toString('hex'),
    repaired: summary.repaired,
    bytesPerSecond: meter.bytesPerSecond ?? null,
    rttMs: meter.rttMs,
    retreats: summary.retreats,
    interruptions: facts.interruptions,
    throttle: facts.throttle,
    cpuMs: (cpu.user + cpu.system) / 1000,
  };
}
