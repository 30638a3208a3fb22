import type { Goal } from './goals.js';
import type { Result } from './harness.js';
import { figure } from './report.js';

/** How one result stands to one goal. */
export interface Standing {
  readonly goal: Goal;
  readonly result: Result;
  /** What was to be reached, and what was, in the same terms. */
  readonly wanted: string;
  readonly reached: string;
  readonly met: boolean;
}

/** The goal with each result that it says something about, in the order of the results. */
export function standings(goal: Goal, results: readonly Result[]): readonly Standing[] {
  return results
    .filter(({ name }) => goal.name.test(name))
    .flatMap((result) => standing(goal, result, results) ?? []);
}

/** What is to be reached, in words; `unit` is the results'. */
export function wanted(limit: Goal['limit'], unit = ''): string {
  if ('ratio' in limit) return `at least ${figure(limit.ratio)} x ${limit.to}`;
  if ('times' in limit) return `at most ${figure(limit.times)} x ${limit.of}`;
  const [word, value] = 'atMost' in limit ? ['most', limit.atMost] : ['least', limit.atLeast];
  return `at ${word} ${figure(value)} ${unit}`.trim();
}

function standing(goal: Goal, result: Result, results: readonly Result[]): Standing | undefined {
  const { limit } = goal;
  const said = { goal, result, wanted: wanted(limit, result.unit) };
  if ('ratio' in limit) {
    const ratio = result.versus.find(({ peer }) => peer === limit.to)?.ratio;
    if (ratio === undefined) return undefined;
    return { ...said, reached: `${figure(ratio)} x`, met: ratio >= limit.ratio };
  }
  if ('times' in limit) {
    const peer = result.versus.find((each) => each.peer === limit.of);
    const other = peer ?? results.find(({ name }) => name === limit.of);
    if (other === undefined || other === result) return undefined;
    const times = peer === undefined ? result.value / other.value : 1 / peer.ratio;
    return { ...said, reached: `${figure(times)} x`, met: times <= limit.times };
  }
  return {
    ...said,
    reached: `${figure(result.value)} ${result.unit}`,
    met: 'atMost' in limit ? result.value <= limit.atMost : result.value >= limit.atLeast,
  };
}
