import { fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';

/** What bench/destination-process.ts is to be. */
export type DestinationJob =
  /** Takes migrations of memory. `host`: beyond this machine. */
  | { readonly kind: 'memory'; readonly host?: string }
  /** Takes what bench/workloads.ts makes, and stops it as soon as it runs. */
  | { readonly kind: 'guests' }
  /** Takes migrations of files, to be placed at `path`. */
  | { readonly kind: 'file'; readonly path: string; readonly host?: string }
  /** Writes whatever a TCP connection brings to `path`. */
  | { readonly kind: 'pipe'; readonly path: string };

/** What starts a process of ours in surroundings of its own. */
export interface Launcher {
  readonly execPath: string;
  readonly execArgv: string[];
}

export interface ArrivalNotice {
  /** When the guest was started there, milliseconds of the system's monotonic clock (`process.hrtime`). */
  readonly resumedAtMs: number;
  /** Most memory the process ever had resident. */
  readonly peakBytes: number;
}

/** A destination process and where it listens. */
export interface Destination extends Disposable {
  readonly port: number;
  /** Resolves once that session has arrived; of a pipe, which knows none and takes one thing only, once that has. */
  arrival(session?: string): Promise<ArrivalNotice>;
}

/** Starts bench/destination-process.ts. */
export async function startDestination(
  job: DestinationJob,
  launcher?: Launcher,
): Promise<Destination> {
  const script = new URL('./destination-process.js', import.meta.url);
  const child = fork(script, [JSON.stringify(job)], launcher ?? {});
  const [first] = await once(child, 'message');
  // The news may be here before anybody asks.
  const arrived = new Map<string, ArrivalNotice>();
  const news = new EventEmitter<{ news: [] }>();
  child.on('message', (message: ArrivalNotice & { readonly session: string }) => {
    arrived.set(message.session, message);
    news.emit('news');
  });
  return {
    port: portOf(first),
    async arrival(session = '') {
      for (let notice = arrived.get(session); ; notice = arrived.get(session)) {
        if (notice !== undefined) return notice;
        await once(news, 'news');
      }
    },
    [Symbol.dispose]: () => child.kill('SIGKILL'),
  };
}

function portOf(message: unknown): number {
  if (typeof message === 'object' && message !== null && 'port' in message) {
    if (typeof message.port === 'number') return message.port;
  }
  throw new Error('the destination did not say its port');
}
