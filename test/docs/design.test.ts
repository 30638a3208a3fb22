import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const design = readFileSync('docs/design.md', 'utf8');
const diagrams = [...design.matchAll(/```mermaid\n(.*?)```/gs)].map(([, text = '']) => text);

/** The phases that a file of states declares, as the diagrams spell them. */
function phasesOf(path: string): readonly string[] {
  const text = readFileSync(path, 'utf8');
  const states = /export type \w+State =(.*?);\n\n/s.exec(text)?.[1] ?? '';
  return [...states.matchAll(/phase: '([a-z-]+)'/g)].map(([, phase = '']) =>
    phase.replaceAll('-', '_'),
  );
}

describe('docs/design.md', () => {
  it.each([
    ['source', 0],
    ['destination', 1],
  ] as const)('draws every phase of the %s, and no other', (side, index) => {
    const phases = phasesOf(`src/migration/${side}-states.ts`);
    const steps = [...(diagrams[index] ?? '').matchAll(/(\w+) --> (\w+)/g)];
    const drawn = new Set(steps.flatMap(([, from = '', to = '']) => [from, to]));
    expect(phases.length).toBeGreaterThan(5);
    expect([...drawn].sort()).toEqual([...phases].sort());
  });

  it('names every folder of the source, and none that is not there', () => {
    const named = new Set(
      [...design.matchAll(/^\|.*?\|.*`src\/(\w+)\/`/gm)].map(([, name]) => name),
    );
    const there = readdirSync('src', { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    expect([...named].sort()).toEqual(there.map(({ name }) => name).sort());
  });
});
