import { afterEach, describe, expect, it } from 'vitest';
import { FerryError } from '../../src/errors.js';
import type { Channel } from '../../src/transport/index.js';
import { End } from './channel-end.js';
import { damaged, pages, ping } from './frames.js';

/** How a kind of channel makes a joined pair; `dispose` frees what belongs to both. */
export interface ChannelPair {
  readonly a: Channel;
  readonly b: Channel;
  dispose(): Promise<void>;
}

/** What every channel must do, from either end. */
export function channelConformance(name: string, open: () => Promise<ChannelPair>): void {
  describe(name, () => {
    let pair: ChannelPair | undefined;
    afterEach(async () => {
      pair?.a.destroy();
      pair?.b.destroy();
      await pair?.dispose();
    });

    for (const side of ['one way', 'the other way'] as const) {
      const ends = async (): Promise<[End, End]> => {
        pair = await open();
        const left = new End(pair.a);
        const right = new End(pair.b);
        return side === 'one way' ? [left, right] : [right, left];
      };

      describe(side, () => {
        it('delivers frames whole, in order and unchanged', async () => {
          const [from, to] = await ends();
          const sent = [
            ping(1),
            pages(100_000, 7),
            ping(2),
            pages(3, 1),
            pages(130_000, 9),
            ping(3),
          ];
          for (const frame of sent) from.channel.send(frame);
          await to.until(() => to.frames.length === sent.length);
          expect(damaged(to.frames, sent)).toEqual([]);
        });

        it('delivers many small frames that arrive together', async () => {
          const [from, to] = await ends();
          for (let token = 0; token < 5000; token++) from.channel.send(ping(token));
          await to.until(() => to.frames.length === 5000);
          expect(to.tokens()).toEqual(Array.from({ length: 5000 }, (_, token) => token));
        });

        it('delivers the largest frames into an area that was given within onFrame', async () => {
          const [from, to] = await ends();
          to.handle = () => {
            if (to.frames.length === 1) to.channel.receiveInto(new Uint8Array(640 * 1024));
          };
          const large = [pages(593_000, 1), pages(500_000, 2), pages(593_000, 3)];
          from.channel.send(ping(0));
          await to.until(() => to.frames.length === 1);
          for (const frame of large) from.channel.send(frame);
          await to.until(() => to.frames.length === 4);
          expect(damaged(to.frames.slice(1), large)).toEqual([]);
        });

        it('goes on reading right when the area changes while a frame is handled', async () => {
          const [from, to] = await ends();
          let done = () => {};
          to.handle = () =>
            new Promise<void>((resolve) => {
              done = resolve;
            });
          const sent = Array.from({ length: 40 }, (_, index) => pages(20_000 + index, index));
          for (const frame of sent) from.channel.send(frame);
          for (let count = 1; count <= sent.length; count++) {
            await to.until(() => to.frames.length === count);
            if (count % 5 === 0) to.channel.receiveInto(new Uint8Array(200_000 + count * 1000));
            done();
          }
          expect(damaged(to.frames, sent)).toEqual([]);
        });

        it('delivers no frame while another is handled, whose bytes stay', async () => {
          const [from, to] = await ends();
          let handling = 0;
          let changed = 0;
          to.handle = async (frame) => {
            expect(++handling).toBe(1);
            const before = frame.slice();
            for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
            if (Buffer.compare(before, frame) !== 0) changed++;
            handling--;
          };
          const sent = Array.from({ length: 60 }, (_, index) => pages(9000 + 97 * index, index));
          for (const frame of sent) from.channel.send(frame);
          await to.until(() => to.frames.length === sent.length);
          expect(damaged(to.frames, sent)).toEqual([]);
          expect(changed).toBe(0);
        });

        it('calls nothing from within a call', async () => {
          const [from, to] = await ends();
          to.handle = () => to.channel.destroy();
          from.channel.send(ping(1), () => from.channel.send(ping(2)));
          expect(from.channel.queuedBytes).toBe(44);
          await to.closed;
          from.channel.destroy();
          expect(from.closes).toBeLessThanOrEqual(1);
          await from.closed;
        });

        it('asks to wait when frames pile up, says when there is room, and releases each once', async () => {
          const [from, to] = await ends();
          let release = () => {};
          to.handle = () =>
            new Promise<void>((resolve) => {
              release = resolve;
            });
          const frame = pages(120_000, 5);
          const released: number[] = [];
          const answers: boolean[] = [];
          for (let index = 0; index < 100; index++) {
            answers.push(from.channel.send(frame, () => released.push(index)));
          }
          expect(answers.slice(0, 2)).toEqual([true, true]);
          expect(answers.slice(2)).not.toContain(true);
          expect(from.channel.queuedBytes).toBe(100 * frame.length);
          to.handle = () => {};
          await to.until(() => to.frames.length > 0);
          release();
          await from.until(() => from.writable > 0);
          expect(from.channel.queuedBytes).toBeLessThanOrEqual(2 * frame.length);
          await to.until(() => to.frames.length === 100);
          await from.until(() => from.writable > 0);
          expect(from.writable).toBe(1);
          await from.channel.close();
          expect(released).toEqual(Array.from({ length: 100 }, (_, index) => index));
          expect(from.channel.queuedBytes).toBe(0);
        });

        it('sends everything before it closes, and both ends close in order', async () => {
          const [from, to] = await ends();
          const sent = Array.from({ length: 30 }, (_, index) => pages(100_000, index));
          let released = 0;
          for (const frame of sent) from.channel.send(frame, () => released++);
          const closing = from.channel.close();
          expect(from.channel.close()).toBe(closing);
          await Promise.all([closing, to.closed]);
          expect(damaged(to.frames, sent)).toEqual([]);
          expect([from.reason, to.reason]).toEqual([undefined, undefined]);
          expect([from.closes, to.closes, released]).toEqual([1, 1, 30]);
        });

        it('sends everything before it closes although the peer sends at the same time', async () => {
          const [from, to] = await ends();
          to.handle = () => void to.channel.send(pages(100_000, 1));
          const sent = Array.from({ length: 30 }, (_, index) => pages(50_000, index));
          for (const frame of sent) from.channel.send(frame);
          await Promise.all([from.channel.close(), to.closed]);
          expect(damaged(to.frames, sent)).toEqual([]);
          expect([from.reason, to.reason]).toEqual([undefined, undefined]);
          expect(from.frames).toEqual([]);
        });

        it('closes while both ends do', async () => {
          const [from, to] = await ends();
          from.channel.send(ping(1));
          to.channel.send(ping(2));
          await Promise.all([from.channel.close(), to.channel.close()]);
          expect([from.reason, to.reason]).toEqual([undefined, undefined]);
        });

        it('delivers no frame after close, and closes with a frame still being handled', async () => {
          const [from, to] = await ends();
          to.handle = () => new Promise<void>(() => {});
          for (let token = 0; token < 100; token++) from.channel.send(ping(token));
          await to.until(() => to.frames.length === 1);
          await to.channel.close();
          expect(to.frames).toHaveLength(1);
          await from.closed;
          expect(from.reason).toBeUndefined();
        });

        it('drops what is queued when destroyed, and releases each frame once', async () => {
          const [from, to] = await ends();
          to.handle = () => new Promise<void>(() => {});
          let released = 0;
          for (let index = 0; index < 200; index++) {
            from.channel.send(pages(120_000, 1), () => released++);
          }
          await to.until(() => to.frames.length === 1);
          const reason = new FerryError('ERR_PEER_TIMEOUT', 'test');
          from.channel.destroy(reason);
          from.channel.destroy(new FerryError('ERR_IO', 'too late'));
          expect(from.closes).toBe(0);
          await from.closed;
          expect(from.reason).toBe(reason);
          expect(released).toBe(200);
          expect(from.channel.queuedBytes).toBe(0);
          to.channel.destroy();
          await to.closed;
          expect(to.closes).toBe(1);
        });

        it('closes when the peer is destroyed', async () => {
          const [from, to] = await ends();
          from.channel.send(ping(1));
          await to.until(() => to.frames.length === 1);
          from.channel.destroy();
          await Promise.all([from.closed, to.closed]);
          expect([from.closes, to.closes]).toEqual([1, 1]);
          expect(from.reason).toBeUndefined();
          expect([undefined, 'ERR_CONNECTION_LOST']).toContain(to.reason?.code);
        });

        it('releases frames that are sent after it closed, and sends nothing', async () => {
          const [from, to] = await ends();
          await from.channel.close();
          let released = 0;
          from.channel.send(ping(1), () => released++);
          expect(released).toBe(0);
          await Promise.resolve();
          expect(released).toBe(1);
          await to.closed;
          expect(to.frames).toEqual([]);
        });

        it('closes with the FerryError that handling a frame throws', async () => {
          const [from, to] = await ends();
          const reason = new FerryError('ERR_UNEXPECTED_MESSAGE', 'test');
          to.handle = () => {
            throw reason;
          };
          from.channel.send(ping(1));
          from.channel.send(ping(2));
          await Promise.all([from.closed, to.closed]);
          expect(to.reason).toBe(reason);
          expect(to.frames).toHaveLength(1);
        });

        it('closes with a coded error when handling a frame rejects with anything else', async () => {
          const [from, to] = await ends();
          const cause = new Error('disk on fire');
          to.handle = () => Promise.reject(cause);
          from.channel.send(ping(1));
          await to.closed;
          expect(to.reason).toMatchObject({ code: 'ERR_IO', cause });
        });

        it('survives a handler that destroys the channel and then fails', async () => {
          const [from, to] = await ends();
          to.handle = async () => {
            to.channel.destroy();
            await Promise.resolve();
            throw new Error('late');
          };
          from.channel.send(ping(1));
          await Promise.all([from.closed, to.closed]);
          expect(to.reason).toBeUndefined();
        });

        it('refuses a frame larger than its area as soon as the header is there', async () => {
          const [from, to] = await ends();
          from.channel.send(pages(128 * 1024, 1));
          await to.closed;
          expect(to.reason?.code).toBe('ERR_FRAME_TOO_LARGE');
          expect(to.frames).toEqual([]);
        });

        it('refuses bytes that are no frame', async () => {
          const [from, to] = await ends();
          from.channel.send(new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'));
          await to.closed;
          expect(to.reason?.code).toBe('ERR_NOT_A_PEER');
        });

        // Once only: it takes its second.
        if (side === 'the other way') return;
        it('gives up closing when the peer takes nothing, and releases what is left', async () => {
          const [from, to] = await ends();
          to.handle = () => new Promise<void>(() => {});
          let released = 0;
          for (let index = 0; index < 200; index++) {
            from.channel.send(pages(120_000, 1), () => released++);
          }
          await to.until(() => to.frames.length === 1);
          await from.channel.close();
          expect(released).toBe(200);
          expect(from.closes).toBe(1);
        });
      });
    }
  });
}
