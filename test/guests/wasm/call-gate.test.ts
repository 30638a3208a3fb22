import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CallGate } from '../../../src/guests/wasm/call-gate.js';

describe('the gate of a program', () => {
  it('is closed when the work that was let in is done, and opened for what waited', async () => {
    const gate = new CallGate();
    const order: string[] = [];
    let finish = (): void => {};
    const first = gate.run(async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      order.push('first');
    });
    const closing = gate.close(10_000).then(() => order.push('closed'));
    const second = gate.run(() => order.push('second'));
    await sleep(5);
    expect(order).toEqual([]);
    finish();
    await first;
    await closing;
    expect(order).toEqual(['first', 'closed']);
    expect(gate.isClosed).toBe(true);
    gate.open();
    await second;
    expect(order).toEqual(['first', 'closed', 'second']);
  });

  it('lets what is in flight call on while it closes, and nobody once it is closed', async () => {
    const gate = new CallGate();
    let calls = 0;
    const work = gate.run(async () => {
      await sleep(5);
      gate.call(() => calls++);
    });
    await gate.close(10_000);
    await work;
    expect(calls).toBe(1);
    expect(() => gate.call(() => calls++)).toThrow(
      expect.objectContaining({ code: 'ERR_GUEST' }) as Error,
    );
    expect(calls).toBe(1);
  });

  it('waits for a call that gave a promise', async () => {
    const gate = new CallGate();
    let isOver = false;
    const result = gate.call(async () => {
      await sleep(5);
      isOver = true;
      throw new Error('no');
    });
    await gate.close(10_000);
    expect(isOver).toBe(true);
    await expect(result).rejects.toThrow('no');
  });

  it('gives up on work that does not end, and is open again', async () => {
    const gate = new CallGate();
    const endless = gate.run(() => new Promise<void>(() => {}));
    void endless;
    const waiting = gate.run(() => 1);
    await expect(gate.close(20)).rejects.toMatchObject({ code: 'ERR_GUEST' });
    expect(await waiting).toBe(1);
    expect(await gate.run(() => 2)).toBe(2);
  });

  it('is not kept from closing by work that failed', async () => {
    const gate = new CallGate();
    await expect(gate.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(() =>
      gate.call(() => {
        throw new Error('nor this');
      }),
    ).toThrow('nor this');
    await gate.close(0);
    expect(gate.isClosed).toBe(true);
  });
});
