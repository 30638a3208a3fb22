import { loadXxhashPeers } from './c-peers.js';
import {
  type Contender,
  engine,
  imageBytes,
  javascript,
  kernel,
  pageBytes,
  pages,
  sameByBuffer,
  threePasses,
} from './capture-contenders.js';
import { ofRounds, type Suite } from './harness.js';
import { isSamePage } from './plain-js.js';

const rounds = 11;
const ours = ['kernel', 'marks', 'hash', 'compare'] as const;

export const suite: Suite = {
  question:
    'How fast do the changed pages of 64 MiB become frames, hashes and a new shadow, with 8 bytes changed in each? (JavaScript does not hash.)',
  async *run() {
    const c = loadXxhashPeers();
    const peers = new Map<string, Contender>([
      ...(c === undefined ? [] : [['C in three passes', threePasses(c)] as const]),
      ['plain JavaScript', javascript(isSamePage)],
      ['Buffer.compare', javascript(sameByBuffer)],
    ]);
    const contenders = new Map<string, Contender>([
      ['kernel', kernel()],
      ['marks', engine('marks')],
      ['hash', engine('hash')],
      ['compare', engine('compare')],
      ...peers,
    ]);
    for (const contender of contenders.values()) await contender.capture();
    for (const percent of [1, 10, 50]) {
      const speeds = new Map<string, number[]>([...contenders.keys()].map((name) => [name, []]));
      for (let round = 0; round < rounds; round++) {
        for (const [name, contender] of contenders) {
          change(contender, percent, round);
          const start = performance.now();
          await contender.capture();
          speeds.get(name)?.push(imageBytes / (performance.now() - start) / 1e6);
        }
      }
      const theirs = [...peers.keys()].map((name) => [name, speeds.get(name) ?? []] as const);
      for (const name of ours) {
        yield ofRounds(
          `capture/${name}-${percent}%-dirty`,
          'GB/s',
          'higher',
          speeds.get(name) ?? [],
          Object.fromEntries(theirs),
        );
      }
    }
  },
};

/** Changes 8 bytes in each of `percent` of the pages, evenly spread. */
function change({ memory, mark }: Contender, percent: number, round: number): void {
  const step = 100 / percent;
  for (let at = 0; at < pages; at += step) {
    const page = Math.floor(at);
    const offset = page * pageBytes + ((page * 64 + round * 8) % (pageBytes - 8));
    for (let byte = offset; byte < offset + 8; byte++) memory[byte] = (memory[byte] ?? 0) ^ 0x55;
    mark?.(page);
  }
}
