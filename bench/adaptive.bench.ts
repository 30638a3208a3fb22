import { bufferGuest, type MigrateOptions } from '../src/index.js';
import { Random } from '../test/reference/random.js';
import { type Destination, startDestination } from './destination.js';
import { ofRounds, type Suite } from './harness.js';
import { type LinkKind, openLink } from './link.js';
import { rowPages } from './rows.js';
import { transfer } from './transfer.js';

const megabit = 1e6 / 8;
const rounds = 5;
const pageBytes = 4096;
const movedPages = 256;
const ways = ['auto', 'always', 'never'] as const;
const options: MigrateOptions = { settle: 'first', cpuShare: 1, maxDowntimeMs: 20_000 };

const links: readonly (LinkKind & { readonly mebibytes: number })[] = [
  { name: '10Mbit', bytesPerSecond: 10 * megabit, rttMs: 1, mebibytes: 4 },
  { name: '100Mbit', bytesPerSecond: 100 * megabit, rttMs: 1, mebibytes: 32 },
  { name: '1000Mbit', bytesPerSecond: 1000 * megabit, rttMs: 1, mebibytes: 128 },
  { name: 'loopback', bytesPerSecond: Number.POSITIVE_INFINITY, rttMs: 0, mebibytes: 256 },
];

export const suite: Suite = {
  question:
    'Do compression and patches by themselves do as well, on every link, as the better of forced on and forced off?',
  async *run() {
    using destination = await startDestination({ kind: 'memory' });
    for (const link of links) {
      const image = await rowPages(link.mebibytes * 2 ** 20);
      yield await compare(`adaptive/lz4-${link.name}`, (way) =>
        wholeMs(image, link, destination, { compression: way }),
      );
      const small = image.subarray(0, 8 * 2 ** 20);
      yield await compare(`adaptive/patch-${link.name}`, (way) =>
        pauseMs(small, link, destination, { patches: way }),
      );
    }
  },
};

/** Every way once a round, each round in another order. */
async function compare(name: string, measure: (way: (typeof ways)[number]) => Promise<number>) {
  const taken = { auto: [] as number[], always: [] as number[], never: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < ways.length; i++) {
      const way = ways[(i + round) % ways.length] ?? 'auto';
      taken[way].push(await measure(way));
    }
  }
  const { auto, always, never } = taken;
  return ofRounds(name, 'ms', 'lower', auto, { 'forced on': always, 'forced off': never });
}

/** From the offer until everything has arrived. */
async function wholeMs(
  image: Uint8Array,
  link: LinkKind,
  to: Destination,
  how: MigrateOptions,
): Promise<number> {
  using way = await wayTo(link, to.port);
  const guest = bufferGuest(image, { tracker: 'marks', handsOver: false });
  const { fromOfferMs } = await transfer(guest, way, { ...options, ...how });
  return fromOfferMs;
}

/** The pause for pages whose content moved on by some bytes, as in a database whose rows change length. */
async function pauseMs(
  image: Uint8Array,
  link: LinkKind,
  to: Destination,
  how: MigrateOptions,
): Promise<number> {
  using way = await wayTo(link, to.port);
  const random = new Random(3);
  const guest = bufferGuest(image, { tracker: 'marks' });
  const { report } = await transfer(guest, way, { ...options, ...how }, () => {
    for (let moved = 0; moved < movedPages; moved++) {
      const page = random.below(image.length / pageBytes) * pageBytes;
      image.copyWithin(page + 24, page, page + pageBytes - 24);
      guest.markDirty(page, pageBytes);
    }
  });
  return report.downtimeMs ?? Number.NaN;
}

/** Without a rate there is nothing to relay. */
async function wayTo(link: LinkKind, port: number): Promise<{ port: number } & Disposable> {
  if (Number.isFinite(link.bytesPerSecond)) return openLink(link, port);
  return { port, [Symbol.dispose]: () => {} };
}
