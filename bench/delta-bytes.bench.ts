import { ifInstalledSoon } from './bench-packages.js';
import { type DeltaRound, deltaRound } from './delta-engine.js';
import { changedPages, type DeltaPeer, deltaPeers, PlacedPair, xdelta3 } from './delta-peers.js';
import { ofRounds, type Result, result, type Suite } from './harness.js';
import { memoryPairs } from './memory-pairs.js';
import { installed } from './programs.js';

const rounds = 5;

export const suite: Suite = {
  question:
    'How many bytes say what became of a memory while its guest worked, and how long does it take to find and say it?',
  async *run() {
    const peers = await deltaPeers();
    for (const [what, pairsOf] of Object.entries(memoryPairs)) {
      const pairs = pairsOf();
      for (;;) {
        const next = await ifInstalledSoon(`delta-bytes/${what}`, () => pairs.next());
        if (next === undefined || next.done === true) break;
        const [name, { before, after }] = next.value;
        using placed = new PlacedPair(before, after);
        yield* measured(`delta-bytes/${name}`, placed, peers);
      }
    }
  },
};

async function* measured(
  name: string,
  pair: PlacedPair,
  peers: readonly DeltaPeer[],
): AsyncGenerator<Result> {
  const { before, after } = pair;
  const ours: DeltaRound[] = [];
  const marked: DeltaRound[] = [];
  const compared: number[] = [];
  const xdelta: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const delta = await deltaRound(before, after, { tracker: 'hash' });
    const markedDelta = await deltaRound(before, after, { tracker: 'marks' });
    const compareMs = timed(() => changedPages(before, after));
    const xdeltaMs = installed('xdelta3') ? timed(() => xdelta3(pair, '-1')) : Number.NaN;
    // Kernels are still being compiled in the first.
    if (round < 0) continue;
    ours.push(delta);
    marked.push(markedDelta);
    compared.push(compareMs);
    xdelta.push(xdeltaMs);
  }
  const sizes = peers.flatMap((peer) => {
    const size = peer.size(pair);
    if (size !== undefined) return [[peer.name, size / 1000] as const];
    console.error(`  skipped: ${name}: ${peer.name}: it would take minutes`);
    return [];
  });
  const [plain] = ours;
  const packed = await deltaRound(before, after, { tracker: 'hash', lz4: true });
  for (const [suffix, delta] of [
    ['', plain],
    ['-lz4', packed],
  ] as const) {
    const kilobytes = (delta?.bytes ?? Number.NaN) / 1000;
    yield result(`${name}${suffix}`, 'kB', 'lower', kilobytes, Object.fromEntries(sizes));
  }
  yield ofRounds(
    `${name}-time`,
    'ms',
    'lower',
    ours.map(({ captureMs }) => captureMs),
    {
      'Buffer.compare, page by page': compared,
      ...(installed('xdelta3') ? { 'xdelta3 -1': xdelta } : {}),
    },
  );
  const perPage = (msOf: (delta: DeltaRound) => number): readonly number[] =>
    marked.map((delta) => (msOf(delta) * 1000) / delta.pages);
  const encode = perPage(({ captureMs }) => captureMs);
  const apply = perPage(({ applyMs }) => applyMs);
  yield ofRounds(`${name}-encode-page`, 'us', 'lower', encode, {});
  yield ofRounds(`${name}-apply-page`, 'us', 'lower', apply, {});
}

function timed(work: () => unknown): number {
  const from = performance.now();
  work();
  return performance.now() - from;
}
