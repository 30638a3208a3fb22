import { describe, expect, it } from 'vitest';
import { QueryGate } from '../../../src/guests/pglite/query-gate.js';
import type { PgliteInsides } from '../../../src/guests/pglite/types.js';

/** Queries one after the other, as PGlite's mutex has it. */
class Session {
  #last: Promise<unknown> = Promise.resolve();

  _runExclusiveTransaction<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  _runExclusiveQuery<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  execProtocolRawSync(message: Uint8Array): Uint8Array {
    return message;
  }
}

function gateOf(session: Session): QueryGate {
  return new QueryGate(session as unknown as PgliteInsides);
}

describe('the gate of a session', () => {
  it('waits for the query in flight, and holds back those that come behind', async () => {
    const session = new Session();
    const gate = gateOf(session);
    const order: string[] = [];
    let end = (): void => {};
    const first = session._runExclusiveTransaction(async () => {
      await new Promise<void>((resolve) => {
        end = resolve;
      });
      order.push('first');
    });
    const closed = gate.close(10_000).then(() => order.push('closed'));
    const second = session._runExclusiveTransaction(async () => order.push('second'));
    await Promise.resolve();
    end();
    await Promise.all([first, closed]);
    await gate.close(1);
    expect(order).toEqual(['first', 'closed']);
    expect(() => session.execProtocolRawSync(Uint8Array.of(1))).toThrow('paused');
    gate.open();
    await second;
    expect(order).toEqual(['first', 'closed', 'second']);
    expect(session.execProtocolRawSync(Uint8Array.of(1))).toEqual(Uint8Array.of(1));
  });

  it('rejects those that waited where the session is gone, and those that come later, until it is awaited', async () => {
    const session = new Session();
    const gate = gateOf(session);
    await gate.close(1000);
    let asked = 0;
    const ask = async (): Promise<number> => ++asked;
    const gone = { code: 'ERR_GUEST', message: expect.stringContaining('handed over') };
    const waiting = session._runExclusiveTransaction(ask);
    gate.leave();
    await expect(waiting).rejects.toMatchObject(gone);
    await expect(session._runExclusiveTransaction(ask)).rejects.toMatchObject(gone);
    await expect(session._runExclusiveQuery(ask)).rejects.toMatchObject(gone);
    expect(() => session.execProtocolRawSync(Uint8Array.of(1))).toThrow('somewhere else');
    await gate.close(1000);
    const awaiting = session._runExclusiveTransaction(ask);
    gate.open();
    expect(await awaiting).toBe(1);
    expect(session.execProtocolRawSync(Uint8Array.of(1))).toEqual(Uint8Array.of(1));
  });

  it('gives up where a query takes too long, and everything goes on', async () => {
    const session = new Session();
    const gate = gateOf(session);
    let end = (): void => {};
    const first = session._runExclusiveTransaction(
      () =>
        new Promise<void>((resolve) => {
          end = resolve;
        }),
    );
    await expect(gate.close(5)).rejects.toMatchObject({ code: 'ERR_GUEST' });
    expect(session.execProtocolRawSync(Uint8Array.of(1))).toEqual(Uint8Array.of(1));
    end();
    await first;
    await expect(session._runExclusiveTransaction(async () => 'on')).resolves.toBe('on');
    gate.open();
    await gate.close(1000);
  });
});
