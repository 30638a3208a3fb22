import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import { bufferGuest } from '../../src/guests/buffer.js';
import { fileGuest } from '../../src/guests/file.js';
import { fileDestination } from '../../src/guests/file-destination.js';
import type { Guest } from '../../src/guests/guest.js';
import { type Clock, systemClock } from '../../src/migration/clock.js';
import { listen } from '../../src/migration/listen.js';
import { migrate } from '../../src/migration/migrate.js';
import { resolveOptions } from '../../src/migration/options.js';
import { Sessions } from '../../src/migration/sessions.js';
import { SourceDriver } from '../../src/migration/source.js';
import type { SourceState } from '../../src/migration/source-states.js';
import { type MemoryPair, memoryPair } from '../../src/transport/memory-pair.js';
import { VirtualClock } from '../simulation/virtual-clock.js';

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

describe('what is only copied', () => {
  it('has its writer go on at COMMIT, before anything is known of the destination', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pageferry-'));
    const [image, copy, marker] = ['image', 'copy', 'goes-on'].map((name) => join(folder, name));
    if (image === undefined || copy === undefined || marker === undefined) throw new Error();
    await writeFile(image, 'content');
    const guest = await fileGuest(image, {
      live: true,
      pauseCommand: 'true',
      resumeCommand: `echo >> '${marker}'`,
    });
    const listener = await listen({
      accept: async ({ byteLength }) => {
        const target = await fileDestination(copy, { byteLength, maxByteLength: 64 * 2 ** 20 });
        const place = target.resume.bind(target);
        target.resume = async () => {
          await goesOn();
          await place();
        };
        return target;
      },
    });
    const goesOn = async (): Promise<void> => {
      while (
        !(await access(marker).then(
          () => true,
          () => false,
        ))
      )
        await sleep(5);
    };
    const { host, port } = listener;
    await migrate(guest, { host, port, maxDowntimeMs: 5000 }).done;
    await guest.close();
    await listener.close();
    expect(await readFile(copy, 'utf8')).toBe('content');
    expect(await readFile(marker, 'utf8')).toBe('\n');
    await rm(folder, { recursive: true });
  });

  it('stood still until it ran on, not until the destination was done', async () => {
    const clock = new VirtualClock();
    const slowMs = 3000;
    const sessions = new Sessions({
      accept: () =>
        bufferGuest(new Uint8Array(imageBytes), {
          resume: () => new Promise((resolve) => clock.after(slowMs, resolve)),
        }),
      limits: { maxImageBytes: imageBytes, maxStateBytes: 0 },
      clock,
      maxSessions: 1,
      emit: () => {},
      onArrival: () => {},
      onFailure: () => {},
    });
    const driver = new SourceDriver({
      guest: bufferGuest(new Uint8Array(imageBytes).fill(1), {
        handsOver: false,
        maxStateBytes: 0,
      }),
      connect: async () => {
        const pair = memoryPair({ schedule: (task) => void clock.after(0.1, task) });
        sessions.greet(pair.b);
        return pair.a;
      },
      clock,
      options: resolveOptions({ settle: 'first' }),
      emit: () => {},
    });
    driver.start();
    await clock.run(
      60_000,
      () => driver.phase === 'completed',
      () => {},
    );
    const { downtime, totalMs } = await driver.done;
    expect(totalMs).toBeGreaterThan(slowMs);
    expect(downtime?.totalMs).toBeLessThan(slowMs);
    expect(downtime?.destination.resumeMs).toBeGreaterThanOrEqual(slowMs);
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
