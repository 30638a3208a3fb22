import type { Guest, MigrateOptions, MigrationReport } from '../src/index.js';
import { migrate } from '../src/index.js';

/** One finished migration, as its source saw it. */
export interface Transfer {
  readonly session: string;
  readonly report: MigrationReport;
  /** From the offer until the source knew that the guest runs over there, milliseconds. */
  readonly fromOfferMs: number;
  /** The first pass: everything, once, until it was acknowledged. */
  readonly firstRound: { readonly sentBytes: number; readonly durationMs: number };
}

export interface TransferTo {
  readonly host?: string;
  readonly port: number;
  /** Beyond this machine. */
  readonly insecure?: boolean;
  /** Over TLS. */
  readonly token?: string;
}

/** Moves `guest` and ends once it has arrived. `atSwitchover` is called just before the guest is asked to pause. */
export async function transfer(
  guest: Guest,
  to: TransferTo,
  options: MigrateOptions = {},
  atSwitchover: () => void = () => {},
): Promise<Transfer> {
  const migration = migrate(guest, { host: '127.0.0.1', ...to, ...options });
  let session = '';
  let offeredAt = Number.NaN;
  let firstRound: Transfer['firstRound'] = { sentBytes: 0, durationMs: Number.NaN };
  for await (const event of migration) {
    if (event.type === 'offered') {
      session = event.session;
      offeredAt = performance.now();
    }
    if (event.type === 'round' && event.round === 1) firstRound = event;
    if (event.type === 'switchover') atSwitchover();
  }
  const report = await migration.done;
  return { session, report, fromOfferMs: performance.now() - offeredAt, firstRound };
}
