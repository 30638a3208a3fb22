import type { Message } from '../protocol/messages.js';

/** What a destination says that follows from what it was sent; the rest (ACK, PING, reports of a re-read) depends on time. */
const answerTypes = [
  'HELLO_ACK',
  'ACCEPT',
  'REJECT',
  'READY',
  'FAILED',
  'RUNNING',
  'START_FAILED',
  'ABORTED',
  'HASHES',
  'CHANNEL_CLOSED',
] as const;

export type AnswerMessage = (typeof answerTypes)[number];

export function isAnswer(message: Message): message is Extract<Message, { type: AnswerMessage }> {
  if (message.type === 'HASHES') return message.level === 'leaf';
  return answerTypes.some((type) => type === message.type);
}

/** What must be the same each time it is answered; milliseconds are not. */
export function answerOf(message: Extract<Message, { type: AnswerMessage }>): string {
  switch (message.type) {
    case 'HELLO_ACK':
      return `HELLO_ACK ${message.standing}`;
    case 'ACCEPT':
      return `ACCEPT ${message.bases.join(' ')}`;
    case 'REJECT':
    case 'FAILED':
    case 'START_FAILED':
      return `${message.type} ${message.code}`;
    case 'READY':
    case 'RUNNING':
      return `${message.type} ${Buffer.from(message.digest).toString('hex')}`;
    case 'ABORTED':
      return `ABORTED ${message.scope}`;
    case 'CHANNEL_CLOSED':
      return `CHANNEL_CLOSED ${message.channel} ${message.lastAppliedSeq}`;
    case 'HASHES':
      return `HASHES ${message.entries.map(({ index, hash }) => `${index}:${hash}`).join(' ')}`;
    default:
      return message satisfies never;
  }
}
