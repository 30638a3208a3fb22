import { describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { Guest } from '../../src/guests/guest.js';
import { sleep } from '../../src/migration/clock.js';
import type { DestinationNotice } from '../../src/migration/destination.js';
import { OutageNotices } from '../../src/migration/destination-notices.js';
import { Inquiry } from '../../src/migration/inquiry.js';
import { Link } from '../../src/migration/link.js';
import { resolveOptions } from '../../src/migration/options.js';
import { Outage } from '../../src/migration/outage.js';
import { Sessions } from '../../src/migration/sessions.js';
import { SourceDriver } from '../../src/migration/source.js';
import { SourceConnections } from '../../src/migration/source-connections.js';
import { SourceDeadlines } from '../../src/migration/source-deadlines.js';
import { Unacknowledged } from '../../src/migration/unacknowledged.js';
import { type Hello, messageType, type Offer } from '../../src/protocol/messages.js';
import type { Channel } from '../../src/transport/channel.js';
import { memoryPair } from '../../src/transport/memory-pair.js';
import { VirtualClock } from '../simulation/virtual-clock.js';

const hello: Hello = {
  type: 'HELLO',
  ...{ minVersion: 1, maxVersion: 1, role: 'main', channel: 0, capabilities: 0, attempt: 1 },
  session: new Uint8Array(16),
  proof: new Uint8Array(32),
};
const offer: Offer = {
  type: 'OFFER',
  ...{ pageSize: 4096, secret: new Uint8Array(192), handsOver: true },
  ...{ maxStateBytes: 0, maxDowntimeMs: 0 },
  identity: { kind: 'buffer', version: '', features: [] },
  regions: [{ id: 0, name: 'memory', byteLength: 4096, maxByteLength: 4096 }],
};

interface Lost {
  /** The first connection is cut when the destination says READY, or the source COMMIT, which is lost with it, or while the state is loaded. */
  readonly at: 'READY' | 'COMMIT' | 'loading';
  /** What happens right behind the cut. */
  readonly meanwhile?: (sessions: Sessions, session: string) => void;
  /** The destination is another process by then, and both ends prove themselves. */
  readonly restarts?: boolean;
  /** No other connection is made. */
  readonly staysLost?: boolean;
  readonly untilMs: number;
}

/** What the destination's guest was asked for, where both ended, and why the source failed. */
async function migrateAndLose(lost: Lost): Promise<{
  readonly asked: readonly string[];
  readonly phase: string | undefined;
  readonly code: string | undefined;
  readonly notices: readonly DestinationNotice[];
}> {
  const { at, meanwhile, restarts = false, staysLost = false, untilMs } = lost;
  const clock = new VirtualClock();
  const asked: string[] = [];
  const notices: DestinationNotice[] = [];
  const target: Guest = {
    ...bufferGuest(new Uint8Array(4 * 4096)),
    loadState: () => sleep(clock, at === 'loading' ? 200 : 0),
    acquire: async () => void asked.push('acquire'),
    release: async () => void asked.push('release'),
    resume: async () => {
      asked.push('resume');
      await sleep(clock, 5000);
    },
  };
  const start = () =>
    new Sessions({
      accept: () => target,
      limits: { maxImageBytes: 1 << 20, maxStateBytes: 1 << 10 },
      clock,
      maxSessions: 1,
      emit: (notice) => {
        if (notice.type !== 'offered') notices.push(notice);
      },
      onArrival: () => {},
      onFailure: () => {},
    });
  let sessions = start();
  let connections = 0;
  const driver = new SourceDriver({
    guest: bufferGuest(new Uint8Array(4 * 4096).fill(1)),
    connect: async () => {
      connections += 1;
      if (connections > 1 && staysLost) throw new Error('no link');
      const pair = memoryPair({ schedule: (task) => void clock.after(0.1, task) });
      const cut = (): void => {
        pair.cut();
        if (restarts) sessions = start();
        meanwhile?.(sessions, session);
      };
      const cutAt = {
        READY: [pair.b, messageType.READY, 0],
        COMMIT: [pair.a, messageType.COMMIT, 0],
        loading: [pair.a, messageType.PREPARE, 100],
      } as const;
      const [channel, type, afterMs] = cutAt[at];
      if (connections === 1) onSent(channel, type, () => void clock.after(afterMs, cut));
      if (restarts) for (const end of [pair.a, pair.b]) prove(end, connections);
      sessions.greet(pair.b);
      return pair.a;
    },
    clock,
    options: resolveOptions({ maxDowntimeMs: 5000 }),
    emit: () => {},
  });
  const session = Buffer.from(driver.session).toString('hex');
  let code: string | undefined;
  driver.done.catch((error: FerryError) => {
    code = error.code;
  });
  driver.start();
  await clock.run(
    untilMs,
    () => false,
    () => {},
  );
  return { asked, phase: sessions.get(session)?.phase, code, notices };
}

/** Calls `cut` in the turn before a frame of that type can arrive. */
function onSent(channel: Channel, type: number, cut: () => void): void {
  const send = channel.send.bind(channel);
  channel.send = (frame, released) => {
    if (frame[3] === type) cut();
    return send(frame, released);
  };
}

/** Lets `channel` be one over TLS, whose ends share a secret of their own. */
function prove(channel: Channel, secret: number): void {
  const exportSecret = () => new Uint8Array(32).fill(secret);
  Object.defineProperty(channel, 'peer', { value: { identity: 'token 1', exportSecret } });
}

describe('a destination whose source is back', () => {
  it('begins anew where it was started again, and is of who comes then: nobody can check whose it was', async () => {
    const outcome = await migrateAndLose({ at: 'loading', restarts: true, untilMs: 20_000 });
    expect(outcome).toMatchObject({ phase: 'running', code: undefined });
    expect(outcome.asked.at(-1)).toBe('resume');
  });

  it('takes nothing from a guest that an operator had it start meanwhile', async () => {
    const outcome = await migrateAndLose({
      at: 'READY',
      meanwhile: (sessions, session) => sessions.get(session)?.resolve('resume'),
      untilMs: 10_000,
    });
    expect(outcome).toMatchObject({
      asked: ['acquire', 'resume'],
      phase: 'running',
      code: 'ERR_OUTCOME_UNKNOWN',
    });
  });
});

describe('a destination whose source comes back before its offer was answered', () => {
  it.each([1, 2])(
    'ends what it had begun %i times, waits until that let go, and takes the offer anew',
    async (times) => {
      const clock = new VirtualClock();
      const schedule = (task: () => void) => void clock.after(1, task);
      const accepting: (() => void)[] = [];
      let held = 0;
      const sessions = new Sessions({
        accept: async () => {
          held += 1;
          expect(held).toBe(1);
          await new Promise<void>((resolve) => accepting.push(resolve));
          const letGo = async (): Promise<void> => {
            held -= 1;
          };
          return { ...bufferGuest(new Uint8Array(4096)), discard: letGo };
        },
        limits: { maxImageBytes: 1 << 20, maxStateBytes: 1 << 10 },
        clock,
        maxSessions: 1,
        emit: () => {},
        onArrival: () => {},
        onFailure: () => {},
      });
      const told: string[][] = [];
      const connect = (attempt: number): void => {
        const { a, b } = memoryPair({ schedule });
        const heard: string[] = [];
        told.push(heard);
        const link: Link = new Link(a, clock, attempt, {
          onMessage: (message) => {
            heard.push(message.type);
            if (message.type === 'HELLO_ACK') link.send(offer);
          },
          onClosed: () => {},
        });
        sessions.greet(b);
        link.send({ ...hello, attempt });
      };
      for (let attempt = 1; attempt <= times + 1; attempt++) {
        connect(attempt);
        await clock.run(
          clock.now() + 100,
          () => false,
          () => {},
        );
        // The one before lets go only now.
        if (attempt > 1) accepting[attempt - 2]?.();
        await clock.run(
          clock.now() + 100,
          () => false,
          () => {},
        );
      }
      accepting.at(-1)?.();
      await clock.run(
        clock.now() + 100,
        () => false,
        () => {},
      );
      expect(told.slice(0, -1)).toEqual(Array(times).fill(['HELLO_ACK']));
      expect(told.at(-1)).toEqual(['HELLO_ACK', 'ACCEPT']);
      expect(held).toBe(1);
    },
  );
});

describe('a destination whose source is gone before READY', () => {
  it('holds nothing that the guest has taken again where it runs', async () => {
    const outcome = await migrateAndLose({ at: 'loading', staysLost: true, untilMs: 5000 });
    expect(outcome).toMatchObject({ asked: ['acquire', 'release'], phase: 'interrupted' });
  });
});

describe('a destination whose source is gone behind READY', () => {
  it('keeps its promise, but nothing that the guest wants where it may run', async () => {
    const outcome = await migrateAndLose({ at: 'READY', staysLost: true, untilMs: 5000 });
    expect(outcome).toMatchObject({ asked: ['acquire', 'release'], phase: 'ready' });
    expect(outcome.notices.map(({ type }) => type)).toEqual(['interrupted', 'in-doubt']);
  });

  it('takes it again before it starts the guest', async () => {
    const outcome = await migrateAndLose({ at: 'COMMIT', untilMs: 20_000 });
    expect(outcome).toMatchObject({
      asked: ['acquire', 'release', 'acquire', 'resume'],
      phase: 'running',
      code: undefined,
    });
  });
});

describe('what a destination says of an outage', () => {
  it.each(['loading', 'READY'] as const)(
    'is when it began, and how long it was (%s)',
    async (at) => {
      const { notices, phase } = await migrateAndLose({ at, untilMs: 20_000 });
      expect(phase).toBe('running');
      const [lost, ...later] = notices;
      expect(lost).toMatchObject({ type: 'interrupted', code: 'ERR_CONNECTION_LOST' });
      const back = later.at(-1);
      if (back?.type !== 'resumed') throw new Error('it is back');
      expect(back.session).toBe(lost?.session);
      expect(back.outageMs).toBeGreaterThan(0);
      expect(back.outageMs).toBeLessThan(1000);
    },
  );

  it('is told where the source was faster than the news of it', () => {
    const clock = new VirtualClock();
    const notices: DestinationNotice[] = [];
    const outage = new OutageNotices('ab', clock, (notice) => notices.push(notice));
    outage.saw({ type: 'returned' }, { phase: 'receiving' });
    expect(notices).toMatchObject([
      { type: 'interrupted', session: 'ab', code: 'ERR_CONNECTION_LOST' },
      { type: 'resumed', session: 'ab', outageMs: 0 },
    ]);
  });
});

describe('a source', () => {
  it('is not refused by a listener that closes unheard, once one has heard it', async () => {
    const clock = new VirtualClock();
    const schedule = (task: () => void) => void clock.after(1, task);
    const codes: string[] = [];
    const links = new SourceConnections({
      session: new Uint8Array(16),
      capabilities: 0,
      clock,
      connect: async () => {
        const { a, b } = memoryPair({ schedule });
        prove(a, 1);
        clock.after(5, () => void b.close());
        return a;
      },
      onMessage: () => {},
      onClosed: ({ code }) => codes.push(code),
      onPagesMessage: () => {},
      onPagesClosed: () => {},
      onRoundTrip: () => {},
    });
    for (let attempt = 1; attempt <= 2; attempt++) {
      await links.open('main');
      await clock.run(
        clock.now() + 100,
        () => false,
        () => {},
      );
    }
    expect(codes).toEqual(['ERR_AUTH', 'ERR_CONNECTION_LOST']);
  });

  it('does not say again what a region had been before it grew more, or vanished', () => {
    const change = (id: number, byteLength: number) =>
      ({ type: 'REGION', id, name: `${id}`, byteLength }) as const;
    const sent = new Unacknowledged();
    const changes = [change(1, 10), change(2, 5), change(1, 20), change(2, -1), change(2, 3)];
    for (const [at, each] of changes.entries()) sent.region(at + 1, each);
    expect(sent.take().changes).toEqual([change(1, 20), change(2, -1), change(2, 3)]);
  });

  it('says often that its promise is void in the little time it has, however long it tried to come back before', async () => {
    const clock = new VirtualClock();
    const roles: string[] = [];
    const connect = async (role: string) => {
      roles.push(role);
      throw new Error('no link');
    };
    const inquiry = new Inquiry({ clock, connect });
    inquiry
      .reconnect('main', () => true, 10)
      .then(() => inquiry.releasePromise(new FerryError('ERR_CONNECTION_LOST', 'for the test')));
    await clock.run(
      60_000,
      () => false,
      () => {},
    );
    expect(roles.filter((role) => role === 'ask').length).toBeGreaterThan(3);
  });

  it('that gave up on its way back closes no connection that is made to say so', async () => {
    for (const connects of [false, true]) {
      const clock = new VirtualClock();
      const called: string[] = [];
      let wanted = true;
      const connect = async () => {
        await sleep(clock, 200);
        if (!connects) throw new Error('no link');
        return undefined as never;
      };
      const [guest, options] = [bufferGuest(new Uint8Array(4096)), resolveOptions({})];
      const inquiry = new Inquiry({ clock, connect });
      const deps = { clock, options, guest, giveUp: () => {}, giveBack: () => {} };
      const outage = new Outage({
        clock,
        options,
        inquiry,
        deadlines: new SourceDeadlines(deps),
        emit: () => {},
        wanted: () => wanted,
        gaveUp: () => called.push('gave up'),
        tooLate: () => called.push('too late'),
      });
      outage.begin(new FerryError('ERR_CONNECTION_LOST', 'for the test'));
      clock.after(100, () => {
        wanted = false;
      });
      await clock.run(
        5000,
        () => false,
        () => {},
      );
      expect(called).toEqual(connects ? ['too late'] : []);
    }
  });
});
