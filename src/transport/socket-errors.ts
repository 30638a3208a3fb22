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

/** Errors of TLS and of OpenSSL's look at a certificate (X509_V_ERR_*, as Node names them). */
const untrusted =
  /^(ERR_SSL_|ERR_TLS_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_(CA|PURPOSE)|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH|ERROR_IN_CERT_)/;

/**
 * An error of the system as a coded one, one that is coded as it is: ERR_AUTH where TLS does not trust the other end, or the other way round; ERR_IO where this side is at fault (address in use, no
 * descriptor left), else ERR_CONNECTION_LOST (refused, reset, broken pipe, unreachable, no such name).
 * `doing` opens the message: "no connection to HOST:PORT".
 */
export function socketError(error: unknown, doing: string): FerryError {
  if (error instanceof FerryError) return error;
  const code = systemCode(error);
  if (untrusted.test(code)) {
    return new FerryError('ERR_AUTH', `${doing}: ${code}`, { cause: error });
  }
  const kind = local.has(code) ? 'ERR_IO' : 'ERR_CONNECTION_LOST';
  // An AggregateError (each address of a name was tried) has a code but no message.
  return new FerryError(kind, `${doing}: ${code}`, { cause: error });
}

function systemCode(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error) return String(error.code);
  return String(error);
}
