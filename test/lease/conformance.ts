import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { OwnerRecord } from '../../src/lease/owner-record.js';
import type { LeaseProvider } from '../../src/lease/provider.js';
import type { SwapOutcome } from '../../src/lease/swap.js';

/** An engine under test, for one test. */
export interface TestEngine {
  /** A provider of its own connection to the engine; closed when the test is over. */
  readonly provider: () => Promise<LeaseProvider>;
  /** What makes a provider in another process: a module that exports `make`, and what that is given. */
  readonly module: string;
  readonly options: Readonly<Record<string, unknown>>;
}

const isNightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const campaigns = isNightly ? 2000 : 60;

/** A record that `owner` may claim with. */
export function recordOf(
  owner: string,
  generation: bigint,
  inSync: readonly string[] = [owner],
): OwnerRecord {
  return { owner, generation, inSync: [...inSync].sort(), claim: randomBytes(16).toString('hex') };
}

/** A process that claims a guest and holds it. */
export class Holder {
  readonly #child: ChildProcess;
  /** When the machine's clock said that it was not its own any more, at the latest. */
  until = 0;
  /** Generations that it won, and that it heard were lost. */
  readonly won: number[] = [];
  readonly lost: number[] = [];

  /** `within`: a command that starts it, with its arguments. `how`: it renews its lease, or changes its record all the time. */
  constructor(
    { module, options }: TestEngine,
    guest: string,
    member: string,
    within: readonly string[] = [],
    how: 'renew' | 'change' = 'renew',
  ) {
    const program = fileURLToPath(new URL('./holder.mjs', import.meta.url));
    const args = [program, module, JSON.stringify(options), guest, member, how];
    const [command = '', ...rest] = [...within, process.execPath, ...args];
    this.#child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => void this.#child.kill('SIGKILL'));
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('no output');
    createInterface({ input: stdout }).on('line', (line) => {
      const { won, lost, until } = JSON.parse(line);
      if (won !== undefined) this.won.push(won);
      if (lost !== undefined) this.lost.push(lost);
      if (until !== undefined) this.until = until;
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** It gives no sign from now on, without being stopped. */
  freeze(): void {
    this.#child.stdin?.write('freeze\n');
  }

  get isGone(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

export async function until(is: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  for (const from = performance.now(); !(await is()); await sleep(2)) {
    if (performance.now() - from > ms) throw new Error('it never was');
  }
}

/** What every engine must hold to: docs of `LeaseProvider`. */
export function describeConformance(name: string, makeEngine: () => Promise<TestEngine>): void {
  const won = (outcome: SwapOutcome): bigint => {
    if (outcome.type !== 'won') throw new Error('it was lost');
    return outcome.revision;
  };

  describe(`${name}, as every engine of leases`, () => {
    it('keeps what was swapped in, and nothing else', async () => {
      const { provider } = await makeEngine();
      const [one, other] = [await provider(), await provider()];
      expect(await one.read('g')).toEqual({ revision: 0n, record: undefined, alive: undefined });
      const first = recordOf('a', 1n);
      const revision = won(await one.swap('g', { expected: 0n, record: first, unlessAlive: true }));
      expect(revision).toBeGreaterThan(0n);
      expect(await other.read('g')).toEqual({ revision, record: first, alive: 1n });
      const late = await other.swap('g', {
        expected: 0n,
        record: recordOf('b', 1n),
        unlessAlive: false,
      });
      expect(late).toEqual({ type: 'lost', view: { revision, record: first, alive: 1n } });
      const next = recordOf('a', 1n, ['a', 'b']);
      const after = won(
        await one.swap('g', { expected: revision, record: next, unlessAlive: false }),
      );
      expect(after).toBeGreaterThan(revision);
      expect(await other.read('g')).toEqual({ revision: after, record: next, alive: 1n });
      expect((await one.read('h')).record).toBeUndefined();
    });

    it('lets nobody take over from who is alive, and a handover happen all the same', async () => {
      const { provider } = await makeEngine();
      const [one, other] = [await provider(), await provider()];
      const first = recordOf('a', 1n, ['a', 'b']);
      const expected = won(await one.swap('g', { expected: 0n, record: first, unlessAlive: true }));
      const second = recordOf('b', 2n);
      const refused = await other.swap('g', { expected, record: second, unlessAlive: true });
      expect(refused.type).toBe('lost');
      const revision = won(await other.swap('g', { expected, record: second, unlessAlive: false }));
      expect(await one.read('g')).toEqual({ revision, record: second, alive: 2n });
      expect(await one.renew('g', 1n)).toBe(false);
      expect(await other.renew('g', 2n)).toBe(true);
    });

    it('ends a lease that is let go of at once, and only that', async () => {
      const { provider } = await makeEngine();
      const [one, other] = [await provider(), await provider()];
      const record = recordOf('a', 1n);
      const expected = won(await one.swap('g', { expected: 0n, record, unlessAlive: true }));
      await other.resign('g', 1n);
      expect((await other.read('g')).alive).toBe(1n);
      await one.resign('g', 1n);
      expect(await other.read('g')).toMatchObject({ revision: expected, alive: undefined });
      expect(await one.renew('g', 1n)).toBe(false);
      won(await other.swap('g', { expected, record: recordOf('b', 2n), unlessAlive: true }));
      await one.resign('g', 1n);
      expect((await other.read('g')).alive).toBe(2n);
    });

    it('gives an owner whose lease ran out a new one with the same record', async () => {
      const { provider } = await makeEngine();
      const [one, other] = [await provider(), await provider()];
      const record = recordOf('a', 1n);
      const expected = won(await one.swap('g', { expected: 0n, record, unlessAlive: true }));
      await until(async () => (await other.read('g')).alive === undefined);
      const revision = won(await one.swap('g', { expected, record, unlessAlive: false }));
      expect(await other.read('g')).toEqual({ revision, record, alive: 1n });
      expect(await one.renew('g', 1n)).toBe(true);
    });

    it('lets an owner that let go of its lease have it back, and who watches see both', async () => {
      const { provider } = await makeEngine();
      const [one, other] = [await provider(), await provider()];
      const record = recordOf('a', 1n);
      let expected = won(await one.swap('g', { expected: 0n, record, unlessAlive: true }));
      let told = 0;
      onTestFinished(
        other.watch('g', () => {
          told += 1;
        }),
      );
      for (let round = 0; round < 10; round += 1) {
        await sleep(50);
        told = 0;
        await one.resign('g', 1n);
        await until(() => told > 0);
        expect((await other.read('g')).alive).toBeUndefined();
        expected = won(await one.swap('g', { expected, record, unlessAlive: false }));
        expect((await other.read('g')).alive).toBe(1n);
      }
    });

    it(`has one winner of each of ${campaigns} contended campaigns`, async () => {
      const { provider } = await makeEngine();
      const members = await Promise.all(
        ['a', 'b', 'c', 'd'].map(async (member) => ({ member, lease: await provider() })),
      );
      for (let campaign = 1n; campaign <= campaigns; campaign += 1n) {
        const views = await Promise.all(members.map(({ lease }) => lease.read('g')));
        const expected = views[0]?.revision ?? 0n;
        const outcomes = await Promise.all(
          members.map(({ member, lease }) => {
            const record = recordOf(member, campaign);
            return lease.swap('g', { expected, record, unlessAlive: campaign % 2n === 0n });
          }),
        );
        const winners = outcomes.flatMap(({ type }, at) => (type === 'won' ? [at] : []));
        expect(winners).toHaveLength(1);
        const { member, lease } = members[winners[0] ?? 0] ?? { member: '', lease: undefined };
        const view = await members[0]?.lease.read('g');
        expect(view?.record).toMatchObject({ owner: member, generation: campaign });
        await lease?.resign('g', campaign);
      }
    });

    it('frees a guest whose owner was killed', async () => {
      const engine = await makeEngine();
      const lease = await engine.provider();
      const holder = new Holder(engine, 'g', 'a');
      await until(() => holder.won.length > 0);
      let told = 0;
      onTestFinished(
        lease.watch('g', () => {
          told += 1;
        }),
      );
      await sleep(50);
      expect((await lease.read('g')).alive).toBe(1n);
      holder.signal('SIGKILL');
      await until(async () => (await lease.read('g')).alive === undefined);
      const { revision: expected } = await lease.read('g');
      const record = recordOf('b', 2n);
      won(await lease.swap('g', { expected, record, unlessAlive: true }));
      await until(() => told > 0);
    });

    it('lets another take over from who froze, whose time is over when that begins', async () => {
      const engine = await makeEngine();
      const one = new Holder(engine, 'g', 'a');
      await until(() => one.won.length > 0);
      const other = new Holder(engine, 'g', 'b');
      one.signal('SIGSTOP');
      await until(() => other.won.length > 0);
      expect(other.won).toEqual([2]);
      expect(Number(process.hrtime.bigint() / 1_000_000n)).toBeGreaterThan(one.until);
      one.signal('SIGCONT');
      // It was killed, or hears of it.
      await until(() => one.isGone || one.lost.includes(1));
      expect(one.won).toEqual([1]);
    });

    it('tells who watches of each change', async () => {
      const { provider } = await makeEngine();
      const [one, other] = [await provider(), await provider()];
      let told = 0;
      const end = other.watch('g', () => {
        told += 1;
      });
      await sleep(100);
      const record = recordOf('a', 1n);
      const expected = won(await one.swap('g', { expected: 0n, record, unlessAlive: true }));
      await until(() => told > 0);
      await sleep(100);
      told = 0;
      await one.resign('g', 1n);
      await until(() => told > 0);
      end();
      await sleep(100);
      told = 0;
      won(await one.swap('g', { expected, record: recordOf('a', 2n), unlessAlive: true }));
      await sleep(100);
      expect(told).toBe(0);
    });

    it('refuses what cannot be', async () => {
      const { provider } = await makeEngine();
      const lease = await provider();
      const record = recordOf('a', 1n);
      const swap = { expected: 0n, record, unlessAlive: true };
      for (const guest of ['', '..', 'a/b', 'a\u0000', 'x'.repeat(65)]) {
        await expect(lease.read(guest)).rejects.toBeInstanceOf(RangeError);
        await expect(lease.swap(guest, swap)).rejects.toBeInstanceOf(RangeError);
        await expect(lease.renew(guest, 1n)).rejects.toBeInstanceOf(RangeError);
      }
      const bad = { ...swap, record: { ...record, inSync: ['b'] } };
      await expect(lease.swap('g', bad)).rejects.toBeInstanceOf(RangeError);
      expect((await lease.read('g')).revision).toBe(0n);
    });

    it('ends the leases of who closes it, and says no more', async () => {
      const { provider } = await makeEngine();
      const [one, other] = [await provider(), await provider()];
      const record = recordOf('a', 1n);
      await one.swap('g', { expected: 0n, record, unlessAlive: true });
      await one.close();
      await until(async () => (await other.read('g')).alive === undefined);
      await expect(one.read('g')).rejects.toMatchObject({ code: 'ERR_LEASE_UNKNOWN' });
    });
  });
}
