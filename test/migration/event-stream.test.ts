import { describe, expect, it } from 'vitest';
import { EventStream } from '../../src/migration/event-stream.js';

type Event = { readonly type: string; readonly at?: number };

async function drain(stream: EventStream<Event>): Promise<Event[]> {
  const events: Event[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

describe('a stream of events', () => {
  it('gives events in their order, those before the loop too, and ends', async () => {
    const stream = new EventStream<Event>();
    stream.push({ type: 'offered' });
    const drained = drain(stream);
    stream.push({ type: 'round' });
    stream.push({ type: 'completed' });
    stream.end();
    stream.push({ type: 'late' });
    expect((await drained).map(({ type }) => type)).toEqual(['offered', 'round', 'completed']);
  });

  it('keeps only the newest progress while nobody reads', async () => {
    const stream = new EventStream<Event>();
    for (let at = 0; at < 10; at++) stream.push({ type: 'progress', at });
    stream.end();
    expect(await drain(stream)).toEqual([{ type: 'progress', at: 9 }]);
  });

  it('never drops an outcome, however many strangers knock meanwhile', async () => {
    const stream = new EventStream<Event>();
    for (let at = 0; at < 5000; at++) stream.push({ type: 'stranger', at });
    stream.push({ type: 'arrived' });
    for (let at = 0; at < 5000; at++) stream.push({ type: 'stranger', at });
    stream.end();
    const events = await drain(stream);
    expect(events.length).toBeLessThanOrEqual(4096);
    expect(events.filter(({ type }) => type === 'arrived')).toHaveLength(1);
  });

  it('keeps nothing once its loop was left', async () => {
    const stream = new EventStream<Event>();
    stream.push({ type: 'one' });
    stream.push({ type: 'two' });
    for await (const event of stream) {
      expect(event.type).toBe('one');
      break;
    }
    expect(await drain(stream)).toEqual([]);
  });
});
