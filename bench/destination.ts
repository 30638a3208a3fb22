import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** What bench/destination-process.ts is to be. */
export type DestinationJob =
  /** Takes migrations of memory. `host`: beyond this machine. */
  | { readonly kind: 'memory'; readonly host?: string }
  /** Takes migrations of files, to be placed at `path`. */
  | { readonly kind: 'file'; readonly path: string; readonly host?: string }
  /** Writes whatever a TCP connection brings to `path`. */
  | { readonly kind: 'pipe'; readonly path: string };

export interface ArrivalNotice {
  /** When the guest was started there, milliseconds of the system's monotonic clock (`process.hrtime`). */
  readonly resumedAtMs: number;
  /** Most memory the process ever had resident. */
  readonly peakBytes: number;
}

/** A destination process and where it listens. */
export interface Destination extends Disposable {
  readonly port: number;
  /** Resolves at the next arrival. */
  arrival(): Promise<ArrivalNotice>;
}

/** Starts bench/destination-process.ts; `launcher`: a program, with arguments, that starts it in surroundings of its own. */
export async function startDestination(
  job: DestinationJob,
  launcher?: { readonly program: string; readonly args: readonly string[] },
): Promise<Destination> {
  const script = new URL('./destination-process.js', import.meta.url);
  const options = launcher && {
    execPath: launcher.program,
    execArgv: [...launcher.args, process.execPath],
  };
  const child = fork(script, [JSON.stringify(job)], options ?? {});
  const [first] = await once(child, 'message');
  return {
    port: portOf(first),
    arrival: () => arrival(child),
    [Symbol.dispose]: () => child.kill('SIGKILL'),
  };
}

async function arrival(child: ChildProcess): Promise<ArrivalNotice> {
  const [message] = await once(child, 'message');
  if (message?.type !== 'arrived') throw new Error(`the destination failed: ${message?.message}`);
  return message;
}

function portOf(message: unknown): number {
  if (typeof message === 'object' && message !== null && 'port' in message) {
    if (typeof message.port === 'number') return message.port;
  }
  throw new Error('the destination did not say its port');
}
