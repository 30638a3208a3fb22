import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { type Evidence, type RanTest, type Source, withRun } from './evidence.js';
import './record.js';

/** Writes what the tests of a run recorded to `path`, in one step, when it is over. */
export class EvidenceReporter implements Reporter {
  readonly #path: string;
  readonly #propertySeed: number;

  constructor(path: string, propertySeed: number) {
    this.#path = path;
    this.#propertySeed = propertySeed;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => ranTest(module, test)),
    );
    const evidence = withRun(readEvidence(this.#path), sourceOf(this.#propertySeed), tests);
    const partial = `${this.#path}.partial`;
    writeFileSync(partial, `${JSON.stringify(evidence, null, 2)}\n`);
    renameSync(partial, this.#path);
  }
}

/** What `path` holds; undefined if there is no such file. */
export function readEvidence(path: string): Evidence | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function ranTest(module: TestModule, test: TestCase): RanTest {
  const { state } = test.result();
  return {
    file: relative(process.cwd(), module.moduleId),
    name: test.fullName,
    // One that never got its turn proves nothing, nor that anything is wrong.
    state: state === 'pending' ? 'skipped' : state,
    figures: test.meta().evidence ?? [],
  };
}

function sourceOf(propertySeed: number): Source {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  let commit = 'unknown';
  try {
    const changed = git('status', '--porcelain', '--', 'src', 'assembly', 'test') !== '';
    commit = `${git('rev-parse', 'HEAD')}${changed ? '-dirty' : ''}`;
  } catch {
    // Unpacked without its history.
  }
  return { commit, node: process.version, propertySeed };
}
