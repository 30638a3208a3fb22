import { describe, expect, it } from 'vitest';
import { Lane } from '../../src/migration/lane.js';

const table = (page: number): Uint8Array => Uint8Array.of(page, 0x10, 0);

function lostLane(): Lane {
  const lane = new Lane();
  for (const seq of [3, 5, 6]) lane.unacknowledged.pages(seq, table(seq));
  lane.finalSeq = 6;
  lane.acknowledged(3);
  lane.closing(100);
  return lane;
}

describe('a lost channel', () => {
  it.each([
    [3, [5, 6]],
    [4, [5, 6]],
    [5, [6]],
    [6, []],
  ])('that was applied up to frame %d lost what came behind', (lastAppliedSeq, lost) => {
    const lane = lostLane();
    expect(lane.state).toBe('closing');
    expect(lane.closingSince).toBe(100);
    expect(lane.closed(lastAppliedSeq).tables).toEqual(lost.map(table));
    expect(lane).toMatchObject({ state: 'absent', finalSeq: 0, closingSince: undefined });
  });

  it.each([0, 2, 7])('was not applied up to frame %d, which contradicts what is known', (seq) => {
    expect(() => lostLane().closed(seq)).toThrow(
      expect.objectContaining({ code: 'ERR_UNEXPECTED_MESSAGE' }),
    );
  });
});
