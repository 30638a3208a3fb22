import { describe, expect, it } from 'vitest';
import { Lag } from '../../src/replication/lag.js';

describe('how far standbys are behind', () => {
  it('is counted from when the guest was as they have it', () => {
    const lag = new Lag();
    lag.was(1, 10, 0);
    lag.was(2, 30, 0);
    expect(lag.since(1, 40)).toBe(30);
    expect(lag.since(2, 40)).toBe(10);
  });

  it('is not known of what they had before', () => {
    const lag = new Lag();
    expect(lag.since(0, 5)).toBeUndefined();
    lag.was(1, 10, 0);
    lag.was(2, 20, 2);
    expect(lag.since(1, 40)).toBeUndefined();
    expect(lag.since(2, 40)).toBe(20);
  });

  it('does not grow while the guest stays as it was', () => {
    const lag = new Lag();
    lag.was(1, 10, 1);
    lag.was(1, 100, 1);
    expect(lag.since(1, 101)).toBe(1);
  });

  it('leaves room in the target for an answer as slow as those were', () => {
    const lag = new Lag();
    expect(lag.intervalFor(100)).toBe(100);
    lag.was(1, 0, 0);
    lag.acknowledged(1, 30);
    expect(lag.intervalFor(100)).toBe(70);
    lag.was(2, 40, 1);
    lag.acknowledged(2, 41);
    expect(lag.intervalFor(100)).toBe(73);
    lag.was(3, 50, 2);
    lag.acknowledged(3, 250);
    expect(lag.intervalFor(100)).toBe(1);
  });
});
