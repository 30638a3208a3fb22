import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPglite, type PgliteGuest, receivePglite } from '../../../src/guests/pglite/index.js';
import { listen } from '../../../src/migration/listen.js';
import { migrate } from '../../../src/migration/migrate.js';

let here: PgliteGuest;
let there: PgliteGuest;
let port: number;
let close: () => Promise<void>;
const heard: string[] = [];
const generations: number[] = [];

const one = async ({ db }: PgliteGuest, sql: string): Promise<unknown> =>
  Object.values((await db.query(sql)).rows[0] ?? {})[0];

async function move(from: PgliteGuest): Promise<{ pagesSent: number; totalPages: number }> {
  const report = await migrate(from, { host: '127.0.0.1', port, maxDowntimeMs: 20_000 }).done;
  expect(report.verified).toBe('memory');
  return report;
}

beforeAll(async () => {
  here = await createPglite();
  there = await receivePglite({
    onNotification: (_, payload) => heard.push(payload),
    async onGeneration({ number, seed }) {
      await there.db.query(`select setseed(${(seed[0] ?? 0) / 256})`);
      generations.push(number);
    },
  });
  const listener = await listen({ accept: () => there });
  port = listener.port;
  close = () => listener.close();
}, 120_000);

afterAll(() => close?.());

describe('a session of PGlite', () => {
  it('goes on in the middle of a transaction, with all that belongs to it', async () => {
    await here.db.exec(`
      create table t (id int primary key, note text);
      create type mood as enum ('glad', 'sad');
      create temporary table mine (x int);
      create sequence s;
      set work_mem = '7MB';
      prepare p (int) as select $1 * 6 as r;
      insert into mine select generate_series(1, 500);
      select pg_advisory_lock(42);
      select nextval('s'), nextval('s');
      listen news;
      begin;
      insert into t select n, md5(n::text) from generate_series(1, 5000) n;
      declare c cursor for select id from t order by id;
      fetch 5 from c`);
    const xact = await one(here, 'select pg_current_xact_id_if_assigned()::text');
    const waiting = there.db.query('fetch 2 from c');
    let early: Promise<unknown> | undefined;
    const pause = here.pause.bind(here);
    here.pause = async () => {
      await pause();
      early ??= Promise.allSettled([here.db.query('select 1')]);
    };
    const { pagesSent, totalPages } = await move(here);
    // Who waited there, and who comes too late, is told.
    const gone = { code: 'ERR_GUEST' };
    expect(await early).toMatchObject([{ reason: gone }]);
    await expect(here.db.query('select 1')).rejects.toMatchObject(gone);
    expect(pagesSent).toBeLessThan(totalPages / 4);
    // Its hook asked something of the session, and was answered.
    expect(generations).toEqual([1]);
    expect((await waiting).rows).toEqual([{ id: 6 }, { id: 7 }]);
    expect(await one(there, 'select pg_current_xact_id_if_assigned()::text')).toBe(xact);
    expect(await one(there, 'select count(*)::int from t')).toBe(5000);
    expect(await one(there, 'select sum(x)::int from mine')).toBe(125_250);
    expect(await one(there, 'execute p(7)')).toBe(42);
    expect(await one(there, 'show work_mem')).toBe('7MB');
    expect(await one(there, "select currval('s')::int")).toBe(2);
    const locks = "select count(*)::int from pg_locks where locktype = 'advisory'";
    expect(await one(there, locks)).toBe(1);
    await there.db.exec(`
      do $$ begin insert into t values (5001, 'from a block'); end $$;
      commit;
      create index on t (note);
      checkpoint;
      notify news, 'hello'`);
    expect(await one(there, "select id from t where note = 'from a block'")).toBe(5001);
    expect(await one(there, "select array['glad']::mood[]")).toEqual('{glad}');
    await expect.poll(() => heard).toEqual(['hello']);
  }, 120_000);

  it('comes back with types that it learned to read, once the same channels are listened to', async () => {
    const db = there.db as typeof there.db & {
      refreshArrayTypes(): Promise<void>;
      listen(channel: string, callback: (payload: string) => void): Promise<unknown>;
    };
    await db.refreshArrayTypes();
    await db.listen('Orders', () => {});
    expect(await one(there, "select array['glad']::mood[]")).toEqual(['glad']);
    const listener = await listen({ accept: () => here });
    const back = { host: '127.0.0.1', port: listener.port, maxDowntimeMs: 20_000 };
    await expect(migrate(there, back).done).rejects.toMatchObject({
      code: 'ERR_GUEST',
      message: expect.stringContaining('nobody listens to "orders" here'),
    });
    // It was given back, and goes on.
    expect(await one(there, 'select count(*)::int from t')).toBe(5001);
    await db.query('unlisten orders');
    await (db as unknown as { unlisten(channel: string): Promise<void> }).unlisten('Orders');
    const { pagesSent, totalPages } = await migrate(there, back).done;
    expect(pagesSent).toBeLessThan(totalPages / 4);
    expect(await one(here, "select array['glad']::mood[]")).toEqual(['glad']);
    expect(await one(here, 'select count(*)::int from t')).toBe(5001);
    await listener.close();
  }, 120_000);

  it('is not paused within a transaction whose steps are JavaScript', async () => {
    const db = here.db as typeof here.db & {
      transaction(work: (step: typeof here.db) => Promise<unknown>): Promise<unknown>;
    };
    const order: string[] = [];
    let begun = (): void => {};
    let finish = (): void => {};
    const isBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const isFinished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const working = db
      .transaction(async (step) => {
        begun();
        await isFinished;
        await step.query('insert into t values (6000, null)');
      })
      .then(() => order.push('committed'));
    await isBegun;
    const paused = here.pause().then(() => order.push('paused'));
    finish();
    await Promise.all([working, paused]);
    expect(order).toEqual(['committed', 'paused']);
    const waiting = one(here, 'select count(*)::int from t where id = 6000');
    expect(() =>
      (here.db as never as { execProtocolRawSync(m: Uint8Array): void }).execProtocolRawSync(
        new Uint8Array(5),
      ),
    ).toThrow('paused');
    await here.resume();
    expect(await waiting).toBe(1);
  });
});

describe('a place for a session', () => {
  it('is in memory only', async () => {
    await expect(createPglite({ options: { dataDir: './data' } })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('./data'),
    });
  });
});
