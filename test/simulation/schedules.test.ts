import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { record } from '../evidence/record.js';
import { freshMemory, ReusedMemory } from './memory-supply.js';
import { schedule } from './schedule.js';
import { runBlock, type Summary, summaryOf } from './schedule-run.js';
import { type Outcome, simulate } from './world.js';

const nightly = process.env['PAGEFERRY_NIGHTLY'] === '1';
const base = Number(process.env['PAGEFERRY_SEED'] ?? 1);
const minutes = 60_000;
const memory = new ReusedMemory();
let uninstall = memory.install();
afterAll(() => uninstall());

/** Some befalls two in a hundred thousand alike. */
const nightlyCount = 1_001_000;

/** A million and some in threads of their own, compiled: they take a small part of what they would take here. */
async function million(): Promise<Summary> {
  const args = ['run', '--silent', 'test:schedules', '--', '--json', `--count=${nightlyCount}`];
  const { stdout } = await promisify(execFile)('npm', [...args, `--seed=${base}`], {
    maxBuffer: 1 << 26,
  }).catch((error: { readonly stdout: string }) => error);
  return JSON.parse(stdout);
}

describe('migrations and what befalls them', () => {
  it('go on, or end as they should, whatever it is', {
    timeout: 180 * minutes,
    // It is the same again.
    retry: 0,
  }, async ({ task }) => {
    const sample = { first: base, count: 300 };
    const { schedules, distinct, hash, faults, counts } = nightly
      ? await million()
      : summaryOf([await runBlock(sample, { memory, onEnd: () => memory.reuse() })]);
    const found = { schedules, distinctSchedules: distinct, violations: faults.length };
    record(task, { what: `schedules ${hash}`, seeds: [base], counts: found });
    console.log(`${distinct} distinct schedules, hash ${hash}, seed ${base}`);
    expect(faults).toEqual([]);
    expect(schedules).toBe(nightly ? nightlyCount : sample.count);
    expect(distinct).toBeGreaterThanOrEqual(nightly ? 1_000_000 : sample.count);
    // They are not all over before anything happens, nor does nothing happen to them.
    expect(counts['completed']).toBeGreaterThan(0.5 * schedules);
    for (const what of [
      'source crashed',
      'destination crashed',
      'failed with ERR_CONNECTION_LOST',
      'goings on',
      'delta pages',
      'patched pages',
      'compressed frames',
    ]) {
      expect(counts[what], what).toBeGreaterThan(0);
    }
  });

  it('are the same again for the same seed, in memory that is new or was used before', async () => {
    const told = ({ events, report, ...outcome }: Outcome): unknown => ({
      ...outcome,
      events: events.map(({ type }) => type),
      pages: report?.pagesByKind,
    });
    for (let seed = base; seed < base + 12; seed++) {
      expect(schedule(seed)).toEqual(schedule(seed));
      uninstall();
      const fresh = await simulate(schedule(seed), freshMemory);
      uninstall = memory.install();
      const again = await simulate(schedule(seed), memory);
      memory.reuse();
      expect(told(again), `seed ${seed}`).toEqual(told(fresh));
    }
  });
});

describe('memory that is used again', () => {
  it('is as new: zero to its end, arenas and all', async () => {
    await runBlock({ first: 500, count: 60 }, { memory, onEnd: () => memory.reuse() });
    const { free } = memory;
    expect(Math.max(...free.map(({ byteLength }) => byteLength))).toBeGreaterThan(64 << 20);
    for (const buffer of free) {
      const part = 1 << 20;
      const zeros = new Uint8Array(part);
      for (let at = 0; at < buffer.byteLength; at += part) {
        const bytes = new Uint8Array(buffer, at, Math.min(part, buffer.byteLength - at));
        expect(Buffer.compare(bytes, zeros.subarray(0, bytes.length))).toBe(0);
      }
    }
  });

  it('is handed out again, wherever it was written', () => {
    const own = new ReusedMemory();
    const first = own.buffer(100_000, false);
    new Uint8Array(first).fill(7);
    own.reuse();
    expect(own.buffer(100_000, false)).toBe(first);
    expect(new Uint8Array(first).every((byte) => byte === 0)).toBe(true);
    expect(own.buffer(100_000, false)).not.toBe(first);
  });
});
