/** The program of a worker that `startPageWorker` starts. */
import { parentPort, workerData } from 'node:worker_threads';
import { runPageThread } from '../snapshot/page-member.js';

const port = parentPort;
if (port !== null) {
  port.on(
    'message',
    runPageThread(workerData, (answer, transfer) => port.postMessage(answer, transfer)),
  );
}
