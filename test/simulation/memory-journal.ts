import type { Journal } from '../../src/migration/journal.js';

/** A journal that outlives the processes of a simulation, as a disk would. */
export function memoryJournal(): Journal {
  const entries = new Map<string, Uint8Array>();
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  return {
    started: async (session, digest) => void entries.set(hex(session), digest.slice()),
    notStarted: async (session) => void entries.delete(hex(session)),
    find: async (session) => entries.get(hex(session)),
  };
}
