/** How long a closing channel waits for the other end, in milliseconds. */
export const closeTimeoutMs = 1000;
