import { channelNumber } from '../protocol/channel-id.js';
import type { ChannelClosed } from '../protocol/messages.js';
import { also, type SourceState, type SourceStep, stay } from './source-states.js';

/** A page channel is lost: the destination is asked how far it got. Behind COMMIT it has nothing more to bring. */
export function onChannelLost(
  state: SourceState,
  { channel }: { readonly channel: number },
): SourceStep {
  switch (state.phase) {
    case 'comparing':
    case 'pre-copy':
    case 'pausing':
    case 'stop-and-copy':
    case 'preparing':
    case 'retreating':
      return also(state, { do: 'send', message: { type: 'CHANNEL_CLOSE', channel } });
    default:
      return stay(state);
  }
}

/**
 * The destination says how far a lost channel got. Where that is less than the PREPARE under way counts, it took it for void. Undefined where nothing of the kind
 * has a place.
 */
export function onChannelClosed(
  state: SourceState,
  { channel, lastAppliedSeq }: ChannelClosed,
): SourceStep | undefined {
  switch (state.phase) {
    case 'preparing':
      if (lastAppliedSeq >= (state.finalSeqs[channelNumber(channel)] ?? 0)) return stay(state);
      // What others lose before the next PREPARE is sent again with it.
      return also({ ...state, finalSeqs: [] }, { do: 'resend' });
    case 'comparing':
    case 'pre-copy':
    case 'pausing':
    case 'stop-and-copy':
    case 'retreating':
    case 'committed':
    case 'aborting':
      return stay(state);
    default:
      return undefined;
  }
}
