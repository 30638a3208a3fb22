/** Every code a FerryError can carry. A closed list: docs/errors.md says for each what to do. */
export const ferryErrorCodes = [
  'ERR_ABORTED',
  'ERR_NOT_LOOPBACK',
  'ERR_AUTH',
  'ERR_NOT_A_PEER',
  'ERR_VERSION',
  'ERR_PEER_TIMEOUT',
  'ERR_CONNECTION_LOST',
  'ERR_BUSY',
  'ERR_FRAME_TOO_LARGE',
  'ERR_FRAME_CORRUPT',
  'ERR_UNEXPECTED_MESSAGE',
  'ERR_OUT_OF_RANGE',
  'ERR_PAGE_SIZE',
  'ERR_IMAGE_TOO_LARGE',
  'ERR_REGION_TOO_LARGE',
  'ERR_STATE_TOO_LARGE',
  'ERR_NO_CAPACITY',
  'ERR_INCOMPATIBLE',
  'ERR_NOT_CONVERGING',
  'ERR_SOURCE_CHANGED',
  'ERR_SOURCE_LOST',
  'ERR_MISSED_WRITE',
  'ERR_DIGEST',
  'ERR_OUTCOME_UNKNOWN',
  'ERR_START_FAILED',
  'ERR_GUEST',
  'ERR_IO',
  'ERR_DISK_FULL',
  'ERR_STORE_CORRUPT',
  'ERR_STORE_VERSION',
  'ERR_FENCED',
  'ERR_LEASE_LOST',
  'ERR_LEASE_UNKNOWN',
  'ERR_UNSUPPORTED',
] as const;

export type FerryErrorCode = (typeof ferryErrorCodes)[number];

/**
 * What the network, the peer, the guest or the disk did wrong. `code` is API, the message is not.
 * A caller's own mistakes are TypeError or RangeError instead.
 */
export class FerryError extends Error {
  override readonly name = 'FerryError';
  readonly code: FerryErrorCode;

  constructor(code: FerryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** `error` itself where it is a FerryError, else one with `code` that has it as its cause. */
export function asFerryError(error: unknown, code: FerryErrorCode): FerryError {
  if (error instanceof FerryError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new FerryError(code, message, { cause: error });
}
