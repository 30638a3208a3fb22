import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundleGuest } from '../../src/bundle/bundle-guest.js';
import { firstWrong, readArrived } from '../../src/bundle/registry.js';
import type { MigrationReport } from '../../src/migration/events.js';
import type { Listener } from '../../src/migration/listen.js';
import { migrate } from '../../src/migration/migrate.js';
import { type Fate, FrameProxy, type PassingFrame } from '../processes/proxy.js';
import { Random } from '../reference/random.js';
import { receiveBundles } from './receiver.js';

/** Each try has sockets and a disk: all of them are tried at night. */
const stride = process.env['PAGEFERRY_NIGHTLY'] === '1' ? 1 : 7;
/** Where in a frame the connection ends: before it, behind its header, in the middle, before its last byte, behind it. */
const places = [0, 40, 0.5, -1, 1] as const;

let room = '';
beforeEach(async () => {
  room = await fs.mkdtemp(join(tmpdir(), 'pageferry-bundle-'));
  await fs.mkdir(join(room, 'inbox'));
  await fs.mkdir(join(room, 'web/etc'), { recursive: true });
  await fs.writeFile(join(room, 'web/disk.img'), new Random(1).bytes(70_001));
  await fs.writeFile(join(room, 'web/other.img'), Buffer.alloc(50_000, 'abc'));
  await fs.writeFile(join(room, 'web/etc/conf'), 'x');
});
afterEach(() => fs.rm(room, { recursive: true }));

/** Sends the bundle by way of a link that does `tamper` to its frames. */
async function sendBy(
  listener: Listener,
  tamper: (frame: PassingFrame) => Fate,
): Promise<{ readonly report: MigrationReport; readonly frames: readonly PassingFrame[] }> {
  const proxy = await FrameProxy.open(listener.port, tamper);
  const guest = await bundleGuest(join(room, 'web'), { keepSource: true });
  try {
    const host = '127.0.0.1';
    const options = { host, port: proxy.port, maxOutageMs: 5000, outcomeTimeoutMs: 10_000 };
    const report = await migrate(guest, options).done;
    return { report, frames: proxy.frames };
  } finally {
    await guest.close();
    proxy.close();
  }
}

/** The bundle is in the inbox, whole, and nothing else is. */
async function expectArrived(): Promise<void> {
  expect(await fs.readdir(join(room, 'inbox'))).toEqual(['web']);
  const place = join(room, 'inbox/web');
  const { manifest, record } = await readArrived(place);
  expect(record.state).toBe('registered');
  expect(await firstWrong(place, manifest)).toBeUndefined();
  for (const path of ['disk.img', 'other.img', 'etc/conf']) {
    const there = await fs.readFile(join(place, path));
    expect(there.equals(await fs.readFile(join(room, 'web', path)))).toBe(true);
  }
}

/** As `--retries` does: before ACCEPT was read a cut ends the try, and the destination may not know that yet. */
async function sendAgain(listener: Listener): ReturnType<typeof sendBy> {
  for (;;) {
    try {
      return await sendBy(listener, () => 'pass');
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_BUSY' });
      await sleep(100);
    }
  }
}

function offsetOf(place: (typeof places)[number], { length }: Uint8Array): number {
  if (place === 1) return length;
  return place < 0 ? length - 1 : place < 1 ? Math.floor(place * length) : Math.min(place, length);
}

/** An older bundle of the name is there, some pages of which are others. */
async function makeOlder(listener: Listener): Promise<void> {
  const disk = join(room, 'web/disk.img');
  const content = await fs.readFile(disk);
  await fs.writeFile(disk, Buffer.concat([content.subarray(0, 30_000), Buffer.alloc(40_001)]));
  await sendBy(listener, () => 'pass');
  await fs.writeFile(disk, content);
}

describe.each([
  { what: 'nothing is there', isOlder: false },
  { what: 'an older one is there', isOlder: true },
])('a bundle whose connection is lost once, where $what,', ({ isOlder }) => {
  it('arrives whole and is registered, wherever that was', async () => {
    const listener = await receiveBundles(() => join(room, 'inbox'), 1500);
    try {
      const prepare = async (): Promise<void> => {
        await fs.rm(join(room, 'inbox/web'), { recursive: true, force: true });
        if (isOlder) await makeOlder(listener);
      };
      await prepare();
      const whole = await sendBy(listener, () => 'pass');
      await expectArrived();
      const count = whole.frames.length;
      expect(count).toBeGreaterThan(10);
      let number = 0;
      for (let index = 0; index < count; index++) {
        for (const place of places) {
          number += 1;
          if (number % stride !== 0) continue;
          await prepare();
          let seen = 0;
          const cut = ({ connection, bytes, type }: PassingFrame): Fate => {
            if (connection !== 1 || type === 'PING' || type === 'PONG' || seen++ !== index) {
              return 'pass';
            }
            return { send: bytes.slice(0, offsetOf(place, bytes)), end: true };
          };
          const { report } = await sendBy(listener, cut).catch((error: unknown) => {
            expect(error).toMatchObject({ code: 'ERR_CONNECTION_LOST' });
            expect(seen).toBeLessThanOrEqual(5);
            return sendAgain(listener);
          });
          expect(report).toMatchObject({ verified: 'memory', repaired: 0 });
          await expectArrived();
        }
      }
    } finally {
      await listener.close();
    }
  }, 120_000);
});
