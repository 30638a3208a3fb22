import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { processStartTime } from '../guests/process-stat.js';

/** A process, named for ever: not whoever gets its number next. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startTime: string;
  /** Of the boot, and of the namespace in which `pid` counts. */
  readonly boot: string;
  readonly pidNamespace: string;
}

/** This process. Linux only: undefined elsewhere, and where /proc says nothing, or counts processes of another namespace. */
export function thisProcess(): ProcessIdentity | undefined {
  try {
    return readlinkSync('/proc/self') === `${process.pid}` ? identityOf(process.pid) : undefined;
  } catch {
    return undefined;
  }
}

/** Process `pid`; undefined if there is none. Throws where it is not for this user to see. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const startTime = processStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime, ...place(pid) };
}

/** Whether it still runs, or only stands; undefined: that cannot be seen from here. */
export function isThere({
  pid,
  startTime,
  boot,
  pidNamespace,
}: ProcessIdentity): boolean | undefined {
  const here = place(process.pid);
  if (here.boot !== boot) return false;
  if (here.pidNamespace !== pidNamespace) return undefined;
  return processStartTime(pid) === startTime;
}

/** Kills it for real. Why it cannot be, if so: it is another user's, or not seen from here; nothing happens then. */
export function killForReal(identity: ProcessIdentity): string | undefined {
  const seen = isThere(identity);
  if (seen === undefined) return 'it is in another process namespace';
  if (!seen) return undefined;
  const { pid, startTime } = identity;
  if (pid === process.pid) return 'it is this process, by another thread';
  try {
    if (statSync(`/proc/${pid}`).uid !== process.getuid?.()) return 'it is another user’s';
    // Once more, right before: numbers are given again.
    if (processStartTime(pid) === startTime) process.kill(pid, 'SIGKILL');
    return undefined;
  } catch (error) {
    return isThere(identity) === false ? undefined : (error as Error).message;
  }
}

function place(of: number): { readonly boot: string; readonly pidNamespace: string } {
  return {
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    pidNamespace: readlinkSync(`/proc/${of}/ns/pid`),
  };
}
