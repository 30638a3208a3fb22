import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { HostCalls } from '../../../src/guests/emscripten/host-calls.js';
import { readCalls, writeCalls } from '../../../src/guests/emscripten/host-calls-state.js';

const memory = { buffer: new ArrayBuffer(65536), grow: () => 0 };

/** A host with timers as emscripten has them, and a table that libraries make longer. */
function host() {
  const fired: number[] = [];
  const timers = new Map<number, NodeJS.Timeout>();
  const table = { length: 10, get: () => null };
  const env = {
    _setitimer_js(which: number, ms: number) {
      clearTimeout(timers.get(which));
      if (ms > 0)
        timers.set(
          which,
          setTimeout(() => fired.push(which), ms),
        );
      return 0;
    },
    _dlopen_js() {
      table.length += 5;
      return 1;
    },
  };
  const calls = new HostCalls();
  calls.watch({ env }, () => ({ table, memory }));
  return { fired, env, calls };
}

const recordOf = (calls: HostCalls) => JSON.parse(JSON.stringify(writeCalls(calls)));

describe('timers of a program', () => {
  it('do not fire while they are held, and then with what was left of them', async () => {
    const { fired, env, calls } = host();
    env._setitimer_js(0, 20);
    env._setitimer_js(1, 5);
    await sleep(12);
    expect(fired).toEqual([1]);
    calls.holdTimers();
    await sleep(30);
    expect(fired).toEqual([1]);
    expect(calls.timers()).toHaveLength(1);
    calls.releaseTimers();
    await expect.poll(() => fired).toEqual([1, 0]);
    expect(calls.timers()).toEqual([]);
  });

  it('fire at the other side, and not here', async () => {
    const here = host();
    const there = host();
    here.env._setitimer_js(2, 10);
    here.calls.holdTimers();
    there.calls.takeTimers(readCalls(recordOf(here.calls), there.calls));
    there.calls.takeTimers(readCalls(recordOf(here.calls), there.calls));
    await sleep(20);
    expect(there.fired).toEqual([]);
    there.calls.releaseTimers();
    await expect.poll(() => there.fired).toEqual([2]);
    expect(here.fired).toEqual([]);
  });
});

describe('libraries of a program', () => {
  it('have to be open at both ends, in the same places', () => {
    const here = host();
    const there = host();
    new Uint8Array(memory.buffer).set(new TextEncoder().encode('/lib/x.so\0'), 100 + 36);
    Reflect.apply(Reflect.get(here.env, '_dlopen_js'), undefined, [100]);
    expect(here.calls.libraries).toMatchObject([{ path: '/lib/x.so', firstSlot: 10, endSlot: 15 }]);
    expect(() => readCalls(recordOf(here.calls), there.calls)).toThrow('/lib/x.so is not open');
    expect(() => readCalls(recordOf(there.calls), here.calls)).toThrow('/lib/x.so is not open');
    Reflect.apply(Reflect.get(there.env, '_dlopen_js'), undefined, [100]);
    expect(readCalls(recordOf(here.calls), there.calls)).toEqual([]);
  });
});
