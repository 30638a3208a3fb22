import { maxChannels } from './limits.js';

/*
 * What HELLO, CHANNEL_CLOSE and CHANNEL_CLOSED call a page channel: its number, 1 to 15, and 16 for each connection that had the number before in the same attempt.
 * So what is said of one that was given up cannot be taken for another.
 */

/** 0 to 15; 0, the control channel's, is nobody else's. */
export function channelNumber(id: number): number {
  return id % maxChannels;
}

/** What the connection is called that takes the place of `id`. */
export function nextChannelId(id: number): number {
  return id + maxChannels;
}
