import type { OnCommit } from './commit.js';
import {
  accountCount,
  accountOf,
  deletesOf,
  digestOf,
  firstDigest,
  insertsOf,
  payloadOf,
} from './sqlite-plan.js';
import type { SqliteProgram } from './sqlite-program.js';

/** Problems named at most; a database that is all wrong is named soon enough. */
const maxProblems = 20;

/**
 * Compares all that a paused program's tables hold with what their own list of commits, played again from `seed`, says they must:
 * every commit once and in order, the chain of digests, each account, each item with its payload; and lets SQLite check itself. Tells
 * `onCommit` of each commit found. Returns what is wrong, in words; empty if nothing is.
 */
export function findSqliteDamage(
  program: SqliteProgram,
  seed: number,
  onCommit?: OnCommit,
): string[] {
  const problems: string[] = [];
  const expect = (what: string, actual: unknown, expected: unknown): void => {
    if (actual !== expected && problems.length < maxProblems) {
      problems.push(`${what}: ${actual} instead of ${expected}`);
    }
  };
  try {
    for (const [verdict] of program.rows('integrity')) expect('integrity', verdict, 'ok');
    const accounts = new Uint32Array(accountCount + 1);
    let digest = firstDigest(seed);
    let first = 1;
    let last = 0;
    let seq = 0;
    for (const [foundSeq, kindOrItems, foundDigest] of program.rows('allCommits')) {
      const kind = Number(kindOrItems);
      expect('next commit', foundSeq, seq);
      if (seq === 0) {
        last = kind;
      } else {
        const account = accountOf(seed, seq);
        digest = digestOf(digest, seq, kind, account, accounts[account] ?? 0);
        accounts[account] = digest;
        last += insertsOf(kind);
        first += deletesOf(kind);
        onCommit?.(Number(foundSeq), Number(foundDigest));
      }
      expect(`digest of commit ${seq}`, foundDigest, digest);
      seq++;
    }
    expect('commits', seq - 1, program.registers.seq);
    let account = 1;
    for (const [id, value] of program.rows('allAccounts')) {
      expect('next account', id, account);
      expect(`account ${account}`, value, accounts[account]);
      account++;
    }
    expect('accounts', account - 1, accountCount);
    let item = first;
    for (const [id, payload] of program.rows('allItems')) {
      expect('next item', id, item);
      const isRight =
        payload instanceof Uint8Array && Buffer.compare(payload, payloadOf(seed, item)) === 0;
      expect(`payload of item ${item} is right`, isRight, true);
      item++;
    }
    expect('last item', item - 1, last);
  } catch (error) {
    // SQLite in a damaged memory may fail in any way, down to a trap.
    problems.push(`reading failed: ${error instanceof Error ? error.message : error}`);
  }
  return problems;
}
