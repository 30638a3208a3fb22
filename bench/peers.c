/* The rivals in C: what a careful native program does without vector code of its own. Compiled and called by c-peers.ts. */
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

enum { PAGE = 4096 };

/* Pages of a and b that differ. */
int scan_pages(const uint8_t *a, const uint8_t *b, int pages) {
  int changed = 0;
  for (int i = 0; i < pages; i++, a += PAGE, b += PAGE) changed += memcmp(a, b, PAGE) != 0;
  return changed;
}

/* libxxhash, where it is installed. This entry never leaves the baseline of its build: SSE2 on x86-64. */
typedef uint64_t (*xxh3_with_secret)(const void *, size_t, const void *, size_t);
static xxh3_with_secret xxh3;

/* 1 if there is a libxxhash; the functions below that hash need it. */
int load_xxhash(void) {
  void *library = dlopen("libxxhash.so.0", RTLD_NOW);
  if (library != NULL) xxh3 = (xxh3_with_secret)dlsym(library, "XXH3_64bits_withSecret");
  return xxh3 != NULL;
}

/* XXH3-64 of each page under a secret of 192 bytes. */
void xxh3_pages(const uint8_t *memory, int pages, uint64_t *hashes, const uint8_t *secret) {
  for (int i = 0; i < pages; i++) hashes[i] = xxh3(memory + (size_t)i * PAGE, PAGE, secret, 192);
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

static int read_length(const uint8_t **at) {
  int low = *(*at)++;
  return low < 128 ? low : (low & 127) | (*(*at)++ << 7);
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
    if (length + 2 > capacity) return -1;
    length += write_length(out + length, at - start);
    if (length + at - start > capacity) return -1;
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

/* What any decoder has to do at least: copies the literals of the delta that turns each of `pages` pages into the next, unchecked. */
void copy_literals(const uint8_t *delta, int length, uint8_t *page, int pages) {
  for (int i = 0; i < pages; i++, page += PAGE) {
    const uint8_t *at = delta;
    uint8_t *to = page;
    while (at < delta + length) {
      to += read_length(&at);
      int run = read_length(&at);
      memcpy(to, at, (size_t)run);
      at += run;
      to += run;
    }
  }
}

static int is_zero(const uint8_t *page) { return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0; }

/*
 * Capture as three passes, each over everything: which pages differ from the shadow; records {kind, page, payload} of those, into a frame
 * of `frame_bytes` that starts over when it is full; hashes and shadow brought up to date. `dirty` is a byte a page. Returns all bytes of records.
 */
long capture_three_passes(const uint8_t *memory, uint8_t *shadow, int pages, uint8_t *dirty,
                          uint64_t *hashes, const uint8_t *secret, uint8_t *frame, int frame_bytes) {
  enum { HEAD = 7, ZERO = 0, DELTA = 2, RAW = 5 };
  for (int i = 0; i < pages; i++) {
    dirty[i] = memcmp(memory + (size_t)i * PAGE, shadow + (size_t)i * PAGE, PAGE) != 0;
  }
  long sum = 0;
  int at = 0;
  for (int i = 0; i < pages; i++) {
    if (!dirty[i]) continue;
    const uint8_t *page = memory + (size_t)i * PAGE;
    if (at + HEAD + PAGE > frame_bytes) at = 0;
    uint8_t *record = frame + at;
    int kind = ZERO, length = 0;
    if (!is_zero(page)) {
      kind = DELTA;
      length = encode_page(shadow + (size_t)i * PAGE, page, record + HEAD, PAGE - 3);
      if (length < 0) {
        kind = RAW;
        length = PAGE;
        memcpy(record + HEAD, page, PAGE);
      }
    }
    uint16_t length16 = (uint16_t)length;
    record[0] = (uint8_t)kind;
    memcpy(record + 1, &i, 4);
    memcpy(record + 5, &length16, 2);
    at += HEAD + length;
    sum += HEAD + length;
  }
  for (int i = 0; i < pages; i++) {
    if (!dirty[i]) continue;
    const uint8_t *page = memory + (size_t)i * PAGE;
    hashes[i] = xxh3(page, PAGE, secret, 192);
    memcpy(shadow + (size_t)i * PAGE, page, PAGE);
  }
  return sum;
}
