from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

# Autovectorised for the baseline of the architecture: no -march, so that a wheel runs on every machine of its kind.
FLAGS = [
    "-O3",
    "-std=gnu11",
    "-fno-math-errno",
    "-ffp-contract=off",  # a fused multiply-add rounds once, and kernels would differ from their twins on some machines
    "-fno-trapping-math",
    "-fno-strict-aliasing",
    "-Wall",
    "-Wextra",
    "-Wno-unused-function",
    "-Wno-unused-parameter",
    "-Wno-missing-field-initializers",
]


def extension(name: str) -> Extension:
    return Extension(
        f"softswitch.media.{name}",
        [f"ext/{name}.pyx"],
        include_dirs=["ext"],
        depends=sorted(glob("ext/*.h")),
        extra_compile_args=FLAGS,
    )


setup(
    ext_modules=cythonize(
        [extension("native"), extension("kernels"), extension("playout_kernels")],
        build_dir="build/cython",
        compiler_directives={"language_level": 3, "boundscheck": False, "wraparound": False, "cdivision": True},
    )
)
