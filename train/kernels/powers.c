/* The loops of powers.py over a whole map: power sums of rows and columns, and polynomials at every position.
   Maps are (B, N, C), contiguous; x = f * inverse lies in [-1, 1]. */

#include "tiles.h"

/* One tile: rows[(i * N + n) * K + k] += its share of the sum over row n of v_i x^k, columns[i][k] = the sums over its columns. */
static void gather_tile(const REAL *f, REAL inverse, long N, long C, long c, long K, long V, const REAL *const *values,
                        const REAL *keep, double *rows, REAL *const *columns, size_t step) {
    long width = C - c < TILE ? C - c : TILE, used = (width + LANES - 1) / LANES;
    ROOM vec sums[MOST][VECS], x[ROWS][VECS], t[ROWS][VECS];
    ROOM double totals[MOST][TILE];
    for (long i = 0; i < V; i++) {
        long from = !values[i]; /* 1 to the power of 0 is counted */
        double count = 0;
        if (N > FLUSH) memset(totals, 0, K * sizeof totals[0]);
        for (long n = 0; n < N; n += ROWS) {
            load_rows(f + c, inverse, N, C, n, width, keep, x);
            if (values[i]) load_rows(values[i] + c, 1, N, C, n, width, keep, t);
            const vec(*first)[VECS] = (const vec(*)[VECS])(values[i] ? t : x), *const of_t[ROWS] = {first[0], first[1], first[2], first[3]};
            add_rows(n, N, used, K - from, (const vec(*)[VECS])x, of_t, sums + from, totals + from, rows + i * N * K + from, K,
                     i + 1 < V || !values[i] ? f : values[i], after(N, C, c, n), C);
        }
        for (long n = 0; from && n < N; n++)
            if (!keep || keep[n]) rows[(i * N + n) * K] += width, count++;
        for (long j = 0; from && j < width; j++) columns[i][c + j] = count;
        settle_columns(N, K - from, width, (const vec(*)[VECS])sums + from, (const double(*)[TILE])totals + from, columns[i] + from * step + c, step);
    }
}

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

/* to = f + n / d */
ROW attend_row(long used, long C, REAL inverse, const vec *f, long Q, const REAL *above, per_column column, const REAL *rest, per_column below, vec *to) {
    for (long j = 0; j < used; j += 4) {
        for (long i = j; i < j + 4; i++) ASK(f + i, C, 0), ASK(to + i, C, 1);
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
    for (long j = 0; j < used; j += 4) {
        vec x0 = x[j], x1 = x[j + 1], x2 = x[j + 2], x3 = x[j + 3];
        const vec *e = below[Q - 1] + j;
        REAL r = rest[Q - 1];
        vec d0 = r + e[0], d1 = r + e[1], d2 = r + e[2], d3 = r + e[3];
        for (long q = Q - 2; q >= 0; q--) {
            e -= VECS, r = rest[q];
            d0 = d0 * x0 + (r + e[0]), d1 = d1 * x1 + (r + e[1]), d2 = d2 * x2 + (r + e[2]), d3 = d3 * x3 + (r + e[3]);
        }
        u[j] = g[j] / d0, u[j + 1] = g[j + 1] / d1, u[j + 2] = g[j + 2] / d2, u[j + 3] = g[j + 3] / d3;
        for (long i = j; i < j + 4; i++) w[i] = (f[i] - out[i]) * u[i];
    }
}

/* to = (u n'(x) + w d'(x) + r'(x)) / s + g */
ROW derive_row(long used, long C, REAL inverse, const vec *f, const vec *out, const vec *g, long Q, const REAL *above, per_column column,
               const REAL *rest, per_column below, const REAL *of_key, per_column key, vec *to) {
    for (long j = 0; j < used; j += 2) {
        for (long i = j; i < j + 2; i++) ASK(f + i, C, 0), ASK(out + i, C, 0), ASK(g + i, C, 0), ASK(to + i, C, 1);
        vec x0 = f[j] * inverse, x1 = f[j + 1] * inverse, up0 = 0 * x0, up1 = up0, down0 = up0, down1 = up0;
        vec d0 = rest[Q - 1] + below[Q - 1][j], d1 = rest[Q - 1] + below[Q - 1][j + 1];
        vec r0 = of_key[Q - 1] + key[Q - 1][j], r1 = of_key[Q - 1] + key[Q - 1][j + 1];
        for (long q = Q - 2; q >= 0; q--) {
            down0 = down0 * x0 + d0, down1 = down1 * x1 + d1;
            d0 = d0 * x0 + (rest[q] + below[q][j]), d1 = d1 * x1 + (rest[q] + below[q][j + 1]);
            up0 = up0 * x0 + (above[q] + column[q][j]), up1 = up1 * x1 + (above[q] + column[q][j + 1]);
            r0 = r0 * x0 + (of_key[q] + key[q][j]), r1 = r1 * x1 + (of_key[q] + key[q][j + 1]);
        }
        vec u0 = g[j] / d0, u1 = g[j + 1] / d1;
        to[j] = (u0 * (up0 + (f[j] - out[j]) * down0) + r0) * inverse + g[j];
        to[j + 1] = (u1 * (up1 + (f[j + 1] - out[j + 1]) * down1) + r1) * inverse + g[j + 1];
    }
}

/* One tile of bag b: out = f + keep * n / d, of_rows (N, 2 Q). */
static void attend_tile(long b, long B, long N, long C, long c, const REAL *f, REAL inverse, long Q, long K, const REAL *matrix, const REAL *of_rows,
                        const REAL *power_columns, const REAL *keep, REAL *out) {
    long width = C - c < TILE ? C - c : TILE, used = (width + LANES - 1) / LANES;
    ROOM vec column[2 * MOST][VECS];
    coefficients(column, matrix, 2 * Q, K, power_columns + (size_t)b * C + c, (size_t)B * C, width);
    for (long n = 0; n < N; n++) {
        size_t at = ((size_t)b * N + n) * C + c;
        LINED vec room[VECS], more[VECS];
        if (keep && !keep[b * N + n]) {
            if (out != f) memcpy(out + at, f + at, width * sizeof(REAL));
            continue;
        }
        const vec *v = view(room, f + at, width);
        vec *to = target(more, out + at, width);
        attend_row(used, C, inverse, v, Q, of_rows + n * 2 * Q, (per_column)column, of_rows + n * 2 * Q + Q, (per_column)column + Q, to);
        settle(to, out + at, width);
    }
}

static void attend_bag(long b, long B, long N, long C, const REAL *f, double inverse, long Q, long K, const REAL *matrix, const REAL *less,
                       const REAL *keep, REAL *rows, REAL *columns, REAL *out, long shares, int threads) {
    const REAL *ones[1] = {NULL};
    gather_bag(b, B, N, C, f, inverse, K, 1, ones, keep, rows, columns, shares, threads);
    REAL *of_rows = malloc((size_t)N * 2 * Q * sizeof(REAL));
    row_coefficients(N, 2 * Q, K, matrix, less, rows + b * N, B * N, of_rows, shares, threads);
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

/* What the backward pass of a bag reads and writes; maps (N, C), power sums `step` apart. */
struct back {
    long N, C, Q, K;
    const REAL *f, *out, *grad, *keep;
    REAL inverse;
    const REAL *matrix, *columns, *key_matrix; /* (2 Q - 1, K) of n' and of d, (K, C), (Q, 2 Q) of r' */
    size_t step;
    REAL *of_rows, *of_key, *given; /* (N, 2 Q - 1), (N, Q), and the columns' sums of u x^k, then of w x^k (2 Q, C) */
    REAL *d_f;
};

/* One tile: the sums of u x^k and w x^k over its columns, and its share of those over the rows. */
static void given_tile(const struct back *m, long c, double *of_share) {
    long N = m->N, C = m->C, Q = m->Q, width = C - c < TILE ? C - c : TILE, used = (width + LANES - 1) / LANES;
    ROOM vec column[MOST][VECS], sums[2][MOST][VECS], x[ROWS][VECS], uw[2][ROWS][VECS];
    ROOM double totals[2][MOST][TILE];
    coefficients(column, m->matrix + (Q - 1) * m->K, Q, m->K, m->columns + c, m->step, width);
    for (long i = 0; N > FLUSH && i < 2; i++) memset(totals[i], 0, Q * sizeof totals[i][0]);
    for (long begin = 0; begin < N; begin += ROWS) {
        load_rows(m->f + c, m->inverse, N, C, begin, width, m->keep, x);
        for (long r = 0; r < ROWS; r++) {
            long n = begin + r;
            vec *u = uw[0][r], *w = uw[1][r];
            LINED vec room[3][VECS];
            if (n >= N || (m->keep && !m->keep[n])) {
                memset(u, 0, sizeof uw[0][r]), memset(w, 0, sizeof uw[1][r]);
                continue;
            }
            size_t at = n * C + c;
            for (long j = 0; j < TILE; j += 64 / (long)sizeof(REAL)) ASK(m->f, after(N, C, c, n) + j, 0);
            const vec *v = view(room[0], m->f + at, width), *o = view(room[1], m->out + at, width), *g = view(room[2], m->grad + at, width);
            given_row(used, x[r], v, o, g, Q, m->of_rows + n * (2 * Q - 1) + Q - 1, (per_column)column, u, w);
            if (width < TILE) memset((REAL *)u + width, 0, (TILE - width) * sizeof(REAL)), memset((REAL *)w + width, 0, (TILE - width) * sizeof(REAL));
        }
        for (long i = 0; i < 2; i++) {
            const vec *of_t[ROWS] = {uw[i][0], uw[i][1], uw[i][2], uw[i][3]};
            add_rows(begin, N, used, Q, (const vec(*)[VECS])x, of_t, sums[i], totals[i], of_share + i * N * Q, Q,
                     i ? m->grad : m->out, after(N, C, c, begin), C);
        }
    }
    for (long i = 0; i < 2; i++)
        settle_columns(N, Q, width, (const vec(*)[VECS])sums[i], (const double(*)[TILE])totals[i], m->given + i * Q * C + c, C);
}

/* One tile of d_f. */
static void derive_tile(const struct back *m, long c) {
    long C = m->C, Q = m->Q, width = C - c < TILE ? C - c : TILE, used = (width + LANES - 1) / LANES;
    ROOM vec column[2 * MOST][VECS], key[MOST][VECS];
    coefficients(column, m->matrix, 2 * Q - 1, m->K, m->columns + c, m->step, width);
    coefficients(key, m->key_matrix, Q, 2 * Q, m->given + c, C, width);
    for (long n = 0; n < m->N; n++) {
        size_t at = n * C + c;
        const REAL *above = m->of_rows + n * (2 * Q - 1);
        LINED vec room[4][VECS];
        if (m->keep && !m->keep[n]) {
            memcpy(m->d_f + at, m->grad + at, width * sizeof(REAL));
            continue;
        }
        const vec *v = view(room[0], m->f + at, width), *o = view(room[1], m->out + at, width), *g = view(room[2], m->grad + at, width);
        vec *to = target(room[3], m->d_f + at, width);
        derive_row(used, C, m->inverse, v, o, g, Q, above, (per_column)column, above + Q - 1, (per_column)column + Q - 1, m->of_key + n * Q, (per_column)key, to);
        settle(to, m->d_f + at, width);
    }
}

/* to[2 i + j] += the products of one[i] and other[j], two of each, along all their length. */
static void dots(const REAL *const *one, const REAL *const *other, long length, double *to) {
    for (long c = 0; c < length; c += TILE) {
        long width = length - c < TILE ? length - c : TILE;
        LINED vec room[4][VECS];
        const vec *a0 = view(room[0], one[0] + c, width), *a1 = view(room[1], one[1] + c, width);
        const vec *b0 = view(room[2], other[0] + c, width), *b1 = view(room[3], other[1] + c, width);
        vec s00 = {0}, s01 = {0}, s10 = {0}, s11 = {0};
        for (long j = 0; j < (width + LANES - 1) / LANES; j++)
            s00 += a0[j] * b0[j], s01 += a0[j] * b1[j], s10 += a1[j] * b0[j], s11 += a1[j] * b1[j];
        to[0] += across(s00), to[1] += across(s01), to[2] += across(s10), to[3] += across(s11);
    }
}

static void back_bag(struct back m, const REAL *less, const REAL *rows, size_t step_of_rows, double *met, long shares, int threads) {
    long N = m.N, C = m.C, Q = m.Q, K = m.K;
    double *part = calloc((size_t)shares * 2 * N * Q, sizeof(double));
    REAL *given_rows = malloc(2 * Q * N * sizeof(REAL));
    m.of_rows = malloc(N * (2 * Q - 1) * sizeof(REAL)), m.given = lined(2 * Q * C);
    row_coefficients(N, 2 * Q - 1, K, m.matrix, less, rows, step_of_rows, m.of_rows, shares, threads);
    SHARED
    for (long share = 0; share < shares; share++)
        for (long c = share * TILE; c < C; c += shares * TILE) given_tile(&m, c, part + share * 2 * N * Q);
    reduce(0, 1, N, Q, 2, shares, part, given_rows);
    SHARED
    for (long k = 0; k < 2 * Q; k += 2) {
        for (long l = 0; l < K; l += 2) {
            long more = l + 1 < K; /* the last of an odd number of power sums is taken twice */
            const REAL *of_columns[2] = {m.given + k * C, m.given + (k + 1) * C}, *columns[2] = {m.columns + l * m.step, m.columns + (l + more) * m.step};
            const REAL *of_rows[2] = {given_rows + k * N, given_rows + (k + 1) * N}, *with[2] = {rows + l * step_of_rows, rows + (l + more) * step_of_rows};
            double sums[4] = {0};
            dots(of_columns, columns, C, sums), dots(of_rows, with, N, sums);
            for (long i = 0; i < 2; i++)
                for (long j = 0; j < 1 + more; j++) met[(k + i) * (K + 1) + l + j] = sums[2 * i + j];
        }
        for (long i = k; i < k + 2; i++)
            for (long n = 0; n < N; n++) met[i * (K + 1) + K] += given_rows[i * N + n];
    }
    if (m.d_f) {
        m.of_key = malloc(N * Q * sizeof(REAL));
        row_coefficients(N, Q, 2 * Q, m.key_matrix, NULL, given_rows, N, m.of_key, shares, threads);
        SHARED
        for (long share = 0; share < shares; share++)
            for (long c = share * TILE; c < C; c += shares * TILE) derive_tile(&m, c);
    }
    free(part), free(given_rows), free(m.of_rows), free(m.of_key), free(m.given);
}

/* Of attend's input, output and gradient of the output: u = g / d and w = (f - out) u are the gradients of a position's numerator and denominator. The sums
   of u x^k, then of w x^k, k < Q, over rows and columns meet the power sums of rows (K, B, N) and columns (K, B, C), whose products are `met` (B, 2 Q, K + 1),
   0 at first, and last the sums of a whole bag. d_f = (u n'(x) + w d'(x) + r'(x)) / s + g, or NULL, the gradient of the features: the coefficients of n',
   then of d are matrix (2 Q - 1, K) times the power sums less `less`, those of r' key_matrix (Q, 2 Q) times the sums of u x^k and w x^k. */
void backward(long B, long N, long C, const REAL *f, double inverse, const REAL *out, const REAL *grad, long Q, long K, const REAL *matrix,
              const REAL *less, const REAL *rows, const REAL *columns, const REAL *key_matrix, const REAL *keep, double *met, REAL *d_f, int threads) {
    long shares = shares_of(B, C, threads);
#define BAG(map) ((map) + (size_t)b * N * C)
    EACH_BAG(back_bag((struct back){.N = N, .C = C, .Q = Q, .K = K, .f = BAG(f), .out = BAG(out), .grad = BAG(grad), .keep = keep ? keep + b * N : NULL,
                                    .inverse = inverse, .matrix = matrix, .columns = columns + b * C, .key_matrix = key_matrix, .step = (size_t)B * C,
                                    .d_f = d_f ? BAG(d_f) : NULL}, less, rows + b * N, (size_t)B * N, met + b * 2 * Q * (K + 1), shares, threads));
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
            ROOM vec column[TERMS][MOST][VECS];
            for (long t = 0; t < T; t++)
                coefficients(column[t], matrices[t], Q[t], K[t], columns[t] + (size_t)b * C + c, (size_t)B * C, width);
            for (long n = 0; n < N; n++) {
                size_t at = ((size_t)b * N + n) * C + c;
                LINED vec room[VECS], more[VECS], to[VECS];
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
