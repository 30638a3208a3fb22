import { startDestination } from './destination.js';
import { ofRounds, type Suite } from './harness.js';
import { runSource, type SourceJob } from './source.js';

const rounds = 5;
const crews = [0, 1, 2] as const;
const bytes = 2 ** 29;
const dataGibibytes: number = bytes / 2 ** 30;

export const suite: Suite = {
  question:
    'What do 1 and 2 workers spare the thread they work for, and how much sooner is 512 MiB of rows of a database in shared memory over there, as they are and compressed?',
  async *run() {
    for (const compression of ['never', 'always'] as const) {
      const options: SourceJob['options'] = { settle: 'first', cpuShare: 1, compression };
      const all = crews.map((): Moved[] => []);
      for (let round = 0; round < rounds; round++) {
        for (const workers of crews) all[workers]?.push(await moved({ ...options, workers }));
      }
      const of = (workers: number, what: keyof Moved) => (all[workers] ?? []).map((a) => a[what]);
      for (const workers of crews) {
        const name = `workers/${compression === 'never' ? 'plain' : 'lz4'}-${workers}`;
        for (const what of ['wall', 'thread'] as const) {
          const peers = workers === 0 ? {} : { 'no worker': of(0, what) };
          yield ofRounds(`${name}-${what}`, 's/GiB', 'lower', of(workers, what), peers);
        }
      }
    }
  },
};

/** Seconds for a GiB of data. */
interface Moved {
  /** From the offer on. */
  readonly wall: number;
  /** In which the thread that called `migrate` computed. */
  readonly thread: number;
}

async function moved(options: SourceJob['options']): Promise<Moved> {
  using place = await startDestination({ kind: 'memory' });
  const from = { kind: 'shared-rows', bytes } as const;
  const news = await runSource({ to: { port: place.port }, from, options });
  await place.arrival(news.session);
  return {
    wall: news.fromOfferMs / 1000 / dataGibibytes,
    thread: news.threadMs / 1000 / dataGibibytes,
  };
}
