import { Worker } from 'node:worker_threads';

/** A thread as who started it sees it. */
export interface Thread<Order> {
  tell(order: Order): void;
  /** Ends the thread; nothing is heard of it any more. Idempotent. */
  close(): Promise<void>;
}

/** Starts a thread. `lost`: it ended by itself. */
export type ThreadStart<Setup, Order, News> = (
  setup: Setup,
  heard: (news: News) => void,
  lost: (reason: string) => void,
) => Thread<Order>;

interface ThreadProgram {
  readonly program: URL;
  /** For debuggers. */
  readonly name: string;
  /** Somebody waits for what it does: it keeps the process alive until it is closed. */
  readonly isAwaited: boolean;
}

/** Starts a worker thread that runs a program of `src/threads/`. */
export function startThread<Setup, Order, News>(
  { program, name, isAwaited }: ThreadProgram,
  ...[setup, heard, lost]: Parameters<ThreadStart<Setup, Order, News>>
): Thread<Order> {
  const worker = new Worker(program, { workerData: setup, execArgv: [], name });
  let isClosed = false;
  const ended = (reason: string): void => {
    if (!isClosed) lost(reason);
  };
  worker.on('message', heard);
  worker.on('error', (error) => ended(error.message));
  worker.on('exit', (code) => ended(`it ended with exit code ${code}`));
  if (!isAwaited) worker.unref();
  return {
    tell: (order) => worker.postMessage(order),
    async close() {
      isClosed = true;
      await worker.terminate();
    },
  };
}
