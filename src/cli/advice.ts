import type { FerryErrorCode } from '../errors.js';

export interface Advice {
  /** Which side finds it. */
  readonly side: 'source' | 'destination' | 'either';
  /** When. */
  readonly phase: string;
  /** What to do, one sentence. */
  readonly todo: string;
}

const anywhere = 'any phase';
const start = 'before pages move';

/** What to do about each code. Printed behind every error; docs/errors.md is made of it. */
export const adviceFor: Readonly<Record<FerryErrorCode, Advice>> = {
  ERR_ABORTED: advise('either', anywhere, 'Start it again when you want it to go on.'),
  ERR_NOT_LOOPBACK: advise(
    'either',
    start,
    'Give both sides --token-file or --tls-dir; on a network you trust, --insecure.',
  ),
  ERR_AUTH: advise('either', start, 'Give both sides the same credentials, or a store its key.'),
  ERR_NOT_A_PEER: advise('either', start, 'Check the port: something else listens there.'),
  ERR_VERSION: advise('either', start, 'Use the same pageferry version on both sides.'),
  ERR_PEER_TIMEOUT: advise('either', anywhere, 'Check that the peer runs and try again.'),
  ERR_CONNECTION_LOST: advise(
    'either',
    anywhere,
    'Check the peer and the network, then try again.',
  ),
  ERR_BUSY: advise('destination', start, 'Wait for the other transfer, then try again.'),
  ERR_FRAME_TOO_LARGE: advise('either', anywhere, 'Use the same pageferry version on both sides.'),
  ERR_FRAME_CORRUPT: advise(
    'either',
    anywhere,
    'Try again; if it stays, suspect the network or the memory of either machine.',
  ),
  ERR_UNEXPECTED_MESSAGE: advise(
    'either',
    anywhere,
    'Use the same version on both sides; if they are, report it with a recording (--record).',
  ),
  ERR_OUT_OF_RANGE: advise(
    'either',
    anywhere,
    'Check what was asked for, or what the source offers: it is not taken.',
  ),
  ERR_PAGE_SIZE: advise('destination', start, 'Use a source with pages of 4096 bytes.'),
  ERR_IMAGE_TOO_LARGE: advise('destination', start, 'Raise --max-image at the destination.'),
  ERR_REGION_TOO_LARGE: advise(
    'destination',
    'while pages move',
    'Try again when it grows less, or raise --max-image at the destination.',
  ),
  ERR_STATE_TOO_LARGE: advise('either', 'switchover', 'Raise maxStateBytes on both sides.'),
  ERR_NO_CAPACITY: advise('either', start, 'Make room on the side that says so, then try again.'),
  ERR_INCOMPATIBLE: advise('destination', start, 'Run the same program at both sides.'),
  ERR_NOT_CONVERGING: advise(
    'source',
    'while pages move',
    'Allow a longer --max-downtime, slow the writer, or give it more bandwidth.',
  ),
  ERR_SOURCE_CHANGED: advise(
    'source',
    'while pages move',
    'Send it when nothing writes it, or follow it with --live.',
  ),
  ERR_SOURCE_LOST: advise('destination', anywhere, 'Look why the source ended, then try again.'),
  ERR_MISSED_WRITE: advise(
    'source',
    'switchover',
    'Mark every write of the guest, or use another tracker.',
  ),
  ERR_DIGEST: advise(
    'either',
    'switchover',
    'Try again; if it stays, report it with a recording (--record).',
  ),
  ERR_OUTCOME_UNKNOWN: advise(
    'source',
    'in doubt',
    'Look at the destination: whether it runs there decides what to do here.',
  ),
  ERR_START_FAILED: advise('destination', 'switchover', 'Look why the guest cannot start there.'),
  ERR_GUEST: advise('either', anywhere, 'Look at the guest: it or the engine failed.'),
  ERR_IO: advise('either', anywhere, 'Check that the path or address exists and is yours to use.'),
  ERR_DISK_FULL: advise('destination', anywhere, 'Make room on the disk, then try again.'),
  ERR_STORE_CORRUPT: advise(
    'either',
    start,
    'Use another copy: this one is damaged. Of a store, verify says which snapshots are good.',
  ),
  ERR_STORE_VERSION: advise('either', start, 'Read it with the version that wrote it.'),
  ERR_FENCED: advise('source', anywhere, 'Nothing: another side owns the guest.'),
  ERR_LEASE_LOST: advise('either', anywhere, 'Check the lease service, then try again.'),
  ERR_LEASE_UNKNOWN: advise('either', anywhere, 'Check the lease service.'),
  ERR_UNSUPPORTED: advise('either', anywhere, 'Install what is missing, or do without it.'),
};

function advise(side: Advice['side'], phase: string, todo: string): Advice {
  return { side, phase, todo };
}
