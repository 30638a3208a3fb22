// A primary with a keeper, whose event loop stands still for a while when it is told to: `keeper-process.mjs '{"folder", "ttlMs", "hangMs", "port"}'`. Says what happens as lines of JSON; on stdin: the
// milliseconds to stand still, or "close".
import { createInterface } from 'node:readline';
import { bufferGuest } from 'pageferry';
import { embeddedLease } from 'pageferry/lease';
import { newMember, protect } from 'pageferry/replication';

const { folder, ttlMs, hangMs, port } = JSON.parse(process.argv[2]);
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const lease = await embeddedLease({ folder, ttlMs });
const primary = await protect(bufferGuest(new Uint8Array(8192)), {
  ...{ name: 'g', member: newMember('a'), lease, keeper: { hangMs } },
  ...(port === undefined ? {} : { peers: [{ host: '127.0.0.1', port }] }),
});
say({ type: 'leading' });

void (async () => {
  for await (const { type } of primary) if (type !== 'epoch') say({ type });
})();

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'close') {
    await primary.close();
    await lease.close();
    break;
  }
  const until = performance.now() + Number(line);
  while (performance.now() < until);
  say({ type: 'turned', mayAct: primary.mayAct });
}
process.stdin.destroy();
