import { readdirSync, readFileSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { FerryError } from '../errors.js';
import { lockDescriptor } from './flock.js';
import { identityOf, killForReal, type ProcessIdentity } from './process-identity.js';

/** How long a change waits for others that are made at the same time, before it looks who is making one. */
const turnMs = 1000;
/** How long the kernel may take to end a process that was killed. */
const killedMs = 2000;

interface LockHolder {
  readonly process: ProcessIdentity;
  /** The kernel's line of the lock: it names the flock(1) that took it, so the next lock of the same process has another. */
  readonly lock: string;
}

/**
 * Takes the lock of the file at `path`, which is made if there is none; closing it ends the turn. A process that has had one and the same turn for `hungMs` hangs, and would keep
 * everybody from taking over: it is killed, as one that hangs with a lease is. ERR_LEASE_UNKNOWN after at most `hungMs` and three seconds.
 */
export async function takeTurn(path: string, hungMs: number): Promise<FileHandle> {
  const file = await open(path, 'a', 0o600);
  try {
    if (await lockDescriptor(file.fd, turnMs)) return file;
    const before = await lockHolder(file);
    if (await lockDescriptor(file.fd, hungMs)) return file;
    const after = await lockHolder(file);
    const reason = putOut(before, after) ?? 'who had it was killed, and has it still';
    if (await lockDescriptor(file.fd, killedMs)) return file;
    throw new FerryError('ERR_LEASE_UNKNOWN', `no turn at ${path}: ${reason}`);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Kills whoever had the lock before and has it still. Why it did not, if so. */
function putOut(before?: LockHolder, after?: LockHolder): string | undefined {
  if (before === undefined || after === undefined) return 'who has it is not seen from here';
  if (before.lock !== after.lock || before.process.pid !== after.process.pid) {
    return 'others have it all the time';
  }
  return killForReal(before.process);
}

/** Who has the lock of an open file, as the kernel says it; undefined: nobody, or nobody that this user sees. */
async function lockHolder(file: FileHandle): Promise<LockHolder | undefined> {
  const { dev, ino } = await file.stat();
  const locked = new RegExp(`^lock:.* FLOCK .*:${ino} 0 EOF$`, 'm');
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
        const said = readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'latin1');
        const lock = locked.exec(said)?.[0];
        if (lock === undefined) continue;
        // Other file systems have files of this number too.
        const isIt = statSync(`/proc/${pid}/fd/${descriptor}`).dev === dev;
        const process = identityOf(Number(pid));
        if (isIt && process !== undefined) return { process, lock };
      }
    } catch {
      // It ended meanwhile, or is another user's.
    }
  }
  return undefined;
}
