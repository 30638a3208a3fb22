import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** A destination process and where it listens. */
export interface Destination extends Disposable {
  readonly port: number;
  /** Resolves at the next arrival. */
  arrival(): Promise<void>;
}

/** Starts bench/destination-process.ts. */
export async function startDestination(...args: readonly string[]): Promise<Destination> {
  const child = fork(new URL('./destination-process.js', import.meta.url), args);
  const [first] = await once(child, 'message');
  return {
    port: portOf(first),
    arrival: () => arrival(child),
    [Symbol.dispose]: () => child.kill('SIGKILL'),
  };
}

async function arrival(child: ChildProcess): Promise<void> {
  const [message] = await once(child, 'message');
  if (message?.type !== 'arrived') throw new Error('the destination failed');
}

function portOf(message: unknown): number {
  if (typeof message === 'object' && message !== null && 'port' in message) {
    if (typeof message.port === 'number') return message.port;
  }
  throw new Error('the destination did not say its port');
}
