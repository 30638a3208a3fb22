import { asFerryError, FerryError } from '../errors.js';
import type { Guest } from '../guests/guest.js';
import type { MigrationEvent, MigrationReport } from './events.js';
import type { GuestControl } from './guest-control.js';
import type { Meter } from './meter.js';
import { makeReport } from './report.js';
import type { SourceState } from './source-states.js';
import type { Transfer } from './transfer.js';

export interface SourceEnd {
  readonly state: SourceState;
  readonly guest: Guest;
  readonly control: GuestControl;
  readonly transfer: Transfer | undefined;
  readonly meter: Meter;
  readonly interruptions: number;
  readonly totalMs: number;
  readonly cpuFrom: NodeJS.CpuUsage;
  /** Resolves when the destination was told what it has to hear. */
  readonly farewell: Promise<void>;
  readonly emit: (event: MigrationEvent) => void;
  /** Why the guest does not run here, where it is another's. */
  readonly fenced?: () => FerryError | undefined;
}

/**
 * Leaves the source's guest as the outcome wants it, then gives the report. Rejects with why the migration failed, or with ERR_GUEST where
 * the guest was to run on here and cannot.
 */
export async function endSource(end: SourceEnd): Promise<MigrationReport> {
  const { state, control, emit } = end;
  await settle(end);
  const { stuck } = control;
  if (stuck !== undefined) {
    const after = state.phase === 'failed' ? `${state.error.message}; and then ` : '';
    const what = `${after}the guest could not be continued here: ${stuck.message}`;
    throw new FerryError('ERR_GUEST', what, { cause: stuck });
  }
  const fenced = end.fenced?.();
  if (fenced !== undefined) throw fenced;
  const report = reportOf(end);
  if (state.phase === 'completed' && end.guest.handsOver !== false) await tell(end.guest);
  if (report !== undefined) {
    emit({ type: 'completed', ...report });
    return report;
  }
  if (state.phase === 'failed') throw state.error;
  throw new FerryError('ERR_UNEXPECTED_MESSAGE', 'ended without a report');
}

async function settle({ guest, control, transfer, farewell }: SourceEnd): Promise<void> {
  try {
    guest.tracker.stop();
    control.fullSpeed();
  } catch (error) {
    throw asFerryError(error, 'ERR_GUEST');
  }
  await transfer?.close();
  if (guest.handsOver === false) await control.resume().catch(() => {});
  await control.idle();
  await farewell;
}

async function tell(guest: Guest): Promise<void> {
  try {
    await guest.handedOver?.();
  } catch {
    // It is gone from here, whatever it makes of that.
  }
}

function reportOf(end: SourceEnd): MigrationReport | undefined {
  const summary = end.state.phase === 'completed' ? end.transfer?.summary() : undefined;
  if (summary === undefined) return undefined;
  return makeReport({
    guest: end.guest,
    summary,
    meter: end.meter,
    interruptions: end.interruptions,
    throttle: end.control.throttle,
    totalMs: end.totalMs,
    cpuFrom: end.cpuFrom,
  });
}
