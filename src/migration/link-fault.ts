import { FerryError } from '../errors.js';
import { FrameDamage } from '../protocol/damage.js';

/** Whether a connection ended for what links do: another may serve better. What a peer says against the protocol it would say again. */
export function isLinkFault({ code }: FerryError): boolean {
  return code === 'ERR_CONNECTION_LOST' || code === 'ERR_PEER_TIMEOUT';
}

/** Why a connection ended, as its session sees it: one that changes bytes on the way is as good as lost. */
export function lossOf(error: FerryError): FerryError {
  if (!(error instanceof FrameDamage)) return error;
  return new FerryError('ERR_CONNECTION_LOST', `damaged on the way: ${error.message}`, {
    cause: error,
  });
}
