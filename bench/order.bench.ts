import { type Result, result, type Suite } from './harness.js';

const pages = 65_536;
const rounds = 12;
const lastRounds = 4;
const seeds = 5;
/** No round is shorter, seconds. */
const shortestRound = 0.003;

/** How often each page is written, in proportion, and how fast pages are written and sent, pages a second. */
interface Writer {
  readonly weight: (rank: number) => number;
  readonly written: number;
  readonly sent: number;
}

const zipf = (exponent: number) => (rank: number) => 1 / (rank + 1) ** exponent;
const writers: Readonly<Record<string, Writer>> = {
  'zipf-0.8': { weight: zipf(0.8), written: 20_000, sent: 25_000 },
  'zipf-1.0': { weight: zipf(1), written: 20_000, sent: 25_000 },
  'zipf-1.2': { weight: zipf(1.2), written: 40_000, sent: 25_000 },
  'zipf-1.0-fast-link': { weight: zipf(1), written: 50_000, sent: 100_000 },
  'hot-twentieth': {
    weight: (rank) => (rank < pages / 20 ? 16 : 0.2),
    written: 20_000,
    sent: 25_000,
  },
  uniform: { weight: () => 1, written: 15_000, sent: 25_000 },
};

export const suite: Suite = {
  question:
    'A model, not a measurement: how many pages would be sent if those dirty in the round before left last, against the order of their addresses?',
  async *run() {
    for (const [name, writer] of Object.entries(writers)) yield* compared(name, writer);
  },
};

function* compared(name: string, writer: Writer): Generator<Result> {
  const later = { byAddress: 0, hottestLast: 0 };
  const last = { byAddress: 0, hottestLast: 0 };
  for (const order of ['byAddress', 'hottestLast'] as const) {
    for (let seed = 1; seed <= seeds; seed++) {
      const sizes = roundsOf(writer, order, randomFrom(seed));
      later[order] += sum(sizes.slice(1)) / seeds;
      last[order] += sum(sizes.slice(-lastRounds)) / lastRounds / seeds;
    }
  }
  const peers = (all: typeof later) => ({ 'by address': all.byAddress });
  yield result(`order/${name}-after-first`, 'pages', 'lower', later.hottestLast, peers(later));
  yield result(`order/${name}-last`, 'pages', 'lower', last.hottestLast, peers(last));
}

/** Pages sent in each round. Each page is written at moments without memory, at its own rate. */
function roundsOf(
  writer: Writer,
  order: 'byAddress' | 'hottestLast',
  random: () => number,
): number[] {
  const rates = ratesOf(writer, random);
  let dirty = Uint8Array.from(rates, () => 1);
  let before = new Uint8Array(pages);
  const sizes: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const hot = (page: number): boolean =>
      order === 'hottestLast' && round > 1 && before[page] === 1;
    const left = new Float64Array(pages).fill(-1);
    let sent = 0;
    for (const isHot of [false, true]) {
      for (let page = 0; page < pages; page++) {
        if (dirty[page] === 1 && hot(page) === isHot) left[page] = ++sent / writer.sent;
      }
    }
    const lasts = Math.max(sent / writer.sent, shortestRound);
    before = dirty;
    dirty = Uint8Array.from(rates, (rate, page) => {
      const open = lasts - Math.max(0, left[page] ?? 0);
      return random() < 1 - Math.exp(-rate * open) ? 1 : 0;
    });
    sizes.push(sent);
  }
  return sizes;
}

/** Writes a second of each page: of those ranks in an order by chance. */
function ratesOf({ weight, written }: Writer, random: () => number): Float64Array {
  const rates = Float64Array.from({ length: pages }, (_, rank) => weight(rank));
  for (let left = pages - 1; left > 0; left--) {
    const other = Math.floor(random() * (left + 1));
    [rates[left], rates[other]] = [rates[other] ?? 0, rates[left] ?? 0];
  }
  const scale = written / sum(rates);
  return rates.map((rate) => rate * scale);
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** xorshift32, as numbers from 0 to below 1. */
function randomFrom(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}
