import { FerryError } from '../errors.js';

/** ERR_GUEST: bytes that are no WebAssembly module, found at byte `at`. */
export function malformed(what: string, at?: number): FerryError {
  const where = at === undefined ? '' : ` (at byte ${at})`;
  return new FerryError('ERR_GUEST', `not a WebAssembly module: ${what}${where}`);
}

/** ERR_UNSUPPORTED: a module with something that the rewriter does not know, or may not touch. */
export function unsupported(what: string): FerryError {
  return new FerryError('ERR_UNSUPPORTED', `cannot instrument this module: ${what}`);
}
