/* The rivals in C: what a native program does without vector code of its own. Compiled and called by c-peers.ts. */
#include <stdint.h>
#include <string.h>

enum { PAGE = 4096 };

/* Pages of a and b that differ. */
int scan_pages(const uint8_t *a, const uint8_t *b, int pages) {
  int changed = 0;
  for (int i = 0; i < pages; i++, a += PAGE, b += PAGE) changed += memcmp(a, b, PAGE) != 0;
  return changed;
}

static int write_length(uint8_t *out, int length) {
  if (length < 128) {
    out[0] = (uint8_t)length;
    return 1;
  }
  out[0] = (uint8_t)(length | 128);
  out[1] = (uint8_t)(length >> 7);
  return 2;
}

static uint64_t word(const uint8_t *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static int has_zero_byte(uint64_t value) {
  return ((value - 0x0101010101010101u) & ~value & 0x8080808080808080u) != 0;
}

/* XBZRLE of one page, eight bytes a step where it can: bytes written, 0 if equal, -1 if longer than capacity. */
static int encode_page(const uint8_t *previous, const uint8_t *next, uint8_t *out, int capacity) {
  int length = 0;
  for (int at = 0; at < PAGE;) {
    int start = at;
    while (at % 8 != 0 && previous[at] == next[at]) at++;
    if (at % 8 == 0) {
      while (at < PAGE && word(previous + at) == word(next + at)) at += 8;
      while (at < PAGE && previous[at] == next[at]) at++;
    }
    if (at == PAGE) break;
    if (length + 2 > capacity) return -1;
    length += write_length(out + length, at - start);
    start = at;
    while (at % 8 != 0 && previous[at] != next[at]) at++;
    if (at % 8 == 0) {
      while (at < PAGE && !has_zero_byte(word(previous + at) ^ word(next + at))) at += 8;
      while (at < PAGE && previous[at] != next[at]) at++;
    }
    if (length + 2 + at - start > capacity) return -1;
    length += write_length(out + length, at - start);
    memcpy(out + length, next + start, (size_t)(at - start));
    length += at - start;
  }
  return length;
}

/* Encodes each of `pages` pages into the same room; returns the sum of what the encoder gave. */
int xbzrle_pages(const uint8_t *previous, const uint8_t *next, int pages, uint8_t *out, int capacity) {
  int sum = 0;
  for (int i = 0; i < pages; i++) {
    sum += encode_page(previous + i * PAGE, next + i * PAGE, out, capacity);
  }
  return sum;
}
