import { Worker } from 'node:worker_threads';
import type { StartThread } from './crew-orders.js';

/** Starts a worker thread that captures. It does not keep the process alive. */
export const startWorker: StartThread = (setup, heard, lost) => {
  // Said so that it is found from the bundle's layers too.
  const program = new URL('../threads/crew-worker.js', import.meta.url);
  const worker = new Worker(program, { workerData: setup, execArgv: [], name: 'pageferry' });
  let isClosed = false;
  const ended = (reason: string): void => {
    if (!isClosed) lost(reason);
  };
  worker.on('message', heard);
  worker.on('error', (error) => ended(error.message));
  worker.on('exit', (code) => ended(`it ended with exit code ${code}`));
  worker.unref();
  return {
    tell: (order) => worker.postMessage(order),
    async close() {
      isClosed = true;
      await worker.terminate();
    },
  };
};
