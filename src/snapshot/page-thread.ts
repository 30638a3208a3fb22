import { Worker } from 'node:worker_threads';
import type { PageAnswer, PageOrder, PageThreadSetup } from './page-orders.js';

/** A thread that works on pages. */
export interface PageThread {
  tell(order: PageOrder): void;
  close(): Promise<void>;
}

export type StartPageThread = (
  setup: PageThreadSetup,
  heard: (answer: PageAnswer) => void,
  lost: (reason: string) => void,
) => PageThread;

/** Starts a worker thread. It keeps the process alive until it is closed: somebody waits for what it does. */
export const startPageWorker: StartPageThread = (setup, heard, lost) => {
  const program = new URL('../threads/page-worker.js', import.meta.url);
  const worker = new Worker(program, { workerData: setup, execArgv: [], name: 'pageferry pages' });
  let isClosed = false;
  const ended = (reason: string): void => {
    if (!isClosed) lost(reason);
  };
  worker.on('message', heard);
  worker.on('error', (error) => ended(error.message));
  worker.on('exit', (code) => ended(`it ended with exit code ${code}`));
  return {
    tell: (order) => worker.postMessage(order),
    async close() {
      isClosed = true;
      await worker.terminate();
    },
  };
};
