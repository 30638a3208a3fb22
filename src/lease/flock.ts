import { type ChildProcess, spawn } from 'node:child_process';
import { FerryError } from '../errors.js';

/** What flock(1) ends with where somebody else has the lock. */
const taken = 75;

/**
 * Takes an exclusive lock on an open file by flock(1): the lock belongs to what was opened, so it stays with this process's descriptor until that is closed, and the kernel frees it
 * when the process ends, however it does. Waits up to `waitMs`. False where another has it. ERR_UNSUPPORTED where there is no flock(1).
 */
export function lockDescriptor(descriptor: number, waitMs: number): Promise<boolean> {
  const wait = waitMs > 0 ? ['-w', (waitMs / 1000).toFixed(3)] : ['-n'];
  return ended(start('flock', ['-E', String(taken), ...wait, '-x', '3'], descriptor));
}

/** Waits for the lock; setpriv(1), where there is one, has the kernel end it together with the process that waits, however that ends. */
const waiting =
  'command -v setpriv >/dev/null && exec setpriv --pdeathsig KILL flock -x 3; exec flock -x 3';

/** Calls `gone` once nobody has the lock of the open file any more; the returned function ends the wait. */
export function whenUnlocked(descriptor: number, gone: () => void): () => void {
  const child = start('sh', ['-c', waiting], descriptor);
  child.unref();
  ended(child).then(
    (isLocked) => {
      if (isLocked) gone();
    },
    () => {},
  );
  return () => child.kill('SIGKILL');
}

function start(command: string, options: readonly string[], descriptor: number): ChildProcess {
  return spawn(command, options, { stdio: ['ignore', 'ignore', 'ignore', descriptor] });
}

function ended(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => {
      reject(
        new FerryError('ERR_UNSUPPORTED', `flock(1) cannot be run: ${cause.message}`, { cause }),
      );
    });
    child.once('exit', (code, signal) => {
      if (code === 0) resolve(true);
      else if (code === taken || signal !== null) resolve(false);
      else reject(new FerryError('ERR_IO', `flock(1) ended with exit code ${code}`));
    });
  });
}
