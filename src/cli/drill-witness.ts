import { createServer, type Server } from 'node:net';
import { createInterface } from 'node:readline';
import { asFerryError, FerryError } from '../errors.js';
import { Fence } from '../lease/fence.js';
import { obeyCoordinator } from './demo-child.js';
import { type FromWitness, machineMs, type ToWitness } from './drill-messages.js';

/**
 * Stands outside all members and is what their outputs reach: a process of its own, to which each tells what it was allowed to tell, with its token. It keeps them all, in the
 * order in which it accepted them, and refuses tokens lower than the highest.
 */

interface Effect {
  readonly token: bigint;
  readonly seq: number;
  readonly digest: number;
  readonly at: number;
}

const effects: Effect[] = [];
const foundAtOnce = 16_384;
let refused = 0;
const fence = await Fence.open({ load: async () => 0n, save: async () => {} });

obeyCoordinator<ToWitness>(obey, (error) => {
  const { code, message } = asFerryError(error, 'ERR_IO');
  say({ type: 'broken', code, message });
});

async function obey(command: ToWitness): Promise<void> {
  switch (command.type) {
    case 'listen':
      say({ type: 'listening', port: await listen() });
      return;
    case 'account':
      account(BigInt(command.token));
      return;
    case 'end':
      return;
    default:
      command satisfies never;
  }
}

function say(message: FromWitness): void {
  process.send?.(message);
}

async function listen(): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    // Lines of "TOKEN SEQ DIGEST".
    createInterface({ input: socket }).on('line', (line) => {
      const [token = '', seq = '', digest = ''] = line.split(' ');
      void take({ token: BigInt(token), seq: Number(seq), digest: Number(digest), at: 0 });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (typeof address === 'object' && address !== null) return address.port;
  throw new FerryError('ERR_IO', 'the witness does not listen');
}

async function take(effect: Effect): Promise<void> {
  try {
    await fence.admit(effect.token);
    effects.push({ ...effect, at: machineMs() });
  } catch {
    refused += 1;
  }
}

/** What was accepted from `token` on; and every commit that was, once. */
function account(token: bigint): void {
  const since = effects.filter((effect) => effect.token >= token);
  const earlier = effects.filter((effect) => effect.token < token);
  const [first = { seq: 0, at: 0 }] = since;
  let highest = 0n;
  let overlap = 0;
  for (const { token: each } of effects) {
    if (each < highest) overlap += 1;
    else highest = each;
  }
  const before = earlier.reduce((most, { seq }) => Math.max(most, seq), 0);
  tellAll();
  say({
    ...{ type: 'accepted', first: first.seq, at: first.at, count: since.length },
    ...{ before, overlap, refused },
  });
}

/** Commits in runs of numbers without gaps. */
function tellAll(): void {
  const all = new Map(effects.map(({ seq, digest }) => [seq, digest]));
  const seqs = [...all.keys()].sort((a, b) => a - b);
  let digests: number[] = [];
  for (const [at, seq] of seqs.entries()) {
    digests.push(all.get(seq) ?? 0);
    if (seqs[at + 1] === seq + 1 && digests.length < foundAtOnce) continue;
    say({ type: 'commits', first: seq + 1 - digests.length, digests: Uint32Array.from(digests) });
    digests = [];
  }
}
