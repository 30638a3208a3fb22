// A session of PostgreSQL (PGlite) moves between two processes in the middle of a transaction, with all that belongs to it: rows that are not committed, a cursor half
// way, a temporary table, a prepared statement, an advisory lock, settings and a sequence. Needs: npm install @electric-sql/pglite

import { setTimeout as sleep } from 'node:timers/promises';
import { createPglite } from 'pageferry/guests/pglite';
import { betweenTwoHosts } from './lib/two-hosts.mjs';

await betweenTwoHosts(import.meta.url, boot);

// guide
async function boot() {
  const guest = await createPglite();
  const { db } = guest;
  await db.exec(`
    create table entry (id int primary key, note text);
    insert into entry select n, md5(n::text) from generate_series(1, 20000) n;
    create sequence turn;
    create temporary table seen (id int);
    prepare note (int) as update entry set note = md5(note) where id = $1;
    select pg_advisory_lock(42);
    set work_mem = '7MB';
    begin;
    declare walk cursor for select id from entry order by id;`);
  const one = async (sql) => Object.values((await db.query(sql)).rows[0])[0];
  return {
    guest,
    // One message to the session: all of it happens here, or there.
    async step() {
      await db.exec(`
        execute note (1 + 7 * nextval('turn')::int % 20000);
        insert into entry select 20000 + last_value, md5(last_value::text) from turn;
        do $$ declare at int; walk refcursor = 'walk';
          begin fetch walk into at; insert into seen values (at); end $$;`);
      await sleep(2);
    },
    steps: () => one('select case when is_called then last_value else 0 end::int from turn'),
    digest: () =>
      one(`select concat_ws(' ', md5(string_agg(id || note, ',' order by id)), count(*),
        (select sum(id) from seen), current_setting('work_mem'), pg_current_xact_id_if_assigned() is not null,
        (select count(*) from pg_locks where locktype = 'advisory')) from entry`),
  };
}
// end of guide
