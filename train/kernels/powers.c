/* The loops of powers.py over a whole map: power sums of rows and columns, and polynomials at every position.
   The command line defines REAL (float or double). Maps are (B, N, C), contiguous; x = f * inverse lies in [-1, 1].
   A tile of columns is worked on row by row, so that the map is read in the order in which it lies in memory. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#ifdef __AVX512F__
#define BYTES 64
#else
#define BYTES 32
#endif
typedef REAL vec __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias)); /* anywhere in a map */
#define LANES (long)(BYTES / sizeof(REAL))
#define TILE 256        /* columns */
#define VECS (TILE / LANES)
#define FLUSH 64        /* rows whose sum is in REAL before it goes on in double */
#define MOST 64         /* terms of a polynomial, or power sums, at the most */
#define TERMS 3

/* A row of a tile as vectors: where it lies, or at the map's edge a copy with zeros behind it. */
static inline const vec *view(vec *room, const REAL *from, long width) {
    if (width % (4 * LANES) == 0) return (const vec *)from;
    memcpy(room, from, width * sizeof(REAL));
    memset((REAL *)room + width, 0, (TILE - width) * sizeof(REAL));
    return room;
}

/* Where to write a row, and what brings it there if that is not the map itself. */
static inline vec *target(vec *room, REAL *to, long width) { return width % (4 * LANES) == 0 ? (vec *)to : room; }
static inline void settle(const vec *written, REAL *to, long width) {
    if ((const REAL *)written != to) memcpy(to, written, width * sizeof(REAL));
}

static double across(vec v) {
    double sum = 0;
    for (int l = 0; l < LANES; l++) sum += v[l];
    return sum;
}

/* One tile: rows[(i * N + n) * K + k] += its share of the sum over row n of v_i x^k, columns[i][k] = the sums over its columns. */
static void gather_tile(const REAL *f, REAL inverse, long N, long C, long c, long K, long V, const REAL *const *values,
                        const REAL *keep, double *rows, REAL *const *columns, size_t step) {
    long width = C - c < TILE ? C - c : TILE, used = (width + LANES - 1) / LANES;
    static _Thread_local vec sums[MOST][VECS];
    static _Thread_local double totals[MOST][TILE];
    vec ones[VECS];
    for (long j = 0; j < TILE; j++) ((REAL *)ones)[j] = j < width;
    for (long i = 0; i < V; i++) {
        memset(totals, 0, K * sizeof totals[0]);
        for (long begin = 0; begin < N; begin += FLUSH) {
            memset(sums, 0, K * sizeof sums[0]);
            for (long n = begin; n < N && n < begin + FLUSH; n++) {
                vec room[VECS], more[VECS], of_row[MOST];
                if (keep && !keep[n]) continue;
                const vec *x = view(room, f + n * C + c, width), *t = ones;
                if (values[i]) t = view(more, values[i] + n * C + c, width);
                memset(of_row, 0, K * sizeof of_row[0]);
                for (long j = 0; j < used; j += 4) {
                    vec x0 = x[j] * inverse, x1 = x[j + 1] * inverse, x2 = x[j + 2] * inverse, x3 = x[j + 3] * inverse;
                    vec t0 = t[j], t1 = t[j + 1], t2 = t[j + 2], t3 = t[j + 3];
                    for (long k = 0; k < K; k++) {
                        vec *s = sums[k] + j;
                        s[0] += t0, s[1] += t1, s[2] += t2, s[3] += t3;
                        of_row[k] += (t0 + t1) + (t2 + t3);
                        t0 *= x0, t1 *= x1, t2 *= x2, t3 *= x3;
                    }
                }
                for (long k = 0; k < K; k++) rows[(i * N + n) * K + k] += across(of_row[k]);
            }
            for (long k = 0; k < K; k++)
                for (long j = 0; j < width; j++) totals[k][j] += ((REAL *)sums[k])[j];
        }
        for (long k = 0; k < K; k++)
            for (long j = 0; j < width; j++) columns[i][k * step + c + j] = totals[k][j];
    }
}

/* rows (V, K, B, N): what the shares of a bag's tiles found, added up; frees it. */
static void reduce(long B, long N, long K, long V, long shares, double *part, REAL *rows) {
    for (long i = 0; i < V; i++)
        for (long k = 0; k < K; k++)
            for (long b = 0; b < B; b++)
                for (long n = 0; n < N; n++) {
                    double sum = 0;
                    for (long share = 0; share < shares; share++)
                        sum += part[((size_t)(b * shares + share) * V * N + i * N + n) * K + k];
                    rows[((i * K + k) * B + b) * N + n] = sum;
                }
    free(part);
}

/* rows (V, K, B, N), columns (V, K, B, C): the sums of keep v x^k over each row and each column; a value NULL stands for 1 */
void gather(long B, long N, long C, const REAL *f, double inverse, long K, long V, const REAL *const *values,
            const REAL *keep, REAL *rows, REAL *columns, int threads) {
    long tiles = (C + TILE - 1) / TILE;
    long shares = B >= threads ? 1 : threads < tiles ? threads : tiles; /* of a bag's tiles, each with row sums of its own */
    double *part = calloc((size_t)B * shares * V * N * K, sizeof(double));
#pragma omp parallel for collapse(2) num_threads(threads)
    for (long b = 0; b < B; b++)
        for (long share = 0; share < shares; share++)
            for (long tile = share; tile < tiles; tile += shares) {
                const REAL *of_bag[2] = {0};
                REAL *to[2] = {0};
                for (long i = 0; i < V; i++) {
                    of_bag[i] = values[i] ? values[i] + (size_t)b * N * C : NULL;
                    to[i] = columns + ((size_t)i * K * B + b) * C;
                }
                gather_tile(f + (size_t)b * N * C, inverse, N, C, tile * TILE, K, V, of_bag, keep ? keep + b * N : NULL,
                            part + (size_t)(b * shares + share) * V * N * K, to, (size_t)B * C);
            }
    reduce(B, N, K, V, shares, part, rows);
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


/* out = f + keep * numerator / denominator, both polynomials of Q terms whose coefficients are the row's (B, N, 2, Q) plus the column's,
   matrix (2, Q, K) times power sums (K, B, C), less the position's own e(x), times f in the numerator. out may be f. */
void attend(long B, long N, long C, const REAL *f, double inverse, long Q, long K, const REAL *matrix, const REAL *rows,
            const REAL *columns, long own_terms, const REAL *own, const REAL *keep, REAL *out, int threads) {
    long tiles = (C + TILE - 1) / TILE;
#pragma omp parallel for collapse(2) num_threads(threads)
    for (long b = 0; b < B; b++)
        for (long tile = 0; tile < tiles; tile++) {
            long c = tile * TILE, width = C - c < TILE ? C - c : TILE, used = (width + LANES - 1) / LANES;
            static _Thread_local vec column[2 * MOST][VECS];
            coefficients(column, matrix, 2 * Q, K, columns + (size_t)b * C + c, (size_t)B * C, width);
            for (long n = 0; n < N; n++) {
                size_t at = ((size_t)b * N + n) * C + c;
                vec room[VECS], more[VECS];
                const REAL *row = rows + ((size_t)b * N + n) * 2 * Q, *rest = row + Q;
                const vec *v = view(room, f + at, width);
                vec *to = target(more, out + at, width);
                if (keep && !keep[b * N + n]) {
                    if (out != f) memcpy(out + at, f + at, width * sizeof(REAL));
                    continue;
                }
                for (long j = 0; j < used; j += 2) {
                    vec f0 = v[j], f1 = v[j + 1], x0 = f0 * (REAL)inverse, x1 = f1 * (REAL)inverse;
                    vec n0 = row[Q - 1] + column[Q - 1][j], n1 = row[Q - 1] + column[Q - 1][j + 1];
                    vec d0 = rest[Q - 1] + column[2 * Q - 1][j], d1 = rest[Q - 1] + column[2 * Q - 1][j + 1];
                    vec e0 = own[own_terms - 1] + 0 * x0, e1 = e0;
                    for (long q = Q - 2; q >= 0; q--) {
                        n0 = n0 * x0 + (row[q] + column[q][j]), n1 = n1 * x1 + (row[q] + column[q][j + 1]);
                        d0 = d0 * x0 + (rest[q] + column[Q + q][j]), d1 = d1 * x1 + (rest[q] + column[Q + q][j + 1]);
                    }
                    for (long q = own_terms - 2; q >= 0; q--) e0 = e0 * x0 + own[q], e1 = e1 * x1 + own[q];
                    d0 -= e0, d1 -= e1;
                    to[j] = f0 + (n0 - e0 * f0) / d0, to[j + 1] = f1 + (n1 - e1 * f1) / d1;
                }
                settle(to, out + at, width);
            }
        }
}

/* The gradients of a position's numerator and denominator: u = g / d and w = (f - out) u, d the denominator as in `attend`. */
#define GIVEN(l)                                                                                      \
    vec x##l = v[j + l] * (REAL)inverse, d##l = rest[Q - 1] + column[Q - 1][j + l], e##l = own[own_terms - 1] + 0 * x##l; \
    for (long q = Q - 2; q >= 0; q--) d##l = d##l * x##l + (rest[q] + column[q][j + l]);              \
    for (long q = own_terms - 2; q >= 0; q--) e##l = e##l * x##l + own[q];                            \
    vec u##l = g[j + l] / (d##l - e##l), w##l = (v[j + l] - o[j + l]) * u##l

/* rows (2, Kg, B, N), columns (2, Kg, B, C): the sums of u x^k and w x^k over each row and each column. The denominator's coefficients are
   of_rows (B, N, Q) plus matrix (Q, K) times power sums (K, B, C). */
void given(long B, long N, long C, const REAL *f, double inverse, const REAL *out, const REAL *grad, long Q, long K,
           const REAL *matrix, const REAL *of_rows, const REAL *power_columns, long own_terms, const REAL *own,
           const REAL *keep, long Kg, REAL *rows, REAL *columns, int threads) {
    long tiles = (C + TILE - 1) / TILE;
    long shares = B >= threads ? 1 : threads < tiles ? threads : tiles;
    double *part = calloc((size_t)B * shares * 2 * N * Kg, sizeof(double));
#pragma omp parallel for collapse(2) num_threads(threads)
    for (long b = 0; b < B; b++)
        for (long share = 0; share < shares; share++)
            for (long tile = share; tile < tiles; tile += shares) {
                long c = tile * TILE, width = C - c < TILE ? C - c : TILE, used = (width + LANES - 1) / LANES;
                static _Thread_local vec column[MOST][VECS], sums[2 * MOST][VECS];
                static _Thread_local double totals[2 * MOST][TILE];
                double *of_share = part + (size_t)(b * shares + share) * 2 * N * Kg;
                coefficients(column, matrix, Q, K, power_columns + (size_t)b * C + c, (size_t)B * C, width);
                memset(totals, 0, 2 * Kg * sizeof totals[0]);
                for (long n = 0; n < N; n++) {
                    size_t at = ((size_t)b * N + n) * C + c;
                    const REAL *rest = of_rows + ((size_t)b * N + n) * Q;
                    vec room[3][VECS], of_row[2 * MOST];
                    if (n % FLUSH == 0) memset(sums, 0, 2 * Kg * sizeof sums[0]);
                    if (!keep || keep[b * N + n]) {
                        const vec *v = view(room[0], f + at, width), *o = view(room[1], out + at, width), *g = view(room[2], grad + at, width);
                        memset(of_row, 0, 2 * Kg * sizeof of_row[0]);
                        for (long j = 0; j < used; j += 2) {
                            GIVEN(0);
                            GIVEN(1);
                            for (long k = 0; k < Kg; k++) {
                                sums[k][j] += u0, sums[k][j + 1] += u1, of_row[k] += u0 + u1;
                                sums[Kg + k][j] += w0, sums[Kg + k][j + 1] += w1, of_row[Kg + k] += w0 + w1;
                                u0 *= x0, u1 *= x1, w0 *= x0, w1 *= x1;
                            }
                        }
                        for (long i = 0; i < 2; i++)
                            for (long k = 0; k < Kg; k++) of_share[(i * N + n) * Kg + k] += across(of_row[i * Kg + k]);
                    }
                    if (n % FLUSH == FLUSH - 1 || n == N - 1)
                        for (long k = 0; k < 2 * Kg; k++)
                            for (long j = 0; j < width; j++) totals[k][j] += ((REAL *)sums[k])[j];
                }
                for (long k = 0; k < 2 * Kg; k++)
                    for (long j = 0; j < width; j++) columns[(k * B + b) * C + c + j] = totals[k][j];
            }
    reduce(B, N, Kg, 2, shares, part, rows);
}

/* d_f = (u n'(x) + w d'(x) + r'(x) - own) / s + g: the gradient of the features. n' has Q - 1 coefficients and d Q, of_rows (B, N, 2 Q - 1) plus matrix
   (2 Q - 1, K) times power sums (K, B, C); r', which keys are given, Q, key_rows (B, N, Q) plus key_matrix (Q, Kk) times key_columns (Kk, B, C). */
void derive(long B, long N, long C, const REAL *f, double inverse, const REAL *out, const REAL *grad, long Q, long K,
            const REAL *matrix, const REAL *of_rows, const REAL *power_columns, long Kk, const REAL *key_matrix,
            const REAL *key_rows, const REAL *key_columns, long own_terms, const REAL *own, const REAL *keep, REAL *d_f, int threads) {
    long tiles = (C + TILE - 1) / TILE;
    REAL reach = 1 / inverse;
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
                const vec *v = view(room[0], f + at, width), *o = view(room[1], out + at, width), *g = view(room[2], grad + at, width);
                vec *to = target(room[3], d_f + at, width);
                for (long j = 0; j < used; j++) {
                    vec x = v[j] * (REAL)inverse, none = 0 * x;
                    vec d = rest[Q - 1] + below[Q - 1][j], d_slope = none, e = own[own_terms - 1] + none, e_slope = none;
                    vec r = of_key[Q - 1] + key[Q - 1][j], up = none;
                    for (long q = Q - 2; q >= 0; q--) {
                        d_slope = d_slope * x + d, d = d * x + (rest[q] + below[q][j]);
                        r = r * x + (of_key[q] + key[q][j]);
                        up = up * x + (above[q] + column[q][j]);
                    }
                    for (long q = own_terms - 2; q >= 0; q--) e_slope = e_slope * x + e, e = e * x + own[q];
                    vec u = g[j] / (d - e), w = (v[j] - o[j]) * u;
                    to[j] = (u * up + w * d_slope + r - reach * (u * e) - e_slope * (u * v[j] + w)) * (REAL)inverse + g[j];
                }
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
