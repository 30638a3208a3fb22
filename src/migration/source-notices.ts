import type { Offer } from '../protocol/messages.js';
import type { MigrationEvent } from './events.js';

/** What was put before the destination. */
export function offeredNotice(session: Uint8Array, { regions }: Offer): MigrationEvent {
  return {
    type: 'offered',
    session: Buffer.from(session).toString('hex'),
    totalBytes: regions.reduce((sum, region) => sum + region.byteLength, 0),
    regions: regions.length,
  };
}

/** The engine does not answer whether the source's claim or the destination's was first. */
export function claimDoubtNotice(session: string): {
  readonly type: 'in-doubt';
  readonly session: string;
  readonly message: string;
} {
  const message =
    'COMMIT was sent, and the engine does not say who owns the guest (ERR_LEASE_UNKNOWN): it stays paused until it does';
  return { type: 'in-doubt', session, message };
}

export function doubtNotice(session: Uint8Array, { handsOver }: Offer): MigrationEvent {
  return {
    type: 'in-doubt',
    session: Buffer.from(session).toString('hex'),
    message: handsOver
      ? 'COMMIT was sent and no answer came: the guest stays paused here until the destination can be asked'
      : 'COMMIT was sent and no answer came: the destination is asked how the copy ended',
  };
}
