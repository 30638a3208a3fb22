// A standby of the replication benches, in a process of its own. Argument: a job as JSON. Tells its parent the port.
import { bufferGuest } from '../src/guests/buffer.js';
import type { Guest } from '../src/guests/guest.js';
import { receiveSqlite } from '../src/guests/sqlite.js';
import { embeddedLease } from '../src/lease/embedded.js';
import { newMember } from '../src/replication/protect.js';
import { standby } from '../src/replication/standby-driver.js';
import type { StandbyJob } from './standby.js';

const job: StandbyJob = JSON.parse(process.argv[2] ?? '{}');
process.on('disconnect', () => process.exit(0));
const ready: Guest | undefined =
  job.kind === 'sqlite' ? await receiveSqlite({ sizeMiB: job.sizeMiB }) : undefined;
const waiting = await standby({
  ...{ name: job.name, member: newMember('standby'), maxImageBytes: 2 ** 32 },
  lease: await embeddedLease({ folder: job.folder }),
  accept: () => ready ?? bufferGuest(new SharedArrayBuffer(job.sizeMiB * 2 ** 20), { fresh: true }),
});
process.send?.({ port: waiting.port });
