import { Session } from 'node:inspector/promises';

/** Where a thread's time goes. */
export const parts = [
  'waiting',
  'writing sockets',
  'copying out of the guest',
  'copying into the guest',
  'kernels',
  'collecting garbage',
  'JavaScript and the rest',
] as const;
export type Part = (typeof parts)[number];
export type Shares = Readonly<Record<Part, number>>;

/** Of the result that says what a part took at one end of a migration. */
export function profileName(migration: string, end: 'source' | 'destination', part: Part): string {
  return `profile/${migration}-${end}-${part.replaceAll(' ', '-')}`;
}

/** One frame of a stack, as the profile of V8 has it. */
interface Frame {
  readonly functionName: string;
  readonly url: string;
}

export interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame }[];
  readonly samples?: readonly number[] | undefined;
  /** Microseconds before each sample. */
  readonly timeDeltas?: readonly number[] | undefined;
}

const samplingUs = 200;
/** Reading from sockets is in it. */
const rest: Part = 'JavaScript and the rest';
const named: Readonly<Record<string, Part>> = {
  '(idle)': 'waiting',
  '(garbage collector)': 'collecting garbage',
  writeBuffer: 'writing sockets',
  writev: 'writing sockets',
  readPages: 'copying out of the guest',
  writePages: 'copying into the guest',
};

function partOf({ functionName, url }: Frame): Part {
  if (url.startsWith('wasm:')) return 'kernels';
  return named[functionName] ?? rest;
}

/** Milliseconds of the profile by part. */
export function sharesOf({ nodes, samples = [], timeDeltas = [] }: Profile): Shares {
  const partOfNode = new Map(nodes.map(({ id, callFrame }) => [id, partOf(callFrame)]));
  const shares = new Map<Part, number>(parts.map((part) => [part, 0]));
  for (const [at, id] of samples.entries()) {
    const part = partOfNode.get(id) ?? rest;
    shares.set(part, (shares.get(part) ?? 0) + (timeDeltas[at] ?? 0) / 1000);
  }
  return Object.fromEntries(shares) as Shares;
}

/** Profiles this thread. */
export class Profiler {
  readonly #session = new Session();

  private constructor() {}

  static async start(): Promise<Profiler> {
    const profiler = new Profiler();
    profiler.#session.connect();
    await profiler.#session.post('Profiler.enable');
    await profiler.#session.post('Profiler.setSamplingInterval', { interval: samplingUs });
    await profiler.#session.post('Profiler.start');
    return profiler;
  }

  async stop(): Promise<Shares> {
    const { profile } = await this.#session.post('Profiler.stop');
    this.#session.disconnect();
    return sharesOf(profile);
  }
}
