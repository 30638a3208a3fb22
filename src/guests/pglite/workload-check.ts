import type { OnCommit } from '../commit.js';
import type { PgliteWorkload } from './workload.js';
import {
  accountCount,
  accountOf,
  digestOf,
  entryCount,
  firstDigest,
  noteOf,
} from './workload-plan.js';

/** Problems named at most; a database that is all wrong is named soon enough. */
const maxProblems = 20;

/**
 * Compares all that a paused session's tables hold with what their own list of commits, played again from `seed`, says they must. Tells `onCommit` of each commit found. Returns what is wrong, in words; empty if nothing is.
 */
export async function findPgliteDamage(
  workload: PgliteWorkload,
  seed: number,
  onCommit: OnCommit,
): Promise<string[]> {
  const problems: string[] = [];
  const expect = (what: string, actual: unknown, expected: unknown): void => {
    if (actual !== expected && problems.length < maxProblems) {
      problems.push(`${what}: ${actual} instead of ${expected}`);
    }
  };
  try {
    await workload.ask(async (query) => {
      const rows = async (sql: string): Promise<number[][]> =>
        (await query(sql)).rows.map((row) => Object.values(row).map(Number));
      const values = new Uint32Array(accountCount + 1);
      const digests: number[] = [];
      let digest = firstDigest(seed);
      for (const [seq = 0, found = 0] of await rows(
        'select seq, digest from commits order by seq',
      )) {
        const account = accountOf(seed, digests.length + 1);
        digest = digestOf(digest, digests.length + 1, account, values[account] ?? 0);
        values[account] = digest;
        digests.push(digest);
        expect('next commit', seq, digests.length);
        expect(`digest of commit ${seq}`, found, digest);
        onCommit(seq, found);
      }
      const accounts = await rows('select id, value from account order by id');
      expect('accounts', accounts.length, accountCount);
      for (const [id = 0, value] of accounts) expect(`account ${id}`, value, values[id]);
      const count = digests.length;
      const entries = (await query('select id, note from entry order by id')).rows;
      expect('entries', entries.length, Math.min(count, entryCount));
      for (const { id, note } of entries) {
        const at = Number(id);
        expect(`note ${at}`, note, noteOf(at, digests[at - 1] ?? 0));
      }
      const [mine] = await rows('select count(*), max(seq) from mine');
      expect('rows of its temporary table', String(mine), String([count, count]));
    });
  } catch (error) {
    // PostgreSQL in a damaged memory may fail in any way, down to a trap.
    problems.push(`reading failed: ${error instanceof Error ? error.message : error}`);
  }
  return problems;
}
