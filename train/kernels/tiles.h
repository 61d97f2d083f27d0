/* What powers.c is made of: rows of vectors, power sums of a tile, coefficients of its polynomials, and bags shared between threads.
   The command line defines REAL (float or double). A tile of columns is worked on row by row, so that a map is read in the order in which it lies in memory. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#else /* elsewhere they cost nothing */
#define _mm_getcsr() 0
#define _mm_setcsr(state) (void)(state)
#endif
#define FLUSHED 0x8040 /* numbers below 1e-38 are 0: high powers of small x would take many times as long */

#ifdef __AVX512F__
#define BYTES 64
#else
#define BYTES 32
#endif
#define LINED __attribute__((aligned(64))) /* as a cache's lines: a vector that lies in two takes twice as long */
#define ROOM static _Thread_local LINED
typedef REAL vec __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias)); /* anywhere in a map */
typedef REAL half __attribute__((vector_size(BYTES / 2), aligned(sizeof(REAL)), may_alias));
typedef REAL quarter __attribute__((vector_size(BYTES / 4), aligned(sizeof(REAL)), may_alias));
#define LANES (long)(BYTES / sizeof(REAL))
#define TILE 256        /* columns */
#define VECS (TILE / LANES)
#define ROWS 4          /* worked on at a time, so that a column's sums are loaded and stored once for all of them */
#define FLUSH 64        /* rows whose sum is in REAL before it goes on in double */
#define MOST 32         /* terms of a polynomial, or power sums, at the most: OWN_DEGREE + 2 and less in powers.py */
#define TERMS 2         /* of `combine`, at the most */

static REAL *lined(size_t count) { return aligned_alloc(64, (count * sizeof(REAL) + 63) / 64 * 64); }

/* A row of a tile as vectors: where it lies, or at the map's edge a copy with zeros behind it. */
static inline const vec *view(vec *room, const REAL *from, long width) {
    if (width % (4 * LANES) == 0) return (const vec *)from;
    memcpy(room, from, width * sizeof(REAL));
    memset((REAL *)room + width, 0, (TILE - width) * sizeof(REAL));
    return room;
}

/* Asks for what lies `further` numbers from there, to read or to write; where nothing lies nothing happens. */
#define ASK(there, further, to_write) __builtin_prefetch((const void *)((uintptr_t)(there) + (uintptr_t)(further) * sizeof(REAL)), to_write)

/* Where to write a row, and what brings it there if that is not the map itself. */
static inline vec *target(vec *room, REAL *to, long width) { return width % (4 * LANES) == 0 ? (vec *)to : room; }
static inline void settle(const vec *written, REAL *to, long width) {
    if ((const REAL *)written != to) memcpy(to, written, width * sizeof(REAL));
}

static inline REAL across(vec v) {
    half h = ((half *)&v)[0] + ((half *)&v)[1];
    quarter q = ((quarter *)&h)[0] + ((quarter *)&h)[1];
    REAL sum = q[0];
    for (long l = 1; l < LANES / 4; l++) sum += q[l];
    return sum;
}

/* The loops over a row are functions, so that the compiler keeps the addresses of a thread's room. */
#define ROW static __attribute__((noinline, noipa)) void
typedef const vec (*per_column)[VECS]; /* of the columns of a tile, one after the other */

/* Sums of t x^k, k < K, over ROWS rows of a tile: what sums[k] gains in each column, and of_rows[k][r] in each lane of row r. Meanwhile it asks for ROWS rows of
   `soon`, `step` apart, from `next` on. */
ROW add_powers(long used, long K, const vec (*x)[VECS], const vec *const *t, vec (*sums)[VECS], vec (*of_rows)[ROWS], const REAL *soon, long next, long step) {
    unsigned state = _mm_getcsr();
    _mm_setcsr(state | FLUSHED);
    for (long j = 0; j < used; j += 2) {
        for (long r = 0; r < ROWS; r++) ASK(soon, next + r * step + j * LANES, 0), ASK(soon, next + r * step + (j + 1) * LANES, 0);
        vec x0 = x[0][j], x1 = x[1][j], x2 = x[2][j], x3 = x[3][j], y0 = x[0][j + 1], y1 = x[1][j + 1], y2 = x[2][j + 1], y3 = x[3][j + 1];
        vec t0 = t[0][j], t1 = t[1][j], t2 = t[2][j], t3 = t[3][j], u0 = t[0][j + 1], u1 = t[1][j + 1], u2 = t[2][j + 1], u3 = t[3][j + 1];
        for (long k = 0; k < K; k++) {
            sums[k][j] += (t0 + t1) + (t2 + t3), sums[k][j + 1] += (u0 + u1) + (u2 + u3);
            of_rows[k][0] += t0 + u0, of_rows[k][1] += t1 + u1, of_rows[k][2] += t2 + u2, of_rows[k][3] += t3 + u3;
            t0 *= x0, t1 *= x1, t2 *= x2, t3 *= x3, u0 *= y0, u1 *= y1, u2 *= y2, u3 *= y3;
        }
    }
    _mm_setcsr(state);
}

/* ROWS rows from n on as x; those beyond N, or not kept, are 0. */
static void load_rows(const REAL *f, REAL inverse, long N, long C, long n, long width, const REAL *keep, vec (*x)[VECS]) {
    for (long r = 0; r < ROWS; r++) {
        if (n + r >= N || (keep && !keep[n + r])) {
            memset(x[r], 0, sizeof x[r]);
            continue;
        }
        LINED vec room[VECS];
        const vec *v = view(room, f + (n + r) * C, width);
        for (long j = 0; j < (width + LANES - 1) / LANES || j % 4; j++) x[r][j] = v[j] * inverse;
    }
}

static void add_to(double *restrict totals, const REAL *restrict sums) {
    for (long j = 0; j < TILE; j++) totals[j] += sums[j];
}

/* The sums of t x^k, k < K, of ROWS rows from n on, t of each row in `of_t`: sums holds the columns' of up to FLUSH rows, which totals then gains,
   rows[(n + r) * step + k] gains that of row n + r. `soon` and `next` as in add_powers. */
static void add_rows(long n, long N, long used, long K, const vec (*x)[VECS], const vec *const *of_t, vec (*sums)[VECS], double (*totals)[TILE],
                     double *rows, long step, const REAL *soon, long next, long C) {
    LINED vec of_rows[MOST][ROWS];
    if (n % FLUSH == 0) memset(sums, 0, K * sizeof sums[0]);
    memset(of_rows, 0, K * sizeof of_rows[0]);
    add_powers(used, K, x, of_t, sums, of_rows, soon, next, C);
    for (long r = 0; r < ROWS && n + r < N; r++)
        for (long k = 0; k < K; k++) rows[(n + r) * step + k] += across(of_rows[k][r]);
    if (n % FLUSH == FLUSH - ROWS && n + ROWS < N)
        for (long k = 0; k < K; k++) add_to(totals[k], (const REAL *)sums[k]);
}

/* The columns' sums of K powers, `step` apart: those of the last rows, and what came before. */
static void settle_columns(long N, long K, long width, const vec (*sums)[VECS], const double (*totals)[TILE], REAL *to, size_t step) {
    for (long k = 0; k < K; k++)
        for (long j = 0; j < width; j++) to[k * step + j] = N > FLUSH ? totals[k][j] + ((const REAL *)sums[k])[j] : ((const REAL *)sums[k])[j];
}

/* Where in a map the ROWS rows after those from n on begin, or after the last ones the next tile. */
static long after(long N, long C, long c, long n) { return n + ROWS < N ? (n + ROWS) * C + c : c + TILE; }

/* rows (V, K, B, N) of bag b: what the shares of its tiles found, added up. */
static void reduce(long b, long B, long N, long K, long V, long shares, const double *part, REAL *rows) {
    for (long i = 0; i < V; i++)
        for (long k = 0; k < K; k++)
            for (long n = 0; n < N; n++) {
                double sum = 0;
                for (long share = 0; share < shares; share++) sum += part[((share * V + i) * N + n) * K + k];
                rows[((i * K + k) * B + b) * N + n] = sum;
            }
}

/* Bags are shared between threads, or where there are too few each bag's tiles: so many shares of them, with row sums of their own. */
static long shares_of(long B, long C, int threads) {
    long tiles = (C + TILE - 1) / TILE;
    return B >= threads || B >= tiles ? 1 : threads < tiles ? threads : tiles;
}
#define PRAGMA(text) _Pragma(#text)
#define EACH_BAG(work)                                                  \
    if (shares == 1) {                                                  \
        PRAGMA(omp parallel for num_threads(threads) schedule(dynamic)) \
        for (long b = 0; b < B; b++) work;                              \
    } else                                                              \
        for (long b = 0; b < B; b++) work
#define SHARED PRAGMA(omp parallel for num_threads(threads) schedule(dynamic) if (shares > 1))

/* A tile's coefficients: to[q] = sum over k of matrix[q, k] source[k], for Q polynomials' terms of K power sums; two q at a time, and of an odd number the
   last one twice. */
static void coefficients(vec (*to)[VECS], const REAL *matrix, long Q, long K, const REAL *source, size_t step, long width) {
    ROOM vec room[2 * MOST][VECS];
    const vec *of_k[2 * MOST];
    for (long k = 0; k < K; k++) of_k[k] = view(room[k], source + k * step, width);
    long used = (width + LANES - 1) / LANES;
    for (long q = 0; q < Q; q += 2) {
        long other = q + 1 < Q ? q + 1 : q, first = 0, last = K;
        const REAL *m = matrix + q * K, *n = matrix + other * K;
        while (first < K && !m[first] && !n[first]) first++;
        while (last > first && !m[last - 1] && !n[last - 1]) last--;
        for (long j = 0; j < used; j += 4) {
            vec s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, t0 = {0}, t1 = {0}, t2 = {0}, t3 = {0};
            for (long k = first; k < last; k++) {
                const vec *v = of_k[k] + j;
                s0 += m[k] * v[0], s1 += m[k] * v[1], s2 += m[k] * v[2], s3 += m[k] * v[3];
                t0 += n[k] * v[0], t1 += n[k] * v[1], t2 += n[k] * v[2], t3 += n[k] * v[3];
            }
            to[q][j] = s0, to[q][j + 1] = s1, to[q][j + 2] = s2, to[q][j + 3] = s3;
            to[other][j] = t0, to[other][j + 1] = t1, to[other][j + 2] = t2, to[other][j + 3] = t3;
        }
    }
}

/* to (N, Q): the part of a bag's polynomials that is the same all along a row, matrix (Q, K) times power sums, `step` apart, less `less`, which may be NULL. */
static void row_coefficients(long N, long Q, long K, const REAL *matrix, const REAL *less, const REAL *rows, long step, REAL *to, long shares, int threads) {
    SHARED
    for (long begin = 0; begin < N; begin += FLUSH) {
        long count = N - begin < FLUSH ? N - begin : FLUSH;
        for (long q = 0; q < Q; q++) {
            double sums[FLUSH];
            for (long n = 0; n < FLUSH; n++) sums[n] = less ? -less[q] : 0;
            for (long k = 0; k < K; k++)
                for (long n = 0; n < count; n++) sums[n] += (double)matrix[q * K + k] * rows[k * step + begin + n];
            for (long n = 0; n < count; n++) to[(begin + n) * Q + q] = sums[n];
        }
    }
}
