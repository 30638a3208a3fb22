import { channelNumber } from '../protocol/channel-id.js';
import {
  also,
  type DestinationEvent,
  type DestinationState,
  type DestinationStep,
  stay,
} from './destination-states.js';

/** The source gave a page channel up. Undefined where nothing of the kind has a place. */
export function onChannelClose(
  state: DestinationState,
  { channel }: { readonly channel: number },
): DestinationStep | undefined {
  switch (state.phase) {
    case 'receiving':
    case 'gathering':
    case 'verifying':
    case 'repairing':
    case 'loading':
    case 'ready':
      return also(state, { do: 'close-channel', channel });
    default:
      return undefined;
  }
}

/** What had arrived on a page channel that was given up is done with. A PREPARE that counts on more of it is void: pages and another PREPARE follow. */
export function onChannelClosed(
  state: DestinationState,
  { channel, lastAppliedSeq }: Extract<DestinationEvent, { type: 'channel-closed' }>,
): DestinationStep {
  const answer = {
    do: 'send',
    message: { type: 'CHANNEL_CLOSED', channel, lastAppliedSeq },
  } as const;
  switch (state.phase) {
    case 'gathering': {
      const { prepare, repairs } = state;
      if (lastAppliedSeq >= (prepare.finalSeqs[channelNumber(channel)] ?? 0)) {
        return also(state, answer);
      }
      return {
        state: repairs > 0 ? { phase: 'repairing', repairs } : { phase: 'receiving' },
        effects: [{ do: 'stop-gathering' }, answer],
      };
    }
    case 'receiving':
    case 'verifying':
    case 'repairing':
    case 'loading':
    case 'ready':
      return also(state, answer);
    default:
      return stay(state);
  }
}
