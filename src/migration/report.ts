import type { Guest } from '../guests/guest.js';
import type { MigrationReport } from './events.js';
import type { Meter } from './meter.js';
import type { TransferSummary } from './transfer.js';

/** Puts the finished migration's numbers together. */
export function makeReport(facts: {
  readonly guest: Guest;
  readonly summary: TransferSummary;
  readonly meter: Meter;
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
    throttle: facts.throttle,
    cpuMs: (cpu.user + cpu.system) / 1000,
  };
}
