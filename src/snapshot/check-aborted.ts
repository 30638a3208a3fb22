import { FerryError } from '../errors.js';

/** ERR_ABORTED once `signal` was aborted. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new FerryError('ERR_ABORTED', 'it was ended before it was done', {
      cause: signal.reason,
    });
  }
}
