import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import type { Guest } from '../../src/guests/guest.js';
import { type Clock, systemClock } from '../../src/migration/clock.js';
import { listen } from '../../src/migration/listen.js';
import { migrate } from '../../src/migration/migrate.js';
import { resolveOptions } from '../../src/migration/options.js';
import { Sessions } from '../../src/migration/sessions.js';
import { SourceDriver } from '../../src/migration/source.js';
import type { SourceState } from '../../src/migration/source-states.js';
import { type MemoryPair, memoryPair } from '../../src/transport/memory-pair.js';

const imageBytes = 65_536;
const cuts: (() => void)[] = [];
afterEach(() => {
  for (const cut of cuts.splice(0)) cut();
});

/** A migration in this process whose link is cut in `cutIn`; `again` opens what is asked on later, if anything. */
function cutMigration(how: {
  readonly cutIn: SourceState['phase'];
  readonly guest?: Guest;
  readonly clock?: Clock;
  readonly again?: (open: () => MemoryPair) => Promise<MemoryPair>;
}): { readonly driver: SourceDriver; readonly sessions: Sessions } {
  const { cutIn, clock = systemClock } = how;
  const guest = how.guest ?? bufferGuest(new Uint8Array(imageBytes).fill(1));
  const sessions = new Sessions({
    accept: () => bufferGuest(new Uint8Array(imageBytes)),
    limits: { maxImageBytes: imageBytes, maxStateBytes: 0 },
    clock: systemClock,
    maxSessions: 1,
    emit: () => {},
    onArrival: () => {},
    onFailure: () => {},
  });
  let first: MemoryPair | undefined;
  const open = (): MemoryPair => {
    const pair = memoryPair();
    cuts.push(() => pair.cut());
    sessions.greet(pair.b);
    return pair;
  };
  const driver = new SourceDriver({
    guest,
    connect: async () => {
      if (first === undefined) {
        first = open();
        return first.a;
      }
      if (how.again === undefined) throw new FerryError('ERR_CONNECTION_LOST', 'nobody there');
      return (await how.again(open)).a;
    },
    clock,
    options: resolveOptions({ settle: 'first', maxDowntimeMs: 5000 }),
    emit: () => {},
    onStep: (_, state) => {
      if (state.phase === cutIn) first?.cut();
    },
  });
  driver.start();
  return { driver, sessions };
}

async function reaches(driver: SourceDriver, phase: SourceState['phase']): Promise<void> {
  for (let waits = 0; driver.phase !== phase && waits < 500; waits++) await sleep(10);
  expect(driver.phase).toBe(phase);
}

describe('the end of a migration at its source', () => {
  it('closes a connection that was only made when the operator had decided', async () => {
    let asked = 0;
    const { driver, sessions } = cutMigration({
      cutIn: 'committed',
      again: async (open) => {
        asked += 1;
        await sleep(100);
        return open();
      },
    });
    await reaches(driver, 'in-doubt');
    for (let waits = 0; asked === 0 && waits < 500; waits++) await sleep(10);
    driver.resolve('abandon');
    await driver.done.catch(() => {});
    await sleep(300);
    expect(asked).toBe(1);
    const session = sessions.get(Buffer.from(driver.session).toString('hex'));
    expect(session?.phase).toBe('ready');
    expect(session?.connected).toBe(false);
    session?.resolve('abandon');
  });

  it('says so where the guest could not be continued', async () => {
    const guest = bufferGuest(new Uint8Array(imageBytes).fill(1), {
      resume: () => {
        throw new Error('it will not start');
      },
    });
    const { driver } = cutMigration({ cutIn: 'stop-and-copy', guest });
    await expect(driver.done).rejects.toMatchObject({
      code: 'ERR_GUEST',
      message: expect.stringMatching(/gone; and then .* not be continued here: it will not start/),
    });
  });
});

describe('a listener that lives long', () => {
  it('keeps no guest of sessions that ended', async () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    let collected = 0;
    const registry = new FinalizationRegistry(() => {
      collected += 1;
    });
    const listener = await listen({
      accept: ({ byteLength }) => {
        const buffer = new ArrayBuffer(byteLength);
        registry.register(buffer, undefined);
        return bufferGuest(buffer);
      },
    });
    const watching = (async () => {
      for await (const event of listener) if (event.type === 'failed') throw event.error;
    })();
    const { host, port } = listener;
    for (let time = 0; time < 4; time++) {
      const guest = bufferGuest(new Uint8Array(imageBytes).fill(1));
      await migrate(guest, { host, port, settle: 'first' }).done;
    }
    for (let waits = 0; collected < 3 && waits < 50; waits++) {
      await sleep(20);
      collect();
    }
    // What the last one leaves on the stack may outlive this test.
    expect(collected).toBeGreaterThanOrEqual(3);
    await listener.close();
    await watching;
  });
});
