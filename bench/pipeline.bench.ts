import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { bufferGuest, migrate } from '../src/index.js';
import { startDestination } from './destination.js';
import { median, result, type Suite } from './harness.js';
import { makeImage } from './image.js';

const mebibytes = 256;
const rounds = 5;

export const suite: Suite = {
  question:
    'How long does a 256 MiB image, 40 % zero, take to another process, verified, beside a file piped through a socket?',
  async *run() {
    const bytes = makeImage(mebibytes * 2 ** 20, 0.4);
    const folder = mkdtempSync(join(tmpdir(), 'pageferry-bench-'));
    const path = join(folder, 'image');
    writeFileSync(path, bytes);
    using ours = await startDestination('pageferry');
    using pipe = await startDestination('file', join(folder, 'copy'));
    try {
      const warm: number[] = [];
      const piped: number[] = [];
      const cold = await migrateOnce(bytes, ours.port);
      for (let round = 0; round < rounds; round++) {
        warm.push(await migrateOnce(bytes, ours.port));
        piped.push(await pipeOnce(path, pipe.port, () => pipe.arrival()));
      }
      yield result('pipeline/256MiB-cold', 'ms', 'lower', cold, { 'fs pipe': median(piped) });
      yield result('pipeline/256MiB-warm', 'ms', 'lower', median(warm), {
        'fs pipe': median(piped),
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

async function migrateOnce(bytes: Uint8Array, port: number): Promise<number> {
  const guest = bufferGuest(bytes, { tracker: 'marks', handsOver: false });
  return (await migrate(guest, { host: '127.0.0.1', port, cpuShare: 1, settle: 'first' }).done)
    .totalMs;
}

async function pipeOnce(path: string, port: number, arrival: () => Promise<void>): Promise<number> {
  const from = performance.now();
  const socket = connect({ host: '127.0.0.1', port });
  await once(socket, 'connect');
  const arrived = arrival();
  await pipeline(createReadStream(path), socket);
  await arrived;
  return performance.now() - from;
}
