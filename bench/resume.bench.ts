import { bufferGuest, type MigrateOptions, type MigrationReport, migrate } from '../src/index.js';
import { type Destination, startDestination } from './destination.js';
import { median, ofRounds, type Result, result, type Suite } from './harness.js';
import { makeImage } from './image.js';
import { type LinkKind, openLink } from './link.js';

const mebibytes = 1024;
const cuts = 5;
const rounds = 3;
const options: MigrateOptions = { settle: 'first', cpuShare: 1, compression: 'never' };
/** As fast as a relay goes. */
const link: LinkKind = { name: 'relay', bytesPerSecond: Number.POSITIVE_INFINITY, rttMs: 0 };

interface Crossing {
  readonly report: MigrationReport;
  readonly ms: number;
}

export const suite: Suite = {
  question:
    'What does each cut cost a migration of 1 GiB that goes on: bytes sent again, and time beyond an undisturbed one through the same relay?',
  async *run(): AsyncGenerator<Result> {
    using destination = await startDestination({ kind: 'memory' });
    const image = makeImage(mebibytes * 2 ** 20, 0);
    await cross(image, destination, 0);
    const again: number[] = [];
    const cut: number[] = [];
    const whole: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const undisturbed = await cross(image, destination, 0);
      const disturbed = await cross(image, destination, cuts);
      if (disturbed.report.interruptions !== cuts || disturbed.report.repaired > 0) {
        throw new Error(`${disturbed.report.interruptions} of ${cuts} cuts, or repairs`);
      }
      const bytes = disturbed.report.bytesSent - undisturbed.report.bytesSent;
      again.push((100 * bytes) / image.byteLength);
      whole.push(undisturbed.ms);
      cut.push((disturbed.ms - undisturbed.ms) / cuts);
    }
    yield result('link/resume-bytes', '% of the image', 'lower', median(again), { goal: 2 });
    yield ofRounds('link/resume-time-a-cut', 'ms', 'lower', cut, {
      'the whole migration, undisturbed': whole,
    });
  },
};

/** Moves `image` over what the last one brought, its connection cut so many times, evenly spread. */
async function cross(image: Uint8Array, to: Destination, cutTimes: number): Promise<Crossing> {
  using way = await openLink(link, to.port);
  const guest = bufferGuest(image, { tracker: 'marks', handsOver: false });
  const from = performance.now();
  const migration = migrate(guest, { host: '127.0.0.1', port: way.port, ...options });
  let done = 0;
  for await (const event of migration) {
    if (event.type !== 'progress') continue;
    const due = ((done + 1) * image.byteLength) / (cutTimes + 1);
    if (done >= cutTimes || event.sentBytes < due) continue;
    done += 1;
    way.cut();
  }
  return { report: await migration.done, ms: performance.now() - from };
}
