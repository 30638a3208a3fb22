import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  createLedger,
  type LedgerGuest,
  type LedgerOptions,
  planLedger,
  receiveLedger,
} from '../../src/guests/ledger.js';
import { findLedgerDamage, replayLedger } from '../../src/guests/ledger-replay.js';
import { listen, type MigrationReport, migrate } from '../../src/index.js';
import { record } from '../evidence/record.js';
import { Random } from '../reference/random.js';
import { Relay } from './relay.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const soakMs = nightly ? 3_600_000 : 12_000;
const seed = Number(process.env['PAGEFERRY_SEED'] ?? 1);
const page = 4096;
const plan: LedgerOptions = { sizeBytes: 256 * page, seed: 11, bytesPerSecond: 4e6 };
/** How much more may be held at the end than after the first trips: what the collector has not looked at yet. */
const slackBytes = 64 * 2 ** 20;

/** Where the ledger goes next: a listener behind a link that is not to be trusted. */
class Harbour {
  readonly relay: Relay;
  readonly #listener: Awaited<ReturnType<typeof listen>>;
  readonly #arrived: Promise<LedgerGuest>;

  private constructor(
    listener: Awaited<ReturnType<typeof listen>>,
    relay: Relay,
    arrived: Promise<LedgerGuest>,
  ) {
    this.#listener = listener;
    this.relay = relay;
    this.#arrived = arrived;
  }

  static async open(): Promise<Harbour> {
    let place: LedgerGuest | undefined;
    const listener = await listen({
      accept(offer) {
        const [region] = offer.regions;
        place = receiveLedger(region?.byteLength ?? 0, region?.maxByteLength ?? 0, {
          bytesPerSecond: 4e6,
        });
        return place;
      },
    });
    const arrived = (async () => {
      for await (const event of listener) {
        if (event.type === 'arrived' && place !== undefined) return place;
      }
      throw new Error('nobody arrived');
    })();
    arrived.catch(() => {});
    const shape = { bytesPerSecond: 20e6, delayMs: 1 };
    const relay = await Relay.open({ target: listener.port, there: shape, back: shape });
    return new Harbour(listener, relay, arrived);
  }

  /** Moves `ledger` here, whatever `weather` does to the link meanwhile. */
  async take(
    ledger: LedgerGuest,
    weather: (relay: Relay) => Promise<void>,
  ): Promise<{ readonly report: MigrationReport; readonly ledger: LedgerGuest }> {
    const migration = migrate(ledger, {
      host: '127.0.0.1',
      port: this.relay.port,
      maxDowntimeMs: 300,
      maxOutageMs: 60_000,
    });
    let isOver = false;
    let blowing: Promise<void> | undefined;
    const blow = async (): Promise<void> => {
      while (!isOver) await weather(this.relay);
    };
    for await (const { type } of migration) {
      // Before the destination made room for it a cut ends a migration, and another may begin.
      if (type !== 'offered') blowing ??= blow();
    }
    isOver = true;
    const report = await migration.done;
    await blowing;
    return { report, ledger: await this.#arrived };
  }

  async close(): Promise<void> {
    this.relay.close();
    await this.#listener.close();
  }
}

interface Held {
  readonly bytes: number;
  readonly resources: number;
}

async function held(): Promise<Held> {
  await sleep(50);
  const { rss } = process.memoryUsage();
  return { bytes: rss, resources: process.getActiveResourcesInfo().length };
}

describe('a ledger that goes from place to place over a link that is cut and stalls', () => {
  it(
    'is right at the end, and leaves nothing behind on its way',
    async ({ task }) => {
      const random = new Random(seed);
      const weather = async (relay: Relay): Promise<void> => {
        await sleep(20 + (random.u32() % 400));
        if (random.u32() % 3 > 0) relay.cut();
        else {
          relay.stall();
          await sleep(random.u32() % 300);
          relay.resume();
        }
      };
      const until = performance.now() + soakMs;
      let ledger = createLedger(plan);
      await ledger.resume();
      let trips = 0;
      let interruptions = 0;
      let repaired = 0;
      let before: Held | undefined;
      // A link that is never whole for long carries nobody: from here and there it must be.
      for (; performance.now() < until || trips < 3; trips++) {
        const harbour = await Harbour.open();
        let gusts = 0;
        const gusty = async (relay: Relay): Promise<void> => {
          gusts += 1;
          if (gusts > 6) await sleep(20);
          else await weather(relay);
        };
        const moved = await harbour.take(ledger, gusty);
        interruptions += moved.report.interruptions;
        repaired += moved.report.repaired;
        ledger = moved.ledger;
        await harbour.close();
        if (trips === 2) before = await held();
      }
      await ledger.pause();
      const after = await held();
      const replay = replayLedger(planLedger(plan), ledger.seq);
      const memory = ledger.regions[0]?.memory?.() ?? new Uint8Array();
      const counts = { trips, interruptions, repaired, transfers: ledger.seq };
      record(task, { what: 'a ledger over a faulty link', seeds: [seed], counts });
      expect(replay.digest).toBe(ledger.digest);
      expect(findLedgerDamage(memory, replay)).toEqual([]);
      expect(repaired).toBe(0);
      expect(interruptions).toBeGreaterThan(0);
      expect(after.resources).toBeLessThanOrEqual((before?.resources ?? 0) + 2);
      expect(after.bytes - (before?.bytes ?? 0)).toBeLessThan(slackBytes);
    },
    soakMs + 300_000,
  );
});
