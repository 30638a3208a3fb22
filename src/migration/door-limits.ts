import { readdirSync, readFileSync } from 'node:fs';
import type { DoorLimits } from '../transport/index.js';

/** Descriptors this process may still open. */
export interface Descriptors {
  readonly limit: number;
  readonly open: number;
}

/** Connections that belong to no session (yet), and those of them that may come from one address. */
const maxStrangers = 256;
const maxStrangersPerAddress = 128;
/** Files that a session may have open: its image, the folder, a lock, an older image. */
const filesPerSession = 4;
/** For what else the process opens: a journal, sockets that are just being closed, modules. */
const spare = 16;

/**
 * How many connections a listener keeps. Where the process may not have enough descriptors for all of them strangers get a quarter of what there
 * is, and sessions the rest, a third of which is for their files: so strangers alone never use them up. `descriptors` undefined: nobody knows.
 */
export function doorLimits(
  maxSessions: number,
  maxConnections: number,
  descriptors: Descriptors | undefined = ownDescriptors(),
): DoorLimits {
  // Each session may have one more: who asks anew while the connection before is not known to be dead.
  const members = maxSessions * (maxConnections + 1);
  const all = { strangers: maxStrangers, strangersPerAddress: maxStrangersPerAddress, members };
  if (descriptors === undefined) return all;
  const free = Math.max(0, descriptors.limit - descriptors.open - spare);
  if (free >= maxStrangers + members + maxSessions * filesPerSession) return all;
  const strangers = Math.min(maxStrangers, Math.max(2, Math.floor(free / 4)));
  return {
    strangers,
    strangersPerAddress: Math.min(maxStrangersPerAddress, Math.ceil(strangers / 2)),
    members: Math.min(members, Math.max(1, Math.floor(((free - strangers) * 2) / 3))),
  };
}

/** Undefined where the system does not say: only Linux does. */
function ownDescriptors(): Descriptors | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const soft = /^Max open files\s+(\d+|unlimited)\s/m.exec(limits)?.[1];
    if (soft === undefined) return undefined;
    const limit = soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
    return { limit, open: readdirSync('/proc/self/fd').length };
  } catch {
    return undefined;
  }
}
