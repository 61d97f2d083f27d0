/* The loops of attention.py over a whole map in one go: the same sums, a block of columns at a time.
   The command line defines REAL (float or double), SQRT and DEGREE. Maps are (B, N, C), contiguous; V is 1 or 2. */

#include <math.h>
#include <stddef.h>
#include <string.h>

#define M (2 * DEGREE + 1) /* monomials 1, cos, .., cos^P, sin, sin cos, .., sin cos^(P-1) */
#define BLOCK 64           /* columns */
#define FLUSH 64           /* additions in REAL before the sum goes on in double */
#define GROUP 4            /* places gathered at a time */
#define EACH for (int j = 0; j < BLOCK; j++)
#define CELL(map, b, n) ((map) + ((size_t)(b) * N + (n)) * C + c)

typedef struct { REAL cos[BLOCK], sin[BLOCK], inverse[BLOCK]; } Point;

static void load(REAL *to, const REAL *from, int width) {
    memcpy(to, from, width * sizeof(REAL));
    memset(to + width, 0, (BLOCK - width) * sizeof(REAL));
}

static inline void point(Point *p, const REAL *f, const REAL *circle) {
    EACH {
        REAL along = f[j] * circle[0] + circle[1];
        REAL inverse = 1 / SQRT(along * along + circle[2] * circle[2]);
        p->cos[j] = along * inverse, p->sin[j] = circle[2] * inverse, p->inverse[j] = inverse;
    }
}

/* acc[a] += sum over GROUP places of m_a(angle) v, for every monomial */
static inline void gather(REAL (*restrict acc)[BLOCK], const Point *restrict p, REAL (*restrict v)[BLOCK]) {
#pragma omp simd
    EACH {
        REAL c0 = p[0].cos[j], c1 = p[1].cos[j], c2 = p[2].cos[j], c3 = p[3].cos[j];
        REAL t0 = v[0][j], t1 = v[1][j], t2 = v[2][j], t3 = v[3][j];
        REAL u0 = t0 * p[0].sin[j], u1 = t1 * p[1].sin[j], u2 = t2 * p[2].sin[j], u3 = t3 * p[3].sin[j];
#pragma GCC unroll 32
        for (int a = 0; a <= DEGREE; a++, t0 *= c0, t1 *= c1, t2 *= c2, t3 *= c3)
            acc[a][j] += (t0 + t1) + (t2 + t3);
#pragma GCC unroll 32
        for (int a = DEGREE + 1; a < M; a++, u0 *= c0, u1 *= c1, u2 *= c2, u3 *= c3)
            acc[a][j] += (u0 + u1) + (u2 + u3);
    }
}

/* sum over the monomials of (row[a] + column[a]) m_a(angle); a row's coefficients lie `step` apart */
static inline void horner(REAL *restrict out, const Point *restrict p, const REAL *row, size_t step,
                          REAL (*restrict column)[BLOCK]) {
    REAL r[M];
    for (int a = 0; a < M; a++) r[a] = row[a * step];
#pragma omp simd
    EACH {
        REAL cos = p->cos[j], even = r[DEGREE] + column[DEGREE][j], odd = r[M - 1] + column[M - 1][j];
#pragma GCC unroll 32
        for (int a = DEGREE - 1; a >= 0; a--) even = even * cos + (r[a] + column[a][j]);
#pragma GCC unroll 32
        for (int a = M - 2; a > DEGREE; a--) odd = odd * cos + (r[a] + column[a][j]);
        out[j] = even + odd * p->sin[j];
    }
}

#define LAST (sizeof(REAL) == 4 ? 11 : 18)
static const REAL TAYLOR[] = {1, 1, 1 / 2., 1 / 6., 1 / 24., 1 / 120., 1 / 720., 1 / 5040., 1 / 40320., 1 / 362880., 1 / 3628800., 1 / 39916800.,
    1 / 479001600., 1 / 6227020800., 1 / 87178291200., 1 / 1307674368000., 1 / 20922789888000., 1 / 355687428096000., 1 / 6402373705728000.};

/* exp(score) of a position with itself; |score| <= 1, so Taylor's series to 1e-9 (float) and 1e-17 (double) */
static inline void own(REAL *restrict out, const Point *q, const Point *k, const REAL *axes) {
    REAL a0 = axes[0], a1 = axes[1], a2 = axes[2], a3 = axes[3];
#pragma omp simd
    EACH {
        REAL score = q->cos[j] * (a0 * k->cos[j] + a1 * k->sin[j]) + q->sin[j] * (a2 * k->cos[j] + a3 * k->sin[j]);
        REAL sum = TAYLOR[LAST];
#pragma GCC unroll 32
        for (int a = LAST - 1; a >= 0; a--) sum = sum * score + TAYLOR[a];
        out[j] = sum;
    }
}

/* columns of the block at c that the map has */
static inline int width_at(long c, long C) { return c >= C ? 0 : C - c < BLOCK ? C - c : BLOCK; }

/* block[a] = sum over m of kernel[a, m] moments[m]: a block of columns' coefficients, `count` of them */
static void coefficients(REAL (*restrict block)[BLOCK], const REAL *restrict kernel, int count,
                         const REAL *restrict moments, size_t step, int width) {
    REAL of_m[M][BLOCK];
    for (int m = 0; m < M; m++) load(of_m[m], moments + m * step, width);
    for (int a = 0; a < count; a++)
#pragma omp simd
        EACH {
            REAL sum = 0;
#pragma GCC unroll 32
            for (int m = 0; m < M; m++) sum += kernel[a * M + m] * of_m[m][j];
            block[a][j] = sum;
        }
}

/* The k-th place of a group: columns c to c + BLOCK of the row at `start`; past the map's edge v is 0. */
static inline void place(Point *p, REAL (*v)[GROUP][BLOCK], long k, long V, const REAL *f, const REAL *const *values,
                         size_t start, long c, long C, REAL kept, const REAL *circle) {
    int width = width_at(c, C);
    REAL at[BLOCK];
    load(at, f + start + c, width);
    point(p, at, circle);
    for (long i = 0; i < V; i++) {
        if (values[i]) load(v[i][k], values[i] + start + c, width);
        else EACH v[i][k][j] = j < width;
        EACH v[i][k][j] *= kept;
    }
}

/* rows (V, M, B, N), columns (V, M, B, C): sums of keep v m(angle) over each row and each column */
void moments(long B, long N, long C, const REAL *f, const REAL *circle, long V, const REAL *const *values,
             const REAL *keep, REAL *rows, REAL *columns, int threads) {
    long blocks = (C + BLOCK - 1) / BLOCK;
#pragma omp parallel for collapse(2) num_threads(threads)
    for (long b = 0; b < B; b++)
        for (long n = 0; n < N; n++) {
            double total[2 * M] = {0};
            REAL acc[2 * M][BLOCK];
            for (long block = 0; block < blocks; block += GROUP) {
                REAL v[2][GROUP][BLOCK];
                Point p[GROUP];
                if (block % FLUSH == 0) memset(acc, 0, sizeof acc);
                for (long k = 0; k < GROUP; k++) place(p + k, v, k, V, f, values, (b * N + n) * C, (block + k) * BLOCK, C, 1, circle);
                for (long i = 0; i < V; i++) gather(acc + i * M, p, v[i]);
                if (block % FLUSH == FLUSH - GROUP || block + GROUP >= blocks)
                    for (int m = 0; m < V * M; m++) EACH total[m] += acc[m][j];
            }
            for (int m = 0; m < V * M; m++)
                rows[(m * B + b) * N + n] = total[m] * (keep ? keep[b * N + n] : 1);
        }
#pragma omp parallel for collapse(2) num_threads(threads)
    for (long b = 0; b < B; b++)
        for (long block = 0; block < blocks; block++) {
            long c = block * BLOCK;
            int width = width_at(c, C);
            double total[2 * M][BLOCK] = {{0}};
            REAL acc[2 * M][BLOCK];
            for (long n = 0; n < N; n += GROUP) {
                REAL v[2][GROUP][BLOCK];
                Point p[GROUP];
                if (n % FLUSH == 0) memset(acc, 0, sizeof acc);
                for (long k = 0; k < GROUP; k++) {
                    REAL kept = n + k >= N ? 0 : keep ? keep[b * N + n + k] : 1;
                    place(p + k, v, k, V, f, values, (b * N + (n + k < N ? n + k : n)) * C, c, C, kept, circle);
                }
                for (long i = 0; i < V; i++) gather(acc + i * M, p, v[i]);
                if (n % FLUSH == FLUSH - GROUP || n + GROUP >= N)
                    for (int m = 0; m < V * M; m++) EACH total[m][j] += acc[m][j];
            }
            for (int m = 0; m < V * M; m++)
                for (int j = 0; j < width; j++) columns[(m * B + b) * C + c + j] = total[m][j];
        }
}

/* S[v] (B, N, C) from the kernel times the moments of the rows (V, M, B, N), and from those of the columns (V, M, B, C) */
void sums(long B, long N, long C, const REAL *f, const REAL *circles, const REAL *axes, long V, const REAL *const *values,
          const REAL *kernel, const REAL *rows, const REAL *columns, REAL *const *out, int threads) {
    long blocks = (C + BLOCK - 1) / BLOCK;
#pragma omp parallel for collapse(2) num_threads(threads)
    for (long b = 0; b < B; b++)
        for (long block = 0; block < blocks; block++) {
            long c = block * BLOCK;
            int width = width_at(c, C);
            REAL column[2 * M][BLOCK];
            for (long i = 0; i < V; i++) coefficients(column + i * M, kernel, M, columns + (i * M * B + b) * C + c, B * C, width);
            for (long n = 0; n < N; n++) {
                REAL at[BLOCK], self[BLOCK], v[BLOCK], sum[BLOCK];
                Point query, key;
                load(at, CELL(f, b, n), width);
                point(&query, at, circles), point(&key, at, circles + 3);
                own(self, &query, &key, axes);
                for (long i = 0; i < V; i++) {
                    horner(sum, &query, rows + (i * M * B + b) * N + n, B * N, column + i * M);
                    if (values[i]) load(v, CELL(values[i], b, n), width);
                    else EACH v[j] = 1;
                    EACH sum[j] -= self[j] * v[j];
                    memcpy(CELL(out[i], b, n), sum, width * sizeof(REAL));
                }
            }
        }
}

/* Gradients of the features d_f (all but those through v), of each v (NULL where v is), and of circles and axes:
   totals (B, blocks, 10). Kernels and rows of queries have M coefficients, those of keys 2 M: of the sum, then of its derivative. */
void slopes(long B, long N, long C, const REAL *f, const REAL *circles, const REAL *axes, long V,
            const REAL *const *values, const REAL *const *grads, const REAL *keep, const REAL *query_kernel,
            const REAL *query_rows, const REAL *query_columns, const REAL *key_kernel, const REAL *key_rows,
            const REAL *key_columns, REAL *d_f, REAL *const *d_values, double *totals, int threads) {
    long blocks = (C + BLOCK - 1) / BLOCK;
#pragma omp parallel for collapse(2) num_threads(threads)
    for (long b = 0; b < B; b++)
        for (long block = 0; block < blocks; block++) {
            long c = block * BLOCK;
            int width = width_at(c, C);
            double *total = totals + (b * blocks + block) * 10;
            REAL to_query[2 * M][BLOCK], to_key[4 * M][BLOCK];
            for (long i = 0; i < V; i++) {
                coefficients(to_query + i * M, query_kernel, M, query_columns + (i * M * B + b) * C + c, B * C, width);
                coefficients(to_key + 2 * i * M, key_kernel, 2 * M, key_columns + (i * M * B + b) * C + c, B * C, width);
            }
            for (long n = 0; n < N; n++) {
                REAL at[BLOCK], self[BLOCK], v[BLOCK], g[BLOCK], sum[BLOCK], d_self[BLOCK] = {0};
                REAL d_angle[2][BLOCK] = {{0}}, kept = keep ? keep[b * N + n] : 1, part[10] = {0};
                Point point_of[2], *query = point_of, *key = point_of + 1;
                load(at, CELL(f, b, n), width);
                point(query, at, circles), point(key, at, circles + 3);
                own(self, query, key, axes);
                for (long i = 0; i < V; i++) {
                    const REAL *row = key_rows + (2 * i * M * B + b) * N + n;
                    load(g, CELL(grads[i], b, n), width);
                    if (values[i]) load(v, CELL(values[i], b, n), width);
                    else EACH v[j] = j < width;
                    EACH d_self[j] -= g[j] * v[j] * self[j];
                    horner(sum, query, query_rows + (i * M * B + b) * N + n, B * N, to_query + i * M);
                    EACH d_angle[0][j] += g[j] * sum[j];
                    horner(sum, key, row + (size_t)M * B * N, B * N, to_key + (2 * i + 1) * M);
                    EACH d_angle[1][j] += kept * v[j] * sum[j];
                    if (d_values[i]) {
                        horner(sum, key, row, B * N, to_key + 2 * i * M);
                        EACH sum[j] = kept * (sum[j] - self[j] * g[j]);
                        memcpy(CELL(d_values[i], b, n), sum, width * sizeof(REAL));
                    }
                }
                EACH {
                    d_angle[0][j] += d_self[j] * (query->cos[j] * (axes[2] * key->cos[j] + axes[3] * key->sin[j])
                                                - query->sin[j] * (axes[0] * key->cos[j] + axes[1] * key->sin[j]));
                    d_angle[1][j] += d_self[j] * (key->cos[j] * (axes[1] * query->cos[j] + axes[3] * query->sin[j])
                                                - key->sin[j] * (axes[0] * query->cos[j] + axes[2] * query->sin[j]));
                    sum[j] = 0;
                }
                for (int s = 0; s < 2; s++) {
                    REAL one = 0, other = 0, third = 0, scale = circles[3 * s];
                    Point *p = point_of + s;
#pragma omp simd reduction(+ : one, other, third)
                    EACH {
                        REAL d_along = -d_angle[s][j] * p->sin[j] * p->inverse[j];
                        one += d_along * at[j], other += d_along, third += d_angle[s][j] * p->cos[j] * p->inverse[j];
                        sum[j] += d_along * scale;
                    }
                    part[3 * s] = one, part[3 * s + 1] = other, part[3 * s + 2] = third;
                }
                for (int s = 0; s < 2; s++) {
                    const REAL *of_query = s ? query->sin : query->cos;
                    REAL one = 0, other = 0;
#pragma omp simd reduction(+ : one, other)
                    EACH one += d_self[j] * of_query[j] * key->cos[j], other += d_self[j] * of_query[j] * key->sin[j];
                    part[6 + 2 * s] = one, part[7 + 2 * s] = other;
                }
                memcpy(CELL(d_f, b, n), sum, width * sizeof(REAL));
                for (int t = 0; t < 10; t++) total[t] += part[t];
            }
        }
}
