import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/protocol/index.js';
import { record } from '../evidence/record.js';
import { FakeSource } from './fake-source.js';
import { hostileOpenings } from './hostile-openings.js';
import { hostileTransfers } from './hostile-transfers.js';
import { dropped, inRoom } from './room.js';

const rows = [...hostileOpenings, ...hostileTransfers];

function spoken(message: Message): string {
  return 'code' in message ? `${message.type} ${message.code}` : message.type;
}

describe('a receiver that waits for one image', () => {
  it(
    `survives ${rows.length} hostile sources, says of each what was wrong, and takes the next image`,
    ({ task }) =>
      inRoom(async (room) => {
        record(task, { what: 'hostile sources', counts: { forgedConversations: rows.length } });
        const receiver = await room.receive('--once', '--out-dir', room.inbox, '--max-image', '1G');
        const seen: { what: string; code: unknown; answers: string[] }[] = [];
        for (const { what, after, say } of rows) {
          const source = room.keep(await FakeSource.connect(receiver.port));
          const known = receiver.process.events.length;
          if (after === 'greeted') await source.greet();
          if (after === 'accepted') await source.begin();
          if (after === 'repairing') await source.beginRepair();
          say(source);
          const answers = (await source.hearAll()).filter(({ type }) => type !== 'ACK');
          const { code } = await dropped(
            receiver,
            (event) => receiver.process.events.indexOf(event) >= known,
          );
          seen.push({ what, code, answers: answers.map(spoken) });
          await room.expectEmptyInbox();
        }
        expect(seen).toEqual(
          rows.map(({ what, code, answer }) => ({
            what,
            code,
            answers: answer === undefined ? [] : [`${answer} ${code}`],
          })),
        );
        await room.expectStillReceives(receiver, await room.file('copy.img', 'a good one'));
      })(),
    60_000,
  );
});
