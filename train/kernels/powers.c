/* The loops of powers.py over a whole map: power sums of rows and columns, and polynomials at every position.
   The command line defines REAL (float or double). Maps are (B, N, C), contiguous; x = f * inverse lies in [-1, 1].
   A tile of columns is worked on row by row, so that the map is read in the order in which it lies in memory. */

#include <stddef.h>
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

/* A row of a tile as vectors: where it lies, or at the map's edge a copy with zeros behind it. */
static inline const vec *view(vec *room, const REAL *from, long width) {
    if (width % (4 * LANES) == 0) return (const vec *)from;
    memcpy(room, from, width * sizeof(REAL));
    memset((REAL *)room + width, 0, (TILE - width) * sizeof(REAL));
    return room;
}

/* Asks for what lies there soon, a tile's width of it. */
static inline void ahead(const REAL *from) {
    for (long j = 0; j < TILE; j += 64 / (long)sizeof(REAL)) __builtin_prefetch(from + j);
}

/* Where to write a row, and what brings it there if that is not the map itself. */
static inline vec *target(vec *room, REAL *to, long width) { return width % (4 * LANES) == 0 ? (vec *)to : room; }
static inline void settle(const vec *written, REAL *to, long width) {
    if ((const REAL *)written != to) memcpy(to, written, width * sizeof(REAL));
}

static double across(vec v) {
    half h = ((half *)&v)[0] + ((half *)&v)[1];
    quarter q = ((quarter *)&h)[0] + ((quarter *)&h)[1];
    double sum = 0;
    for (int l = 0; l < LANES / 4; l++) sum += q[l];
    return sum;
}

/* The loops over a row are functions, so that the compiler keeps the addresses of a thread's room. */
#define ROW static __attribute__((noinline, noipa)) void
typedef const vec (*per_column)[VECS]; /* of the columns of a tile, one after the other */

/* Sums of t x^k, k < K, over ROWS rows of a tile: what sums[k] gains in each column, and of_rows[k][r] in each lane of row r. */
ROW add_powers(long used, long K, const vec (*x)[VECS], const vec *const *t, vec (*sums)[VECS], vec (*of_rows)[ROWS]) {
    unsigned state = _mm_getcsr();
    _mm_setcsr(state | FLUSHED);
    for (long j = 0; j < used; j += 2) {
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
        vec room[VECS];
        ahead(f + (n + r + ROWS) * C);
        const vec *v = view(room, f + (n + r) * C, width);
        for (long j = 0; j < (width + LANES - 1) / LANES || j % 2; j++) x[r][j] = v[j] * inverse;
    }
}

static void add_to(double *restrict totals, const REAL *restrict sums) {
    for (long j = 0; j < TILE; j++) totals[j] += sums[j];
}

/* The sums of t x^k, k < K, of ROWS rows from n on, t of each row in `of_t`: sums holds the columns' of up to FLUSH rows, which totals then gains,
   rows[(n + r) * step + k] gains that of row n + r. */
static void add_rows(long n, long N, long used, long K, const vec (*x)[VECS], const vec *const *of_t, vec (*sums)[VECS], double (*totals)[TILE],
                     double *rows, long step) {
    vec of_rows[MOST][ROWS];
    if (n % FLUSH == 0) memset(sums, 0, K * sizeof sums[0]);
    memset(of_rows, 0, K * sizeof of_rows[0]);
    add_powers(used, K, x, of_t, sums, of_rows);
    for (long r = 0; r < ROWS && n + r < N; r++)
        for (long k = 0; k < K; k++) rows[(n + r) * step + k] += across(of_rows[k][r]);
    if (n % FLUSH == FLUSH - ROWS || n + ROWS >= N)
        for (long k = 0; k < K; k++) add_to(totals[k], (const REAL *)sums[k]);
}

/* One tile: rows[(i * N + n) * K + k] += its share of the sum over row n of v_i x^k, columns[i][k] = the sums over its columns. */
static void gather_tile(const REAL *f, REAL inverse, long N, long C, long c, long K, long V, const REAL *const *values,
                        const REAL *keep, double *rows, REAL *const *columns, size_t step) {
    long width = C - c < TILE ? C - c : TILE, used = (width + LANES - 1) / LANES;
    static _Thread_local vec sums[MOST][VECS], x[ROWS][VECS], t[ROWS][VECS];
    static _Thread_local double totals[MOST][TILE];
    for (long i = 0; i < V; i++) {
        long from = !values[i]; /* 1 to the power of 0 is counted */
        double count = 0;
        memset(totals, 0, K * sizeof totals[0]);
        for (long n = 0; n < N; n += ROWS) {
            load_rows(f + c, inverse, N, C, n, width, keep, x);
            if (values[i]) load_rows(values[i] + c, 1, N, C, n, width, keep, t);
            const vec(*first)[VECS] = (const vec(*)[VECS])(values[i] ? t : x), *const of_t[ROWS] = {first[0], first[1], first[2], first[3]};
            add_rows(n, N, used, K - from, (const vec(*)[VECS])x, of_t, sums + from, totals + from, rows + i * N * K + from, K);
        }
        for (long n = 0; from && n < N; n++)
            if (!keep || keep[n]) rows[(i * N + n) * K] += width, count++;
        if (from)
            for (long j = 0; j < width; j++) totals[0][j] = count;
        for (long k = 0; k < K; k++)
            for (long j = 0; j < width; j++) columns[i][k * step + c + j] = totals[k][j];
    }
}

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
#define EACH_BAG(work)                                  \
    if (shares == 1) {                                  \
        PRAGMA(omp parallel for num_threads(threads))   \
        for (long b = 0; b < B; b++) work;              \
    } else                                              \
        for (long b = 0; b < B; b++) work
#define SHARED PRAGMA(omp parallel for num_threads(threads) if (shares > 1))

/* rows (V, K, B, N), columns (V, K, B, C) of bag b: the sums of keep v x^k over each row and each column; a value NULL stands for 1. */
static void gather_bag(long b, long B, long N, long C, const REAL *f, double inverse, long K, long V, const REAL *const *values,
                       const REAL *keep, REAL *rows, REAL *columns, long shares, int threads) {
    double *part = calloc((size_t)shares * V * N * K, sizeof(double));
    SHARED
    for (long share = 0; share < shares; share++)
        for (long c = share * TILE; c < C; c += shares * TILE) {
            const REAL *of_bag[2] = {0};
            REAL *to[2] = {0};
            for (long i = 0; i < V; i++) {
                of_bag[i] = values[i] ? values[i] + (size_t)b * N * C : NULL;
                to[i] = columns + ((size_t)i * K * B + b) * C;
            }
            gather_tile(f + (size_t)b * N * C, inverse, N, C, c, K, V, of_bag, keep ? keep + b * N : NULL, part + share * V * N * K, to, (size_t)B * C);
        }
    reduce(b, B, N, K, V, shares, part, rows);
    free(part);
}

void gather(long B, long N, long C, const REAL *f, double inverse, long K, long V, const REAL *const *values, const REAL *keep,
            REAL *rows, REAL *columns, int threads) {
    long shares = shares_of(B, C, threads);
    EACH_BAG(gather_bag(b, B, N, C, f, inverse, K, V, values, keep, rows, columns, shares, threads));
}

/* A tile's coefficients: to[q] = sum over k of matrix[q, k] source[k], for Q polynomials' terms of K power sums */
static void coefficients(vec (*to)[VECS], const REAL *matrix, long Q, long K, const REAL *source, size_t step, long width) {
    static _Thread_local vec room[2 * MOST][VECS];
    const vec *of_k[2 * MOST];
    for (long k = 0; k < K; k++) of_k[k] = view(room[k], source + k * step, width);
    long used = (width + LANES - 1) / LANES;
    for (long q = 0; q < Q; q++) {
        long first = 0, last = K;
        while (first < K && !matrix[q * K + first]) first++;
        while (last > first && !matrix[q * K + last - 1]) last--;
        for (long j = 0; j < used; j += 4) {
            vec s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
            for (long k = first; k < last; k++) {
                REAL m = matrix[q * K + k];
                s0 += m * of_k[k][j], s1 += m * of_k[k][j + 1], s2 += m * of_k[k][j + 2], s3 += m * of_k[k][j + 3];
            }
            to[q][j] = s0, to[q][j + 1] = s1, to[q][j + 2] = s2, to[q][j + 3] = s3;
        }
    }
}

/* to = f + n / d */
ROW attend_row(long used, REAL inverse, const vec *f, long Q, const REAL *above, per_column column, const REAL *rest, per_column below, vec *to) {
    for (long j = 0; j < used; j += 4) {
        vec x0 = f[j] * inverse, x1 = f[j + 1] * inverse, x2 = f[j + 2] * inverse, x3 = f[j + 3] * inverse;
        const vec *c = column[Q - 1] + j, *e = below[Q - 1] + j;
        REAL a = above[Q - 1], r = rest[Q - 1];
        vec n0 = a + c[0], n1 = a + c[1], n2 = a + c[2], n3 = a + c[3], d0 = r + e[0], d1 = r + e[1], d2 = r + e[2], d3 = r + e[3];
        for (long q = Q - 2; q >= 0; q--) {
            c -= VECS, e -= VECS, a = above[q], r = rest[q];
            n0 = n0 * x0 + (a + c[0]), n1 = n1 * x1 + (a + c[1]), n2 = n2 * x2 + (a + c[2]), n3 = n3 * x3 + (a + c[3]);
            d0 = d0 * x0 + (r + e[0]), d1 = d1 * x1 + (r + e[1]), d2 = d2 * x2 + (r + e[2]), d3 = d3 * x3 + (r + e[3]);
        }
        to[j] = f[j] + n0 / d0, to[j + 1] = f[j + 1] + n1 / d1, to[j + 2] = f[j + 2] + n2 / d2, to[j + 3] = f[j + 3] + n3 / d3;
    }
}

/* u = g / d, w = (f - out) u */
ROW given_row(long used, const vec *x, const vec *f, const vec *out, const vec *g, long Q, const REAL *rest, per_column below, vec *u, vec *w) {
    for (long j = 0; j < used; j += 2) {
        vec x0 = x[j], x1 = x[j + 1], d0 = rest[Q - 1] + below[Q - 1][j], d1 = rest[Q - 1] + below[Q - 1][j + 1];
        for (long q = Q - 2; q >= 0; q--)
            d0 = d0 * x0 + (rest[q] + below[q][j]), d1 = d1 * x1 + (rest[q] + below[q][j + 1]);
        u[j] = g[j] / d0, u[j + 1] = g[j + 1] / d1;
        w[j] = (f[j] - out[j]) * u[j], w[j + 1] = (f[j + 1] - out[j + 1]) * u[j + 1];
    }
}

/* to = (u n'(x) + w d'(x) + r'(x)) / s + g */
ROW derive_row(long used, REAL inverse, const vec *f, const vec *out, const vec *g, long Q, const REAL *above, per_column column,
               const REAL *rest, per_column below, const REAL *of_key, per_column key, vec *to) {
    for (long j = 0; j < used; j += 2)
        for (long i = j; i < j + 2; i++) {
            vec x = f[i] * inverse, up = 0 * x, down = up, d = rest[Q - 1] + below[Q - 1][i], r = of_key[Q - 1] + key[Q - 1][i];
            for (long q = Q - 2; q >= 0; q--) {
                down = down * x + d, d = d * x + (rest[q] + below[q][i]);
                up = up * x + (above[q] + column[q][i]), r = r * x + (of_key[q] + key[q][i]);
            }
            vec u = g[i] / d, w = (f[i] - out[i]) * u;
            to[i] = (u * up + w * down + r) * inverse + g[i];
        }
}

/* One tile of bag b: out = f + keep * n / d, of_rows (N, 2 Q). */
static void attend_tile(long b, long B, long N, long C, long c, const REAL *f, REAL inverse, long Q, long K, const REAL *matrix, const REAL *of_rows,
                        const REAL *power_columns, const REAL *keep, REAL *out) {
    long width = C - c < TILE ? C - c : TILE, used = (width + LANES - 1) / LANES;
    static _Thread_local vec column[2 * MOST][VECS];
    coefficients(column, matrix, 2 * Q, K, power_columns + (size_t)b * C + c, (size_t)B * C, width);
    for (long n = 0; n < N; n++) {
        size_t at = ((size_t)b * N + n) * C + c;
        vec room[VECS], more[VECS];
        if (keep && !keep[b * N + n]) {
            if (out != f) memcpy(out + at, f + at, width * sizeof(REAL));
            continue;
        }
        ahead(f + at + C);
        const vec *v = view(room, f + at, width);
        vec *to = target(more, out + at, width);
        attend_row(used, inverse, v, Q, of_rows + n * 2 * Q, (per_column)column, of_rows + n * 2 * Q + Q, (per_column)column + Q, to);
        settle(to, out + at, width);
    }
}

static void attend_bag(long b, long B, long N, long C, const REAL *f, double inverse, long Q, long K, const REAL *matrix, const REAL *less,
                       const REAL *keep, REAL *rows, REAL *columns, REAL *out, long shares, int threads) {
    const REAL *ones[1] = {NULL};
    gather_bag(b, B, N, C, f, inverse, K, 1, ones, keep, rows, columns, shares, threads);
    REAL *of_rows = malloc((size_t)N * 2 * Q * sizeof(REAL));
    SHARED
    for (long n = 0; n < N; n++)
        for (long q = 0; q < 2 * Q; q++) {
            double sum = -less[q];
            for (long k = 0; k < K; k++) sum += (double)matrix[q * K + k] * rows[(k * B + b) * N + n];
            of_rows[n * 2 * Q + q] = sum;
        }
    SHARED
    for (long share = 0; share < shares; share++)
        for (long c = share * TILE; c < C; c += shares * TILE)
            attend_tile(b, B, N, C, c, f, inverse, Q, K, matrix, of_rows, columns, keep, out);
    free(of_rows);
}

/* out = f + keep * numerator / denominator, polynomials of Q terms each: matrix (2 Q, K) times the power sums of rows (K, B, N) and columns (K, B, C),
   which are made on the way, less `less` (2 Q). A bag lies in the cache when it is read again. out may be f. */
void attend(long B, long N, long C, const REAL *f, double inverse, long Q, long K, const REAL *matrix, const REAL *less, const REAL *keep,
            REAL *rows, REAL *columns, REAL *out, int threads) {
    long shares = shares_of(B, C, threads);
    EACH_BAG(attend_bag(b, B, N, C, f, inverse, Q, K, matrix, less, keep, rows, columns, out, shares, threads));
}

static void given_tile(long b, long B, long N, long C, long c, const REAL *f, REAL inverse, const REAL *out, const REAL *grad, long Q, long K,
                       const REAL *matrix, const REAL *of_rows, const REAL *power_columns, const REAL *keep, long Kg, double *of_share, REAL *columns) {
    long width = C - c < TILE ? C - c : TILE, used = (width + LANES - 1) / LANES;
    static _Thread_local vec column[MOST][VECS], sums[2][MOST][VECS], x[ROWS][VECS], uw[2][ROWS][VECS];
    static _Thread_local double totals[2][MOST][TILE];
    size_t at = (size_t)b * N * C + c;
    coefficients(column, matrix, Q, K, power_columns + (size_t)b * C + c, (size_t)B * C, width);
    for (long i = 0; i < 2; i++) memset(totals[i], 0, Kg * sizeof totals[i][0]);
    for (long begin = 0; begin < N; begin += ROWS) {
        load_rows(f + at, inverse, N, C, begin, width, keep, x);
        for (long r = 0; r < ROWS; r++) {
            long n = begin + r;
            vec *u = uw[0][r], *w = uw[1][r], room[3][VECS];
            if (n >= N || (keep && !keep[n])) {
                memset(u, 0, sizeof uw[0][r]), memset(w, 0, sizeof uw[1][r]);
                continue;
            }
            ahead(out + at + (n + 1) * C), ahead(grad + at + (n + 1) * C);
            const vec *v = view(room[0], f + at + n * C, width), *o = view(room[1], out + at + n * C, width);
            const vec *g = view(room[2], grad + at + n * C, width);
            given_row(used, x[r], v, o, g, Q, of_rows + ((size_t)b * N + n) * Q, (per_column)column, u, w);
            memset((REAL *)u + width, 0, (TILE - width) * sizeof(REAL)), memset((REAL *)w + width, 0, (TILE - width) * sizeof(REAL));
        }
        for (long i = 0; i < 2; i++) {
            const vec *of_t[ROWS] = {uw[i][0], uw[i][1], uw[i][2], uw[i][3]};
            add_rows(begin, N, used, Kg, (const vec(*)[VECS])x, of_t, sums[i], totals[i], of_share + i * N * Kg, Kg);
        }
    }
    for (long i = 0; i < 2; i++)
        for (long k = 0; k < Kg; k++)
            for (long j = 0; j < width; j++) columns[((i * Kg + k) * B + b) * C + c + j] = totals[i][k][j];
}

static void given_bag(long b, long B, long N, long C, const REAL *f, double inverse, const REAL *out, const REAL *grad, long Q, long K,
                      const REAL *matrix, const REAL *of_rows, const REAL *power_columns, const REAL *keep, long Kg, REAL *rows,
                      REAL *columns, long shares, int threads) {
    double *part = calloc((size_t)shares * 2 * N * Kg, sizeof(double));
    SHARED
    for (long share = 0; share < shares; share++)
        for (long c = share * TILE; c < C; c += shares * TILE)
            given_tile(b, B, N, C, c, f, inverse, out, grad, Q, K, matrix, of_rows, power_columns, keep ? keep + b * N : NULL, Kg,
                       part + share * 2 * N * Kg, columns);
    reduce(b, B, N, Kg, 2, shares, part, rows);
    free(part);
}

/* rows (2, Kg, B, N), columns (2, Kg, B, C): the sums of u x^k and w x^k over each row and each column, of the gradients of a position's numerator and
   denominator: u = g / d and w = (f - out) u. d has Q terms, of_rows (B, N, Q) plus matrix (Q, K) times power sums (K, B, C). */
void given(long B, long N, long C, const REAL *f, double inverse, const REAL *out, const REAL *grad, long Q, long K,
           const REAL *matrix, const REAL *of_rows, const REAL *power_columns, const REAL *keep, long Kg, REAL *rows,
           REAL *columns, int threads) {
    long shares = shares_of(B, C, threads);
    EACH_BAG(given_bag(b, B, N, C, f, inverse, out, grad, Q, K, matrix, of_rows, power_columns, keep, Kg, rows, columns, shares, threads));
}

/* d_f = (u n'(x) + w d'(x) + r'(x)) / s + g: the gradient of the features. n' has Q - 1 terms and d Q, of_rows (B, N, 2 Q - 1) plus matrix
   (2 Q - 1, K) times power sums (K, B, C); r', which keys are given, Q, key_rows (B, N, Q) plus key_matrix (Q, Kk) times key_columns (Kk, B, C). */
void derive(long B, long N, long C, const REAL *f, double inverse, const REAL *out, const REAL *grad, long Q, long K,
            const REAL *matrix, const REAL *of_rows, const REAL *power_columns, long Kk, const REAL *key_matrix,
            const REAL *key_rows, const REAL *key_columns, const REAL *keep, REAL *d_f, int threads) {
    long tiles = (C + TILE - 1) / TILE;
#pragma omp parallel for collapse(2) num_threads(threads)
    for (long b = 0; b < B; b++)
        for (long tile = 0; tile < tiles; tile++) {
            long c = tile * TILE, width = C - c < TILE ? C - c : TILE, used = (width + LANES - 1) / LANES;
            static _Thread_local vec column[2 * MOST][VECS], key[MOST][VECS];
            vec(*below)[VECS] = column + Q - 1;
            coefficients(column, matrix, 2 * Q - 1, K, power_columns + (size_t)b * C + c, (size_t)B * C, width);
            coefficients(key, key_matrix, Q, Kk, key_columns + (size_t)b * C + c, (size_t)B * C, width);
            for (long n = 0; n < N; n++) {
                size_t at = ((size_t)b * N + n) * C + c;
                const REAL *above = of_rows + ((size_t)b * N + n) * (2 * Q - 1), *rest = above + Q - 1;
                const REAL *of_key = key_rows + ((size_t)b * N + n) * Q;
                vec room[4][VECS];
                if (keep && !keep[b * N + n]) {
                    memcpy(d_f + at, grad + at, width * sizeof(REAL));
                    continue;
                }
                ahead(f + at + C), ahead(out + at + C), ahead(grad + at + C);
                const vec *v = view(room[0], f + at, width), *o = view(room[1], out + at, width), *g = view(room[2], grad + at, width);
                vec *to = target(room[3], d_f + at, width);
                derive_row(used, inverse, v, o, g, Q, above, (per_column)column, rest, (per_column)below, of_key, (per_column)key, to);
                settle(to, d_f + at, width);
            }
        }
}

/* out = sum over t of m_t p_t(x) + sum over o of m_o e_o(x): polynomials p_t of Q[t] terms whose coefficients are the row's (B, N, Q[t]) plus the
   column's, matrix (Q[t], K[t]) times power sums (K[t], B, C), and e_o of own_terms[o] terms, the same everywhere; m NULL stands for 1.
   A row that is not kept is 0. */
void combine(long B, long N, long C, const REAL *f, double inverse, long T, const long *Q, const long *K,
             const REAL *const *multipliers, const REAL *const *matrices, const REAL *const *rows, const REAL *const *columns,
             long O, const long *own_terms, const REAL *const *own_multipliers, const REAL *const *owns, const REAL *keep,
             REAL *out, int threads) {
    long tiles = (C + TILE - 1) / TILE;
#pragma omp parallel for collapse(2) num_threads(threads)
    for (long b = 0; b < B; b++)
        for (long tile = 0; tile < tiles; tile++) {
            long c = tile * TILE, width = C - c < TILE ? C - c : TILE, used = (width + LANES - 1) / LANES;
            static _Thread_local vec column[TERMS][MOST][VECS];
            for (long t = 0; t < T; t++)
                coefficients(column[t], matrices[t], Q[t], K[t], columns[t] + (size_t)b * C + c, (size_t)B * C, width);
            for (long n = 0; n < N; n++) {
                size_t at = ((size_t)b * N + n) * C + c;
                vec room[VECS], more[VECS], to[VECS];
                memset(to, 0, sizeof to);
                if (keep && !keep[b * N + n]) {
                    memcpy(out + at, to, width * sizeof(REAL));
                    continue;
                }
                const vec *v = view(room, f + at, width), *m = NULL;
                for (long t = 0; t < T + O; t++) {
                    const REAL *multiplier = t < T ? multipliers[t] : own_multipliers[t - T];
                    if (multiplier) m = view(more, multiplier + at, width);
                    if (t < T) {
                        long terms = Q[t];
                        const REAL *row = rows[t] + ((size_t)b * N + n) * terms;
                        for (long j = 0; j < used; j += 4) {
                            vec x0 = v[j] * (REAL)inverse, x1 = v[j + 1] * (REAL)inverse, x2 = v[j + 2] * (REAL)inverse, x3 = v[j + 3] * (REAL)inverse;
                            vec(*p)[VECS] = column[t];
                            REAL r = row[terms - 1];
                            vec s0 = r + p[terms - 1][j], s1 = r + p[terms - 1][j + 1], s2 = r + p[terms - 1][j + 2], s3 = r + p[terms - 1][j + 3];
                            for (long q = terms - 2; q >= 0; q--) {
                                r = row[q];
                                s0 = s0 * x0 + (r + p[q][j]), s1 = s1 * x1 + (r + p[q][j + 1]);
                                s2 = s2 * x2 + (r + p[q][j + 2]), s3 = s3 * x3 + (r + p[q][j + 3]);
                            }
                            if (multiplier) s0 *= m[j], s1 *= m[j + 1], s2 *= m[j + 2], s3 *= m[j + 3];
                            to[j] += s0, to[j + 1] += s1, to[j + 2] += s2, to[j + 3] += s3;
                        }
                    } else {
                        const REAL *own = owns[t - T];
                        long terms = own_terms[t - T];
                        for (long j = 0; j < used; j += 4) {
                            vec x0 = v[j] * (REAL)inverse, x1 = v[j + 1] * (REAL)inverse, x2 = v[j + 2] * (REAL)inverse, x3 = v[j + 3] * (REAL)inverse;
                            vec s0 = own[terms - 1] + 0 * x0, s1 = s0, s2 = s0, s3 = s0;
                            for (long q = terms - 2; q >= 0; q--)
                                s0 = s0 * x0 + own[q], s1 = s1 * x1 + own[q], s2 = s2 * x2 + own[q], s3 = s3 * x3 + own[q];
                            if (multiplier) s0 *= m[j], s1 *= m[j + 1], s2 *= m[j + 2], s3 *= m[j + 3];
                            to[j] += s0, to[j + 1] += s1, to[j + 2] += s2, to[j + 3] += s3;
                        }
                    }
                }
                memcpy(out + at, to, width * sizeof(REAL));
            }
        }
}
