// Claims a guest, holds its lease, and says on stdout when it was its own: {"won": GENERATION}, then {"until": MS} of the machine's clock at each renewal. Arguments: the module
// that makes the provider, its options as JSON, the guest, this member's name, and "change" if it is to change its record all the time rather than renew its lease.
import { pathToFileURL } from 'node:url';

const [module, options, guest, member, how] = process.argv.slice(2);
const { make } = await import(pathToFileURL(module).href);
const lease = await make(JSON.parse(options));
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const now = () => Number(process.hrtime.bigint() / 1_000_000n);

// Whatever is said to it: from then on it hangs.
process.stdin.on('data', () => {
  for (;;);
});

for (;;) {
  const view = await lease.read(guest);
  if (view.alive === undefined) {
    const generation = (view.record?.generation ?? 0n) + 1n;
    const record = { owner: member, generation, inSync: [member], claim: '0'.repeat(32) };
    const askedAt = now();
    const outcome = await lease.swap(guest, { expected: view.revision, record, unlessAlive: true });
    if (outcome.type === 'won') {
      say({ won: Number(generation), until: askedAt + 0.9 * lease.ttlMs });
      if (how === 'change') await change(record, outcome.revision);
      await hold(generation);
      continue;
    }
  }
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, lease.ttlMs / 4);
    const end = lease.watch(guest, () => {
      clearTimeout(timer);
      end();
      resolve();
    });
    setTimeout(end, lease.ttlMs / 4).unref();
  });
}

async function change(record, revision) {
  for (;;) {
    const outcome = await lease.swap(guest, { expected: revision, record, unlessAlive: false });
    if (outcome.type === 'lost') return;
    ({ revision } = outcome);
  }
}

async function hold(generation) {
  for (;;) {
    const askedAt = now();
    const isHeld = await lease.renew(guest, generation).catch(() => undefined);
    if (isHeld === false) {
      say({ lost: Number(generation) });
      return;
    }
    if (isHeld) say({ until: askedAt + 0.9 * lease.ttlMs });
    await new Promise((resolve) => setTimeout(resolve, lease.ttlMs / 8));
  }
}
