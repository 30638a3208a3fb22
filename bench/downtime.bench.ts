import { randomFillSync } from 'node:crypto';
import { bufferGuest } from '../src/index.js';
import { startDestination } from './destination.js';
import { Floor } from './floor.js';
import { result, type Suite } from './harness.js';
import { makeImage } from './image.js';
import { percentile } from './percentile.js';
import { transfer } from './transfer.js';

const pageBytes = 4096;
const imageBytes = 16 * 2 ** 20;
const samples = 120;
const floorName = 'the same bytes and turns, no work';

export const suite: Suite = {
  question:
    'How long does a guest stand still, until RUNNING is read, with so many pages changed just before, beside sockets that do nothing else?',
  async *run() {
    const bytes = makeImage(imageBytes, 0.4);
    using destination = await startDestination({ kind: 'memory' });
    using floor = await Floor.start();
    for (const pages of [0, 1, 64, 256, 1024]) {
      const pauses: number[] = [];
      const floors: number[] = [];
      for (let round = -2; round < samples; round++) {
        const pause = await pauseOnce(bytes, pages, destination.port);
        const least = await floor.switchover(pages * pageBytes);
        if (round < 0) continue;
        pauses.push(pause);
        floors.push(least);
      }
      for (const [name, share] of [
        ['', 0.5],
        ['-p99', 0.99],
      ] as const) {
        yield result(`downtime/${pages}-pages${name}`, 'ms', 'lower', percentile(pauses, share), {
          [floorName]: percentile(floors, share),
        });
      }
    }
  },
};

/** The pages change in the last moment before the pause, and wholly: they are exactly what the last round has to carry. */
async function pauseOnce(bytes: Uint8Array, pages: number, port: number): Promise<number> {
  const fresh = randomFillSync(new Uint8Array(pageBytes));
  const guest = bufferGuest(bytes, { tracker: 'marks' });
  const spread = Math.floor(bytes.byteLength / pageBytes / Math.max(1, pages));
  const { report } = await transfer(guest, { port }, { settle: 'first', cpuShare: 1 }, () => {
    for (let page = 0; page < pages; page++) {
      const at = page * spread * pageBytes;
      bytes.set(fresh, at);
      guest.markDirty(at, pageBytes);
    }
  });
  if (report.lastRoundPages !== pages)
    throw new Error(`${report.lastRoundPages} pages, not ${pages}`);
  return report.downtimeMs ?? Number.NaN;
}
