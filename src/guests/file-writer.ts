import { spawn, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../errors.js';
import { isStopped, processStartTime } from './process-stat.js';
import { commandInput, runCommand } from './user-command.js';

/** Whoever keeps writing a live file, as far as we can stop it for a moment. */
export interface FileWriter {
  /** Resolves when it writes no more. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** As `resume`, for when this process is about to end: synchronous, never throws. */
  resumeAtExit(): void;
}

/** A writer in the middle of a system call (a slow disk) stops only at its end. */
const stopTimeoutMs = 5000;
const commandTimeoutMs = 30_000;

/**
 * Stops process `pid` by SIGSTOP and continues it by SIGCONT. Before either signal the process must still be the one it was now, by its
 * start time: ERR_GUEST if it is not. Linux only (ERR_UNSUPPORTED).
 */
export function processWriter(pid: number): FileWriter {
  if (!Number.isSafeInteger(pid) || pid <= 1 || pid === process.pid) {
    throw new RangeError(`process ${pid} cannot be paused: give the id of the program that writes`);
  }
  if (process.platform !== 'linux') {
    throw new FerryError('ERR_UNSUPPORTED', 'pausing a process by its id works on Linux only');
  }
  const startTime = processStartTime(pid);
  if (startTime === undefined) throw new FerryError('ERR_GUEST', `there is no process ${pid}`);
  const isTheSame = () => processStartTime(pid) === startTime;
  let dismissGuard: (() => void) | undefined;

  return {
    async pause() {
      if (!isTheSame()) {
        throw new FerryError('ERR_GUEST', `process ${pid} ended, or is not the one it was`);
      }
      dismissGuard ??= standGuard(pid);
      signal(pid, 'SIGSTOP');
      for (let waitedMs = 0; !isStopped(pid); waitedMs++) {
        if (waitedMs > stopTimeoutMs) {
          throw new FerryError('ERR_GUEST', `process ${pid} did not stop in ${stopTimeoutMs} ms`);
        }
        await sleep(1);
      }
    },
    async resume() {
      // One that is gone has nothing left to go on with.
      if (isTheSame()) signal(pid, 'SIGCONT');
      dismissGuard?.();
      dismissGuard = undefined;
    },
    resumeAtExit() {
      try {
        if (isTheSame()) process.kill(pid, 'SIGCONT');
      } catch {
        // The process ended, or was never ours to signal: nobody is left to tell.
      }
    },
  };
}

/**
 * A shell that continues process `pid` should ours be killed before it could: then its input ends without a word. It has a process
 * group of its own, so that what ends ours leaves it alone. Returns what sends it away.
 */
function standGuard(pid: number): () => void {
  const script = 'read -r word; [ "$word" = resumed ] || kill -CONT "$0"';
  const guard = spawn('/bin/sh', ['-c', script, String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // Without a shell there is no guard; the exit handler is still there.
  guard.on('error', () => {});
  guard.stdin.on('error', () => {});
  guard.unref();
  return () => guard.stdin.end('resumed\n');
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, name);
  } catch (cause) {
    throw new FerryError('ERR_GUEST', `${name} to process ${pid} failed`, { cause });
  }
}

/**
 * Runs the user's own commands through the shell; one that fails or takes over 30 s is ERR_GUEST with what it said. What `told` gives is a line of
 * JSON on its standard input: names that others chose reach no shell.
 */
export function commandWriter(
  pauseCommand: string,
  resumeCommand: string,
  told: (type: 'pause' | 'resume') => object,
): FileWriter {
  return {
    pause: () => runCommand(pauseCommand, told('pause'), { timeoutMs: commandTimeoutMs }),
    resume: () => runCommand(resumeCommand, told('resume'), { timeoutMs: commandTimeoutMs }),
    resumeAtExit() {
      spawnSync(resumeCommand, {
        shell: true,
        input: commandInput(told('resume')),
        stdio: ['pipe', 'ignore', 'ignore'],
        timeout: commandTimeoutMs,
      });
    },
  };
}
