/** What one test did, for docs/evidence.json. Tests that say the same `what` in one file are summed up. */
export interface Figures {
  readonly what: string;
  /** Everything that was random and can be chosen again. */
  readonly seeds?: readonly number[];
  /** Whole numbers by what they count: "cutPositions", "flips", "lost". */
  readonly counts: Readonly<Record<string, number>>;
}

/** One test of a run, as the test runner tells of it. */
export interface RanTest {
  readonly file: string;
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly figures: readonly Figures[];
}

/** What ran where. */
export interface Source {
  /** With "-dirty" behind it where the tree was not that of the commit. */
  readonly commit: string;
  readonly node: string;
  /** What fast-check's properties began with: PAGEFERRY_SEED. */
  readonly propertySeed: number;
}

export interface Entry extends Source {
  readonly file: string;
  readonly what: string;
  readonly seeds: readonly number[];
  readonly counts: Readonly<Record<string, number>>;
  /** Tests behind these figures. */
  readonly passed: number;
  readonly failed: number;
}

export interface Evidence {
  /** How to have an entry made again. */
  readonly again: string;
  readonly lastRun: Source & {
    readonly passed: number;
    readonly failed: number;
    readonly skipped: number;
    readonly failures: readonly string[];
  };
  /** Sums of all entries' counts. */
  readonly totals: Readonly<Record<string, number>>;
  readonly entries: readonly Entry[];
}

const again = 'git checkout COMMIT && PAGEFERRY_SEED=PROPERTY_SEED npm run test:nightly -- FILE';

/**
 * The evidence after a run: its own figures, and of the files that did not run, or not whole, what was known before and was not found
 * anew.
 */
export function withRun(
  before: Evidence | undefined,
  source: Source,
  tests: readonly RanTest[],
): Evidence {
  const found = entriesOf(source, tests);
  const isFound = (old: Entry): boolean =>
    found.some(({ file, what }) => file === old.file && what === old.what);
  const partly = new Set(tests.filter(({ state }) => state === 'skipped').map(({ file }) => file));
  const ran = new Set(tests.map(({ file }) => file));
  const kept = (before?.entries ?? []).filter(
    (old) => !isFound(old) && (!ran.has(old.file) || partly.has(old.file)),
  );
  const entries = [...kept, ...found].sort((a, b) => order(key(a), key(b)));
  const inState = (state: RanTest['state']): RanTest[] =>
    tests.filter((test) => test.state === state);
  return {
    again,
    lastRun: {
      ...source,
      passed: inState('passed').length,
      failed: inState('failed').length,
      skipped: inState('skipped').length,
      failures: inState('failed').map(({ file, name }) => `${file} > ${name}`),
    },
    totals: sum(entries.map(({ counts }) => counts)),
    entries,
  };
}

function entriesOf(source: Source, tests: readonly RanTest[]): Entry[] {
  const groups = new Map<string, Entry>();
  for (const { file, state, figures } of tests) {
    for (const { what, seeds = [], counts } of figures) {
      const id = key({ file, what });
      const known = groups.get(id);
      groups.set(id, {
        file,
        what,
        seeds: [...new Set([...(known?.seeds ?? []), ...seeds])].sort((a, b) => a - b),
        counts: sum([known?.counts ?? {}, counts]),
        passed: (known?.passed ?? 0) + (state === 'passed' ? 1 : 0),
        failed: (known?.failed ?? 0) + (state === 'failed' ? 1 : 0),
        ...source,
      });
    }
  }
  return [...groups.values()];
}

function sum(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums = new Map<string, number>();
  for (const counts of all) {
    for (const [name, count] of Object.entries(counts)) {
      sums.set(name, (sums.get(name) ?? 0) + count);
    }
  }
  return Object.fromEntries([...sums].sort(([a], [b]) => order(a, b)));
}

function key({ file, what }: { readonly file: string; readonly what: string }): string {
  return `${file} > ${what}`;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
