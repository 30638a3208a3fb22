import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Pump } from '../../src/guests/pump.js';

describe('a pump', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('lets everything else have its turn between two of its own', async () => {
    let steps = 0;
    const pump = new Pump(() => steps++, { stepsPerTurn: 3 });
    pump.start();
    expect(steps).toBe(0);
    await turn();
    const first = steps;
    await turn();
    pump.stop();
    expect([first, steps]).toEqual([3, 6]);
  });

  it('takes no step after it was stopped, and goes on after it was started again', async () => {
    let steps = 0;
    const pump = new Pump(() => steps++, { stepsPerTurn: 1 });
    pump.start();
    await turn();
    pump.stop();
    pump.stop();
    const stopped = steps;
    for (let turns = 0; turns < 10; turns++) await turn();
    expect(steps).toBe(stopped);
    pump.start();
    pump.start();
    await turn();
    pump.stop();
    expect(steps).toBe(stopped + 1);
  });

  it('can be stopped by the step itself', async () => {
    const pump = new Pump(() => pump.stop(), { stepsPerTurn: 1 });
    pump.start();
    await turn();
    expect(pump.running).toBe(false);
  });

  it('stops at a step that throws and keeps what it threw', async () => {
    const pump = new Pump(
      () => {
        throw new Error('bad step');
      },
      { stepsPerTurn: 1 },
    );
    pump.start();
    await turn();
    expect(pump.running).toBe(false);
    expect(pump.failure).toMatchObject({ message: 'bad step' });
  });

  it('holds the rate it was given', () => {
    vi.useFakeTimers();
    let steps = 0;
    const pump = new Pump(() => steps++, { stepsPerTurn: 4, stepsPerSecond: 1000 });
    pump.start();
    vi.advanceTimersByTime(1000);
    pump.stop();
    expect(steps).toBeGreaterThan(990);
    expect(steps).toBeLessThanOrEqual(1000);
  });

  it('is slowed to the share that is left to it', () => {
    vi.useFakeTimers();
    let steps = 0;
    const pump = new Pump(() => steps++, { stepsPerTurn: 4, stepsPerSecond: 1000 });
    pump.throttle(0.75);
    pump.start();
    vi.advanceTimersByTime(1000);
    pump.stop();
    expect(steps).toBeGreaterThan(240);
    expect(steps).toBeLessThanOrEqual(250);
  });

  it('does not make up for a long stall in one burst', () => {
    vi.useFakeTimers();
    let steps = 0;
    const pump = new Pump(() => steps++, { stepsPerTurn: 10_000, stepsPerSecond: 1000 });
    pump.start();
    vi.advanceTimersByTime(10);
    const before = steps;
    const stall = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
    vi.advanceTimersToNextTimer();
    stall.mockRestore();
    pump.stop();
    expect(steps - before).toBeGreaterThan(0);
    expect(steps - before).toBeLessThanOrEqual(50);
  });

  it('rests as long as its share says where no rate was asked for', () => {
    vi.useFakeTimers();
    let steps = 0;
    let clock = performance.now();
    const pump = new Pump(
      () => {
        steps++;
        clock += 1;
      },
      { stepsPerTurn: 1 },
    );
    vi.spyOn(performance, 'now').mockImplementation(() => clock);
    pump.throttle(0.9);
    pump.start();
    vi.advanceTimersByTime(100);
    pump.stop();
    vi.restoreAllMocks();
    // Each takes a millisecond and is followed by nine of rest.
    expect(steps).toBeGreaterThanOrEqual(10);
    expect(steps).toBeLessThanOrEqual(12);
  });
});
