import { connect } from 'node:net';
import { asFerryError, FerryError } from '../errors.js';
import { embeddedLease } from '../lease/embedded.js';
import { EtcdLeases } from '../lease/etcd.js';
import type { Primary } from '../replication/primary-driver.js';
import { protect } from '../replication/protect.js';
import type { MemberOptions } from '../replication/protect-options.js';
import { standby } from '../replication/standby-driver.js';
import { obeyCoordinator } from './demo-child.js';
import { contentOf, createGuest, type DemoGuest, receiveGuest, seqOf } from './demo-guests.js';
import { type DrillPlan, type FromMember, machineMs, type ToMember } from './drill-messages.js';

/** A process of a drill that has the guest, or waits for it. */

const foundAtOnce = 16_384;
const mostImageBytes = 2 ** 32;
let plan: DrillPlan | undefined;
let guest: DemoGuest | undefined;
let primary: Primary | undefined;
let tell: (line: string) => void = () => {};
let isFirst = false;

obeyCoordinator<ToMember>(obey, broken);

function broken(error: unknown): void {
  const { code, message } = asFerryError(error, 'ERR_GUEST');
  say({ type: 'broken', code, message });
}

function say(message: FromMember): void {
  process.send?.(message);
}

async function obey(command: ToMember): Promise<void> {
  switch (command.type) {
    case 'run':
      await run(command);
      return;
    case 'account':
      await account();
      return;
    case 'damage':
      await damage();
      return;
    case 'end':
      return;
    default:
      command satisfies never;
  }
}

async function run(command: Extract<ToMember, { type: 'run' }>): Promise<void> {
  plan = command.plan;
  const { lease, mode, intervalMs } = plan;
  tell = openOutput(command.witness);
  const options: MemberOptions = {
    ...{ name: plan.name, member: command.member, mode, intervalMs, keeper: {} },
    lease: lease.kind === 'etcd' ? new EtcdLeases(lease) : await embeddedLease(lease),
    peers: command.peers.map((port) => ({ host: '127.0.0.1', port })),
  };
  if (command.as === 'primary') {
    guest = await createGuest(plan.guest, onCommit);
    lead(await protect(guest, options));
    say({ type: 'ready' });
  } else await follow(options, command.port, plan);
}

async function follow(options: MemberOptions, port: number, { guest: what, scrubMs }: DrillPlan) {
  // SQLite takes a second to begin: too long for whoever offers it.
  let made: DemoGuest | undefined = await receiveGuest(what, onCommit);
  const waiting = await standby({
    ...{ ...options, port, scrubMs },
    maxImageBytes: mostImageBytes,
    accept: async () => {
      guest = made ?? (await receiveGuest(what, onCommit));
      made = undefined;
      return guest;
    },
  });
  say({ type: 'ready' });
  void (async () => {
    for await (const event of waiting) {
      const at = machineMs();
      if (event.type === 'claiming') say({ type: 'claiming', at });
      if (event.type === 'lost') say({ type: 'lost', code: event.code, at });
    }
  })();
  const next = await waiting.promoted;
  isFirst = true;
  lead(next);
  say({ type: 'promoted', at: machineMs(), token: Number(next.token) });
}

/** One bit, somewhere in the middle: an epoch that writes there finds it, or reading the copy back does. */
async function damage(): Promise<void> {
  const [region] = guest?.regions ?? [];
  if (region === undefined) throw new FerryError('ERR_GUEST', 'there is no copy');
  const at = region.byteLength >> 1;
  const byte = new Uint8Array(1);
  await region.read(at, byte);
  byte[0] = (byte[0] ?? 0) ^ 16;
  await region.write(at, byte);
}

function lead(owner: Primary): void {
  primary = owner;
  void (async () => {
    for await (const { type } of owner) {
      if (type === 'joined' || type === 'dropped') {
        say({ type: 'in-sync', members: owner.inSync.length });
      }
      if (type === 'fenced') say({ type: 'fenced' });
    }
  })();
}

/** A transaction is done: it is told of when it may be. */
function onCommit(seq: number, digest: number): void {
  if (isFirst) {
    isFirst = false;
    say({ type: 'first-commit', seq, at: machineMs() });
  }
  const owner = primary;
  owner?.commit().then(
    () => tell(`${owner.token} ${seq} ${digest}\n`),
    () => {
      // Somebody else owns the guest: nothing of it is ever told.
    },
  );
}

function openOutput(port: number): (line: string) => void {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.on('error', () => {});
  return (line) => void socket.write(line);
}

async function account(): Promise<void> {
  if (guest === undefined || plan === undefined) throw new FerryError('ERR_GUEST', 'no guest ran');
  await primary?.close();
  await guest.pause();
  say({ type: 'paused', seq: seqOf(guest) });
  let first = 0;
  let digests: number[] = [];
  const flush = (): void => {
    if (digests.length > 0) {
      say({ type: 'found', first, digests: Uint32Array.from(digests) });
    }
    digests = [];
  };
  const content = await contentOf(guest, plan.guest, (seq, digest) => {
    if (seq !== first + digests.length || digests.length === foundAtOnce) flush();
    if (digests.length === 0) first = seq;
    digests.push(digest);
  });
  flush();
  say({ type: 'content', ...content });
}
