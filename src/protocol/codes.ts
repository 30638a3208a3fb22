import type { FerryErrorCode } from '../errors.js';
import {
  type Abort,
  type Accept,
  type Hashes,
  type Held,
  type Hello,
  type MessageName,
  messageType,
  type SessionStanding,
  type StateDelta,
} from './messages.js';
import { type WireEnum, wireEnum } from './wire-enum.js';

/*
 * Every number here is part of the format (docs/protocol.md section 3): numbers are added, never
 * changed or used again. 0 is left out everywhere, so that cleared memory is never a valid message.
 */

export const messageNames: WireEnum<MessageName> = wireEnum(messageType);

export const roles: WireEnum<Hello['role']> = wireEnum({
  main: 1,
  ask: 2,
  pages: 3,
  replica: 4,
});

export const standings: WireEnum<SessionStanding> = wireEnum({
  new: 1,
  receiving: 2,
  ready: 3,
  running: 4,
  aborted: 5,
  'start-failed': 6,
  unknown: 7,
});

export const bases: WireEnum<Accept['bases'][number]> = wireEnum({
  zero: 1,
  unknown: 2,
  held: 3,
});

export const hashLevels: WireEnum<Hashes['level']> = wireEnum({ leaf: 1, page: 2 });

export const heldLevels: WireEnum<Held['level']> = wireEnum({ range: 1, page: 2 });

export const statePurposes: WireEnum<StateDelta['purpose']> = wireEnum({ rehearsal: 1, final: 2 });

export const abortScopes: WireEnum<Abort['scope']> = wireEnum({ switchover: 1, session: 2 });

/** u16 numbers of the error codes that REJECT, FAILED, START_FAILED and ABORT carry. */
const errorNumbers: Readonly<Record<FerryErrorCode, number>> = {
  ERR_ABORTED: 1,
  ERR_NOT_LOOPBACK: 2,
  ERR_AUTH: 3,
  ERR_NOT_A_PEER: 4,
  ERR_VERSION: 5,
  ERR_PEER_TIMEOUT: 6,
  ERR_CONNECTION_LOST: 7,
  ERR_BUSY: 8,
  ERR_FRAME_TOO_LARGE: 9,
  ERR_FRAME_CORRUPT: 10,
  ERR_UNEXPECTED_MESSAGE: 11,
  ERR_OUT_OF_RANGE: 12,
  ERR_PAGE_SIZE: 13,
  ERR_IMAGE_TOO_LARGE: 14,
  ERR_REGION_TOO_LARGE: 15,
  ERR_STATE_TOO_LARGE: 16,
  ERR_NO_CAPACITY: 17,
  ERR_INCOMPATIBLE: 18,
  ERR_NOT_CONVERGING: 19,
  ERR_SOURCE_CHANGED: 20,
  ERR_SOURCE_LOST: 21,
  ERR_MISSED_WRITE: 22,
  ERR_DIGEST: 23,
  ERR_OUTCOME_UNKNOWN: 24,
  ERR_START_FAILED: 25,
  ERR_GUEST: 26,
  ERR_IO: 27,
  ERR_DISK_FULL: 28,
  ERR_STORE_CORRUPT: 29,
  ERR_STORE_VERSION: 30,
  ERR_FENCED: 31,
  ERR_LEASE_LOST: 32,
  ERR_LEASE_UNKNOWN: 33,
  ERR_UNSUPPORTED: 34,
};

export const errorCodes: WireEnum<FerryErrorCode> = wireEnum(errorNumbers);

/** byteLength, as u64, of a REGION that vanished. */
export const vanished = 0xffff_ffff_ffff_ffffn;
