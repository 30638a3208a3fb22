import { asFerryError, FerryError } from '../errors.js';
import type { IncomingOffer } from '../migration/listen.js';
import { type Listener, listen } from '../migration/listen.js';
import { ControlSocket } from './control-socket.js';
import { obeyCoordinator } from './demo-child.js';
import { contentOf, type DemoGuest, receiveGuest, seqOf } from './demo-guests.js';
import type { DemoPlan, FromDestination, ToDestination } from './demo-messages.js';
import { DemoPost } from './demo-post.js';
import { openDoubt } from './doubt.js';

/** The process that a demo's guest runs in at last. */

const post = new DemoPost<FromDestination>();
const control = new ControlSocket('destination');
const foundAtOnce = 16_384;
let here: { readonly plan: DemoPlan; readonly guest: DemoGuest } | undefined;

obeyCoordinator<ToDestination>(obey, broken);

function broken(error: unknown): void {
  const { code, message } = asFerryError(error, 'ERR_GUEST');
  post.post({ type: 'broken', code, message });
}

async function obey(command: ToDestination): Promise<void> {
  switch (command.type) {
    case 'listen':
      await receive(command.plan);
      return;
    case 'account':
      await account();
      return;
    case 'end':
      return;
    default:
      command satisfies never;
  }
}

async function receive(plan: DemoPlan): Promise<void> {
  // PostgreSQL takes seconds to begin, and SQLite a second where many begin at once: too long for whoever offers a guest.
  const made = plan.kind === 'ledger' ? undefined : await receiveGuest(plan, post.commit);
  const listener = await listen({
    accept: (offer) => accept(plan, offer, made),
    maxImageBytes: 2 ** 32,
    maxSessions: 1,
  });
  post.post({ type: 'listening', host: listener.host, port: listener.port });
  follow(listener).catch(broken);
}

async function accept(
  plan: DemoPlan,
  { kind }: IncomingOffer,
  made: DemoGuest | undefined,
): Promise<DemoGuest> {
  if (kind !== plan.kind) {
    throw new FerryError('ERR_INCOMPATIBLE', `a ${plan.kind} is awaited, not a guest "${kind}"`);
  }
  const guest = made ?? (await receiveGuest(plan, post.commit));
  here = { plan, guest };
  return guest;
}

async function follow(listener: Listener): Promise<void> {
  for await (const event of listener) {
    if (event.type === 'in-doubt') {
      openDoubt(control, listener, event.session, (text) => post.post({ type: 'notice', text }));
    } else if (event.type === 'arrived') {
      const { appliedPages, receivedBytes } = event.arrival;
      await control.close();
      post.post({ type: 'arrived', appliedPages, receivedBytes });
    } else if (event.type === 'failed') {
      await control.close();
    }
  }
}

async function account(): Promise<void> {
  if (here === undefined) throw new FerryError('ERR_GUEST', 'no guest ever came');
  const { guest, plan } = here;
  await guest.pause();
  post.post({ type: 'paused', seq: seqOf(guest), firstCommitMs: post.firstCommitMs });
  let first = 0;
  let digests: number[] = [];
  const tell = (): void => {
    if (digests.length > 0) {
      post.post({ type: 'found', first, digests: Uint32Array.from(digests) });
    }
    digests = [];
  };
  const content = await contentOf(guest, plan, (seq, digest) => {
    // A batch is a run of numbers without gaps.
    if (seq !== first + digests.length || digests.length === foundAtOnce) tell();
    if (digests.length === 0) first = seq;
    digests.push(digest);
  });
  tell();
  post.post({ type: 'content', ...content });
}
