import type { TLSSocket } from 'node:tls';
import { FerryError } from '../errors.js';

/** The connections this process opened, by what only their two ends know, and the port each left from. */
const dialled = new Map<string, number | undefined>();

/** This process opened `socket`, whose ends share `secret`. */
export function noteDialled(socket: TLSSocket, secret: Buffer): void {
  const key = secret.toString('hex');
  dialled.set(key, socket.localPort);
  socket.once('close', () => dialled.delete(key));
}

/**
 * A token that is good in both directions would let somebody in the middle hand a source's connection back to a listener of the same process,
 * which it would take for its destination (Drucker and Gueron, "Selfie: reflections on TLS 1.3 with PSK", 2019). ERR_AUTH where `socket`, which
 * was accepted, is one that this process opened to somewhere else.
 */
export function refuseReflected(socket: TLSSocket, secret: Buffer): void {
  const key = secret.toString('hex');
  if (!dialled.has(key) || dialled.get(key) === socket.remotePort) return;
  throw new FerryError('ERR_AUTH', 'the other end is this process itself, through somebody else');
}
