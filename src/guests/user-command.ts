import { type ChildProcess, spawn } from 'node:child_process';
import { FerryError } from '../errors.js';

export interface CommandLimits {
  readonly timeoutMs: number;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** How long after its end a command's output is still waited for. */
const lastWordsMs = 200;
/** What is asked to end has so long to do it. */
const mercyMs = 2000;

/** What a command is told, as it reads it: one line of JSON. */
export function commandInput(told: object): string {
  return `${JSON.stringify(told)}\n`;
}

/**
 * Runs the user's own command through the shell, with `told` as a line of JSON on its standard input: names that others chose reach no shell. One that fails or takes too long
 * is ERR_GUEST with what it said.
 */
export function runCommand(
  command: string,
  told: object,
  { timeoutMs, signal }: CommandLimits,
): Promise<void> {
  return new Promise((resolve, reject) => {
    // A group of its own: what the shell started ends with it.
    const child = spawn(command, {
      shell: true,
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
    });
    let ended = '';
    let mercy: NodeJS.Timeout | undefined;
    const end = (why: string): void => {
      ended ||= why;
      endGroup(child, 'SIGTERM');
      mercy ??= setTimeout(() => endGroup(child, 'SIGKILL'), mercyMs);
    };
    const timer = setTimeout(() => end(`took more than ${timeoutMs} ms:`), timeoutMs);
    const onAbort = (): void => end('was interrupted:');
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    // It need not read it.
    child.stdin.on('error', () => {});
    child.stdin.end(commandInput(told));
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-1000);
    });
    const done = (): void => {
      clearTimeout(timer);
      clearTimeout(mercy);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (how: string, cause?: unknown) =>
      reject(new FerryError('ERR_GUEST', `"${command}" ${how} ${said}`.trim(), { cause }));
    child.on('error', (error) => {
      done();
      fail('could not be run:', error);
    });
    // Not only at 'close': something the command left running may hold its output open for ever.
    child.on('exit', (code, signalName) => {
      done();
      if (code === 0 && ended === '') {
        resolve();
        child.stderr.destroy();
        return;
      }
      const how = code === null ? `was ended by ${signalName}:` : `ended with ${code}:`;
      if (child.stderr.closed) fail(ended || how);
      child.stderr.once('close', () => fail(ended || how));
      setTimeout(() => child.stderr.destroy(), lastWordsMs);
    });
  });
}

function endGroup({ pid }: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone already.
  }
}
