// README's example: a program in shared memory moves while it runs.
// readme
import { bufferGuest, listen, migrate } from 'pageferry';

/** The program: counts in `memory`, at whichever side it runs. */
function counter(memory) {
  const cells = new Uint32Array(memory);
  let timer;
  return bufferGuest(memory, {
    pause: () => clearInterval(timer),
    resume: () => {
      timer = setInterval(() => cells[0]++, 1);
    },
  });
}

// The destination, usually another process: makes a guest for what is offered.
const listener = await listen({
  port: 0,
  maxImageBytes: 2 ** 30,
  accept: (offer) => counter(new SharedArrayBuffer(offer.byteLength)),
});

// The source.
const guest = counter(new SharedArrayBuffer(2 ** 24));
await guest.resume();
const { host, port } = listener;
const migration = migrate(guest, { host, port, maxDowntimeMs: 50 });
for await (const event of migration) console.log(event.type); // offered, round, switchover, completed
const report = await migration.done; // rounds, bytes by page kind, downtime by part, digest
// end of readme

const countOf = ({ regions: [region] }) => Buffer.from(region.memory()).readUInt32LE(0);
const handedOver = countOf(guest);
let arrived;
for await (const event of listener) {
  if (event.type === 'arrived') arrived = event.arrival.guest;
  if (event.type === 'ended') break;
}
await new Promise((resolve) => setTimeout(resolve, 50));
await arrived.pause();
await listener.close();
const ok = countOf(guest) === handedOver && countOf(arrived) > handedOver;
console.log(
  `${ok ? 'counted' : 'FAILED:'} to ${handedOver} here, to ${countOf(arrived)} there, verified ${report.verified}`,
);
if (!ok) process.exitCode = 1;
