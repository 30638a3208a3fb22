import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { bufferGuest, migrate } from '../src/index.js';
import { startDestination } from './destination.js';
import { median, result, type Suite } from './harness.js';
import { makeImage } from './image.js';

const rounds = 9;
const pageBytes = 4096;

export const suite: Suite = {
  question:
    'How long does a guest stand still, pause to RUNNING, with so many pages changed in its last moment?',
  async *run() {
    const bytes = makeImage(64 * 2 ** 20, 0.4);
    using destination = await startDestination('pageferry');
    for (const pages of [0, 64, 256, 1024]) {
      const pauses: number[] = [];
      const floors: number[] = [];
      for (let round = 0; round < rounds; round++) {
        pauses.push(await pauseOnce(bytes, pages, destination.port));
        floors.push(await sendRaw(bytes.subarray(0, Math.max(1, pages) * pageBytes)));
      }
      const sorted = [...pauses].sort((a, b) => a - b);
      yield result(`downtime/${pages}-pages`, 'ms', 'lower', median(pauses), {
        'raw bytes over a socket, acknowledged': median(floors),
      });
      yield result(`downtime/${pages}-pages-worst`, 'ms', 'lower', sorted.at(-1) ?? Number.NaN, {});
    }
  },
};

/** The pages change inside `pause`, so that they are exactly what the last round has to carry, whole. */
async function pauseOnce(bytes: Uint8Array, pages: number, port: number): Promise<number> {
  const fresh = randomFillSync(new Uint8Array(pageBytes));
  const guest = bufferGuest(bytes, {
    tracker: 'marks',
    handsOver: false,
    pause() {
      const spread = Math.floor(bytes.byteLength / pageBytes / Math.max(1, pages));
      for (let page = 0; page < pages; page++) {
        const at = page * spread * pageBytes;
        bytes.set(fresh, at);
        guest.markDirty(at, pageBytes);
      }
    },
  });
  const report = await migrate(guest, { host: '127.0.0.1', port, settle: 'first' }).done;
  return report.downtimeMs ?? Number.NaN;
}

/** The floor: as many bytes through a loopback socket of this process and one byte back. */
async function sendRaw(bytes: Uint8Array): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    let left = bytes.byteLength;
    socket.on('data', (chunk) => {
      left -= chunk.byteLength;
      if (left === 0) socket.end('.');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('not listening');
  const socket = connect({ host: '127.0.0.1', port: address.port, noDelay: true });
  await once(socket, 'connect');
  const from = performance.now();
  socket.write(bytes);
  await once(socket, 'data');
  const took = performance.now() - from;
  socket.destroy();
  server.close();
  return took;
}
