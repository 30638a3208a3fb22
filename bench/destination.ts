import { fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import type { Shares } from './profiler.js';

/** What bench/destination-process.ts is to be. */
export type DestinationJob =
  /** Takes migrations of memory. `host`: beyond this machine; `token`: over TLS; `held`: what the last one brought is compared first. */
  | {
      readonly kind: 'memory';
      readonly host?: string;
      readonly token?: string;
      readonly held?: boolean;
    }
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
  /** Begins to profile the process. */
  beginProfile(): Promise<void>;
  /** Ends that and gives what it found. */
  endProfile(): Promise<Shares>;
}

/** What bench/destination-process.ts can be told. */
export type ProfileOrder = 'begin-profile' | 'end-profile';

/** What it says of itself once its port is known. */
type News =
  | (ArrivalNotice & { readonly session: string })
  /** Of a profile: it began, or what it found. */
  | { readonly profile: Shares | undefined };

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
  const news = new EventEmitter<{ news: []; profile: [Shares | undefined] }>();
  child.on('message', (message: News) => {
    if ('session' in message) {
      arrived.set(message.session, message);
      news.emit('news');
    } else {
      news.emit('profile', message.profile);
    }
  });
  const profile = async (order: ProfileOrder): Promise<Shares | undefined> => {
    const answer = once(news, 'profile');
    child.send(order);
    return (await answer)[0];
  };
  return {
    port: portOf(first),
    async arrival(session = '') {
      for (let notice = arrived.get(session); ; notice = arrived.get(session)) {
        if (notice !== undefined) return notice;
        await once(news, 'news');
      }
    },
    async beginProfile() {
      await profile('begin-profile');
    },
    async endProfile() {
      const found = await profile('end-profile');
      if (found === undefined) throw new Error('no profile was begun');
      return found;
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
