import type { Figures } from './evidence.js';

declare module 'vitest' {
  interface TaskMeta {
    evidence?: Figures[];
  }
}

/**
 * Notes what the test behind `task` did, in place of what it noted of the same `what` when it was tried before. Say it before you expect
 * anything of it: what failed is evidence too.
 */
export function record(
  task: { readonly meta: { evidence?: Figures[] } },
  ...figures: readonly Figures[]
): void {
  const others = (task.meta.evidence ?? []).filter((old) =>
    figures.every(({ what }) => what !== old.what),
  );
  task.meta.evidence = [...others, ...figures];
}
