"""Cases of factorisations, triangular solves and Fourier transforms."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.cases.case import C64, F32, Case, arg, gradient


def _positive_definite(x):
    return x @ jnp.swapaxes(x, -1, -2) + 4 * jnp.eye(x.shape[-1], dtype=x.dtype)


def _lower(x):
    return jnp.tril(x) + 6 * jnp.eye(x.shape[-1], dtype=x.dtype)


def _eigh_rebuilds(x):
    w, v = jnp.linalg.eigh(x)
    return (v * jnp.exp(w)[..., None, :]) @ jnp.swapaxes(v, -1, -2)


def _svd_rebuilds(full_matrices):
    def function(x):
        u, s, vt = jnp.linalg.svd(x, full_matrices=full_matrices)
        rank = s.shape[-1]
        square = lambda q: q @ q.conj().swapaxes(-1, -2)  # noqa: E731
        return (u[..., :rank] * s[..., None, :]) @ vt[..., :rank, :], s, square(u.conj().swapaxes(-1, -2)), square(vt)

    return function


def _eigenvalues(x):
    return jnp.sort(jnp.linalg.eigvals(x), axis=-1)


def _schur_rebuilds(x):
    t, z = lax.linalg.schur(x)
    return z @ t @ z.conj().T, z @ z.conj().T, jnp.linalg.norm(jnp.tril(t, -2)), lax.linalg.schur(x, compute_schur_vectors=False)[0] - t


def _eig_rebuilds(x):
    w, left, right = lax.linalg.eig(x)
    return (x @ right) @ jnp.linalg.inv(right), jnp.linalg.norm(left.conj().T @ x - w[:, None] * left.conj().T) < 1e-3


def _tridiagonal(lower):
    """The eigenvalues: small errors of a step may turn all the reflectors after it."""

    def function(x):
        _, d, e, _ = lax.linalg.tridiagonal(x, lower=lower)
        return jnp.linalg.eigvalsh(jnp.diag(d) + jnp.diag(e, 1) + jnp.diag(e, -1))

    return function


def _tridiagonal_solve(diagonals, b):
    lower, diagonal, upper = diagonals
    return lax.linalg.tridiagonal_solve(lower.at[..., 0].set(0), diagonal, upper.at[..., -1].set(0), b)


def _perturbed_solve(b):
    """The middle equation contradicts the first one."""
    zeros = jnp.zeros(3, b.dtype)
    x = lax.linalg.tridiagonal_solve(zeros, jnp.array([1.0, 0.0, 2.0], b.dtype), zeros, b, perturb_singular=True)
    return x[0], x[2], jnp.isfinite(x), lax.linalg.tridiagonal_solve(zeros, zeros, zeros, b)


def _pivoted_qr(x):
    q, r, p = jax.scipy.linalg.qr(x, pivoting=True, mode="economic")
    return q @ r, jnp.abs(r), p


def _solve(left_side, lower, transpose_a, unit_diagonal):
    return lambda a, b: lax.linalg.triangular_solve(
        _lower(a) if lower else _lower(a).swapaxes(-1, -2),
        b,
        left_side=left_side,
        lower=lower,
        transpose_a=transpose_a,
        unit_diagonal=unit_diagonal,
    )


def _solves() -> list[Case]:
    cases = []
    flags = [(s, low, t, u) for s in (True, False) for low in (True, False) for t in (True, False) for u in (True, False)]
    for left_side, lower, transpose_a, unit in flags:
        name = "-".join(("left" if left_side else "right", "lower" if lower else "upper")) + "-transposed" * transpose_a + "-unit" * unit
        pair = (arg((9, 9), F32, "unit"), arg((9, 5) if left_side else (5, 9)))
        cases.append(Case(f"triangular_solve-{name}", "triangular_solve", _solve(left_side, lower, transpose_a, unit), pair, "close"))
    batched = (arg((3, 9, 9), F32, "unit"), arg((3, 9, 5)))
    cases.append(Case("triangular_solve-batched", "triangular_solve", _solve(True, True, False, False), batched, "close"))
    return cases


CASES = [
    *(Case(f"cholesky-{n}", "cholesky", lambda x: lax.linalg.cholesky(_positive_definite(x)), (arg((n, n)),), "close") for n in (1, 9, 40)),
    Case("cholesky-batched", "cholesky", lambda x: jnp.linalg.cholesky(_positive_definite(x)), (arg((3, 9, 9)),), "close"),
    Case("cholesky-grad", "cholesky", gradient(lambda x: jnp.linalg.cholesky(_positive_definite(x))), (arg((9, 9)),), "close"),
    *_solves(),
    *(Case(f"fft-{n}", "fft", jnp.fft.fft, (arg((3, n), C64),), "close") for n in (1, 8, 12, 17, 64)),
    Case("ifft", "fft", jnp.fft.ifft, (arg((3, 24), C64),), "close"),
    Case("rfft", "fft", jnp.fft.rfft, (arg((3, 24)),), "close"),
    Case("irfft", "fft", jnp.fft.irfft, (arg((3, 13), C64),), "close"),
    Case("fft2", "fft", jnp.fft.fft2, (arg((3, 8, 12), C64),), "close"),
    Case("rfft-grad", "fft", gradient(lambda x: jnp.abs(jnp.fft.rfft(x))), (arg((24,)),), "close"),
    Case("solve", "linalg", jnp.linalg.solve, (arg((9, 9)), arg((9, 2))), "close"),
    *(Case(f"lu-{m}x{n}", "linalg", lax.linalg.lu, (arg((2, m, n)),), "close") for m, n in ((9, 9), (9, 5), (5, 9), (40, 40))),
    Case("lu-complex", "linalg", lax.linalg.lu, (arg((9, 9), C64),), "close"),
    Case("solve-grad", "linalg", gradient(jnp.linalg.solve), (arg((9, 9)), arg((9, 2))), "close"),
    Case("inv-batched", "linalg", lambda x: jnp.linalg.inv(_lower(x)), (arg((3, 9, 9), F32, "unit"),), "close"),
    Case("det", "linalg", jnp.linalg.slogdet, (arg((3, 9, 9)),), "close"),
    *(Case(f"eigvalsh-{n}", "linalg", jnp.linalg.eigvalsh, (arg((2, n, n)),), "close") for n in (1, 9, 40)),
    Case("eigvalsh-complex", "linalg", jnp.linalg.eigvalsh, (arg((2, 9, 9), C64),), "close"),
    Case("eigh-rebuilds", "linalg", _eigh_rebuilds, (arg((2, 9, 9)),), "close"),
    Case("eigh-grad", "linalg", gradient(_eigh_rebuilds), (arg((9, 9)),), "close"),
    *(
        Case(f"svd-{m}x{n}-{t}{'-full' * full}", "linalg", _svd_rebuilds(full), (arg((2, m, n), t),), "close")
        for m, n, full in ((9, 9, True), (9, 5, True), (9, 5, False), (5, 9, True), (5, 9, False), (40, 40, True))
        for t in (F32, C64)
    ),
    Case("svd-values", "linalg", lambda x: jnp.linalg.svd(x, compute_uv=False), (arg((2, 9, 5)),), "close"),
    Case("svd-empty", "linalg", jnp.linalg.svd, (arg((2, 0, 5)),), "close"),
    Case("pinv", "linalg", jnp.linalg.pinv, (arg((9, 5)),), "close"),
    Case("svd-grad", "linalg", gradient(lambda x: jnp.linalg.svd(x, compute_uv=False)), (arg((9, 5)),), "close"),
    Case("qr", "linalg", lambda x: jnp.abs(jnp.linalg.qr(x)[1]), (arg((9, 5)),), "close"),
    *(Case(f"pivoted_qr-{m}x{n}", "linalg", _pivoted_qr, (arg((m, n)),), "close") for m, n in ((9, 9), (9, 5), (5, 9))),
    *(Case(f"eigvals-{n}", "linalg", _eigenvalues, (arg((2, n, n)),), "close") for n in (1, 2, 9)),
    Case("eigvals-complex", "linalg", _eigenvalues, (arg((2, 9, 9), C64),), "close"),
    Case("eig-rebuilds", "linalg", _eig_rebuilds, (arg((6, 6)),), "close"),
    Case("eig-empty", "linalg", jnp.linalg.eig, (arg((2, 0, 0)),), "close"),
    *(Case(f"schur-{t}", "linalg", _schur_rebuilds, (arg((9, 9), t),), "close") for t in (F32, C64)),
    *(Case(f"hessenberg-{t}", "linalg", lax.linalg.hessenberg, (arg((2, 9, 9), t),), "close") for t in (F32, C64)),
    *(Case(f"tridiagonal-{t}-{low}", "linalg", _tridiagonal(low), (arg((9, 9), t),), "close") for t in (F32, C64) for low in (True, False)),
    *(Case(f"tridiagonal_solve-{t}", "linalg", _tridiagonal_solve, (arg((3, 2, 9), t), arg((2, 9, 4), t)), "close") for t in (F32, C64)),
    Case("tridiagonal_solve-perturbed", "linalg", _perturbed_solve, (arg((3, 2)),), "close"),
]
