import { FerryError } from '../errors.js';

/** Errors of the system that mean a mistake on this side, not a peer or a link that is gone. */
const local: ReadonlySet<string> = new Set([
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'EACCES',
  'EPERM',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
]);

/**
 * An error of the system as a coded one: ERR_IO where this side is at fault (address in use, no
 * descriptor left), else ERR_CONNECTION_LOST (refused, reset, broken pipe, unreachable, no such name).
 * `doing` opens the message: "no connection to HOST:PORT".
 */
export function socketError(error: unknown, doing: string): FerryError {
  const code = systemCode(error);
  const kind = local.has(code) ? 'ERR_IO' : 'ERR_CONNECTION_LOST';
  // An AggregateError (each address of a name was tried) has a code but no message.
  return new FerryError(kind, `${doing}: ${code}`, { cause: error });
}

function systemCode(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error) return String(error.code);
  return String(error);
}
